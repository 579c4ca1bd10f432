"""The store: what is appended stays, whatever happens to the process that wrote it."""

import errno
import fcntl
import json
import multiprocessing
import os
import re
import resource
import signal
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
from hypothesis import given, strategies

from bench.compare.pair_result import PairResult
from bench.machine import facts
from bench.results import store
from bench.results.measurement import Measurement
from flowers_core.errors import InputError, ReportedError, RunFailed

HOSTILE = (b"[" * 10_000, b'{"format": 1, "cell": NaN}', b'{"format": 1}', b"1" * 5_000, b"null", b'"\\ud800"')


def test_load_gives_what_was_appended(tmp_path, measured):
    """Results come back in the order in which they were appended; an absent store holds none."""
    measurements = tuple(measured(model=name) for name in ("dense", "convnet", "squeezenet"))
    for measurement in measurements:
        store.append(measurement, tmp_path)

    assert store.load(Measurement, tmp_path) == store.Loaded(results=measurements, damaged=())
    assert store.load(Measurement, tmp_path / "none") == store.Loaded(results=(), damaged=())


def test_append_has_a_file_for_each_machine(tmp_path, measured):
    """The file is named after the machine, and a host's name cannot lead out of the store."""
    path = store.append(measured(machine={"host": "../../a b"}), tmp_path)

    assert path == tmp_path / "measurements" / ".._.._a_b.jsonl"
    assert store.load(Measurement, tmp_path).results


def test_load_reads_former_folders(tmp_path, paired):
    """Results that an older program kept in a folder of another name are found before today's."""
    old, new = (paired(ratio, base_seconds=0.125) for ratio in (1.5, 1.25))
    path = store.append(old, tmp_path)
    path.parent.rename(tmp_path / "units")
    store.append(new, tmp_path)

    assert store.load(PairResult, tmp_path).results == (old, new)


@pytest.mark.parametrize("kind", store.FORMER_FOLDERS)
def test_former_folders_are_those_of_the_history(kind):
    """Folders that older programs wrote keep being read: their names are history."""
    former = {"pairs": "units", "loaders": "races", "object_store": "readings", "data_service": "service"}

    assert store.FORMER_FOLDERS[kind] == {**former, "peak": "limits"}[kind]


def test_merged_stores_count_each_result_once(tmp_path, measured):
    """Copied beside each other, or one after the other into a file, whatever ends its lines."""
    here, there = (measured(machine={"host": host, "id": host}) for host in ("a", "b"))
    paths = [store.append(result, tmp_path / "merged") for result in (here, there)]
    both = b"".join(path.read_bytes() for path in paths)
    (paths[0].parent / "copy-of-a.jsonl").write_bytes(both)
    (paths[0].parent / "z.jsonl").write_bytes(both + paths[1].read_bytes().replace(b"\n", b"\r\n"))

    assert store.load(Measurement, tmp_path / "merged") == store.Loaded(results=(here, there), damaged=(), repeated=5)


def test_append_writes_a_line_a_result(tmp_path, measured):
    """A file holds its lines and nothing between them; a machine without a name has one, too; NaN is no JSON."""
    for _ in range(3):
        path = store.append(measured(machine={"host": ""}), tmp_path)

    assert path.name == "unknown.jsonl"
    assert [json.loads(line)["format"] for line in path.read_text().split("\n")[:-1]] == [1, 1, 1]
    with pytest.raises(ValueError, match="Out of range"):
        store.append(measured(seconds=(float("nan"),) * 3), tmp_path)
    assert len(path.read_text().splitlines()) == 3


def test_read_passes_over_empty_lines(tmp_path, measured):
    """Whoever merges two files by hand leaves some; they are no damage."""
    two = measured(round=0), measured(round=1)
    lines = [json.dumps(result.to_json()) for result in two]
    (tmp_path / "lab.jsonl").write_text(f"\n{lines[0]}\n \n\n{lines[1]}\n")

    assert store.read(Measurement, [tmp_path / "lab.jsonl"]) == store.Loaded(results=two, damaged=())


def test_read_refuses_nan(tmp_path, measured):
    """What Python would read as a number though it is no JSON is damage."""
    (tmp_path / "lab.jsonl").write_text(json.dumps(measured().to_json()).replace("1.6", "NaN"))

    assert store.read(Measurement, [tmp_path / "lab.jsonl"]).damaged == ("lab.jsonl:1: NaN is no JSON",)


def test_pages_and_tables_have_their_places(tmp_path):
    """Where people and links look for them; names of photos that are no text do not keep a table from being written."""
    assert store.save_page("<html>", tmp_path) == tmp_path / "html" / "index.html"
    path = store.save_table("quick.md", "\udcff.jpg", tmp_path)
    assert path == tmp_path / "tables" / "quick.md"
    assert path.read_text("utf-8") == "\\udcff.jpg"


def test_check_writable_makes_the_folder_and_leaves_nothing(tmp_path):
    """A store that does not exist yet is made, with those above it; what was tried is gone, and can be tried again."""
    for _ in range(2):
        store.check_writable(tmp_path / "new" / "results")

    assert list((tmp_path / "new" / "results").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, RunFailed), (errno.EDQUOT, RunFailed), (errno.EROFS, InputError), (errno.EIO, InputError)],
)
def test_check_writable_says_what_is_wrong_where_and_what_to_do(tmp_path, monkeypatch, number, kind):
    """A full disk is no wrong use; an address given as text will do, and the file that was tried is removed."""
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(number, os.strerror(number))))
    with pytest.raises(ReportedError) as caught:
        store.check_writable(str(tmp_path))

    assert type(caught.value) is kind
    assert str(caught.value) == (
        f"The store must be a folder to which results can be added. Received: {tmp_path}: {os.strerror(number)} "
        f"({tmp_path}/.probe.{os.getpid()}). Nothing was measured. Make room, or give another folder by `--results`"
    )
    assert list(tmp_path.iterdir()) == []


def test_check_writable_names_what_the_folder_said():
    """Where no file can be made at all, that is the reason, not that there is none to remove again."""
    with pytest.raises(
        InputError, match=r"Received: /sys: (Permission denied|Read-only file system|Operation not permitted) "
    ):
        store.check_writable(Path("/sys"))


def test_what_is_synced_is_written(tmp_path, measured, monkeypatch):
    """A line, and what is tried beforehand, has left this process when the disk is asked to keep it."""
    sizes = {}

    def record(descriptor):
        sizes[Path(f"/proc/self/fd/{descriptor}").readlink().suffix] = os.fstat(descriptor).st_size

    monkeypatch.setattr(os, "fsync", record)
    path = store.append(measured(), tmp_path)
    store.check_writable(tmp_path)

    assert sizes[".jsonl"] == path.stat().st_size
    assert sizes[f".{os.getpid()}"] == store.PROBE_BYTES


def test_append_waits_for_whoever_writes(tmp_path, measured):
    """A line is added when the lock is free: between looking at the file's end and writing nobody else writes."""
    path = store.append(measured(), tmp_path)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        second = Thread(target=store.append, args=(measured(seconds=(0.2,)), tmp_path))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        assert len(path.read_text().splitlines()) == 1
    second.join()
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("number", [2**63, -(2**63), 2**63 + 1, -(2**63) - 1, 10**30])
def test_read_takes_numbers_that_others_can_read(tmp_path, measured, number):
    """Whole numbers of up to 64 bits; beyond that charts and other programs would read another one."""
    line = measured(machine={"memory_bytes": number}).to_json()
    (tmp_path / "lab.jsonl").write_text(json.dumps(line))
    loaded = store.read(Measurement, [tmp_path / "lab.jsonl"])

    if abs(number) > 2**63:
        assert loaded.damaged == (f"lab.jsonl:1: a whole number of {len(str(number))} digits",)
    else:
        assert loaded.results[0].machine["memory_bytes"] == number


def test_noted_keeps_what_was_noted_first(tmp_path):
    """Later texts do not replace it; a file that is no text is read as far as it is."""
    place = Path("asv") / "note"
    assert [store.note_once(place, text, str(tmp_path)) for text in ("first", "second")] == ["first", "first"]
    (tmp_path / place).write_bytes(b"\xffx")
    assert store.note_once(place, "third", tmp_path) == "\ufffdx"


def test_option_names_a_store_that_is_not_the_usual_one(tmp_path):
    """Commands find the checkout's own by themselves."""
    assert store.option(facts.WORK_DIR / "results") == ""
    assert store.option(tmp_path / "a b") == f" --results '{tmp_path}/a b'"


def test_append_survives_a_half_written_last_line(tmp_path, measured):
    """A writer that was killed costs its own line only, and the line is named."""
    path = store.append(measured(model="dense"), tmp_path)
    line = path.read_bytes()
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])
    store.append(measured(model="convnet"), tmp_path)
    loaded = store.load(Measurement, tmp_path)

    assert [measurement.cell.model for measurement in loaded.results] == ["dense", "convnet"]
    assert len(loaded.damaged) == 1
    assert loaded.damaged[0].startswith("lab.jsonl:2: ")
    assert path.read_bytes().splitlines()[1] == line[: len(line) // 2]


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b'{"format": 99}', "format 99"), (b"\xff\xfe\x00garbage", "line 1"), (b"{half", "lab.jsonl:1"), (b"[]", "not a")],
)
def test_load_names_damaged_lines(tmp_path, measured, line, reason, caplog):
    """A line of a newer program, of no text or of other JSON costs itself only, and stays in the file."""
    path = store.append(measured(), tmp_path)
    path.write_bytes(line + b"\n" + path.read_bytes())
    loaded = store.load(Measurement, tmp_path)
    store.load(Measurement, tmp_path)

    assert len(loaded.results) == 1
    assert reason in loaded.damaged[0]
    other = path.with_name("other.jsonl")
    other.write_bytes(b"[1]\n[2]\n")  # lines that are the same would count once
    damaged = store.load(Measurement, tmp_path).damaged

    assert caplog.messages == [
        f"{path}: left out 1 damaged lines, the first: {loaded.damaged[0]}",
        f"{other}: left out 2 damaged lines, the first: {damaged[1]}",
    ]


def test_load_of_what_holds_a_text_passes_over_the_rest(tmp_path, measured):
    """Lines of other code are not read; damaged ones among them are told all the same where they are cut."""
    old, new = measured(code={"digest": "old0old0"}), measured(seconds=(0.2,), code={"digest": "new1new1"})
    for stored in (old, new):
        path = store.append(stored, tmp_path)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines()[0][:-1] + b"\n")
    loaded = store.load(Measurement, tmp_path, holding="new1new1")

    assert loaded.results == (new,)
    assert len(loaded.damaged) == 1
    assert store.load(Measurement, tmp_path).results == (old, new)


@given(
    number=strategies.integers(0, 4),
    damage=strategies.binary(min_size=1) | strategies.integers(1, 400) | strategies.sampled_from(HOSTILE),
)
def test_read_loses_a_damaged_line_alone(tmp_path, measured, number, damage):
    """Whatever a line has become, or wherever it was cut, the others are read as they were."""
    measurements = [measured(seconds=(seconds, 1.0)) for seconds in range(1, 6)]
    lines = [json.dumps(measurement.to_json()).encode() for measurement in measurements]
    lines[number] = lines[number][:-damage] if isinstance(damage, int) else damage
    path = tmp_path / "lab.jsonl"
    path.write_bytes(b"\n".join(lines))
    loaded = store.read(Measurement, [path])

    assert list(loaded.results) == measurements[:number] + measurements[number + 1 :]
    assert bool(loaded.damaged) == bool(lines[number].strip())


def test_from_json_checks_what_commands_read(measured):
    """A value of another type anywhere in the line is refused here, not met by table, report or sweep."""
    line = measured(machine={"accelerators": [{"name": "Z9"}]}).to_json()
    damages = [("code", {"commit": None}), ("data", {"photos": "x", "images": "3"}), ("step_seconds", [])]
    damages += [("machine", {**line["machine"], name: 5}) for name in ("host", "packages", "environment")]
    damages += [("machine", "x"), ("machine", {"accelerators": ["x"]}), ("machine", {"python": 3.11})]
    for key, value in damages:
        with pytest.raises(InputError, match="not a Measurement"):
            Measurement.from_json({**line, key: value})


def test_read_refuses_figures_that_are_none(tmp_path, measured, paired):
    """A number beyond all floats, a step that took no time, and blocks without their neighbours are damage."""
    line, path = measured().to_json(), tmp_path / "lab.jsonl"
    endless = json.dumps(line).replace("1.6", "1e999")
    path.write_text(
        "\n".join([endless, *(json.dumps({**line, "step_seconds": [0.1, low]}) for low in (0, -1, 1e-320))])
    )
    pair = paired(base_seconds=0.125).to_json()
    pairs = [{**pair, "base_samples": pair["base_samples"][1:]}, {**pair, "plant": {}}]
    pairs += [{**pair, "base_samples": [[0, 1, 1, 0]] * 8}, {**pair, "base_samples": [[1, 1, 0, 0]] * 8}, pair]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))

    damaged = store.read(Measurement, [path]).damaged
    assert [line.partition(": ")[2].split(". ")[0] for line in damaged] == [
        "1e999 is no JSON", *["not a Measurement: steps take time"] * 3
    ]  # fmt: skip
    loaded = store.read(PairResult, [tmp_path / "pairs.jsonl"])
    assert (loaded.results, len(loaded.damaged)) == ((paired(base_seconds=0.125),), 4)


def _append_many(arguments):
    measurement, folder, count = arguments
    for _ in range(count):
        store.append(measurement, folder)


def test_append_keeps_the_lines_of_two_writers_apart(tmp_path, measured):
    """Two processes that append at the same time lose nothing."""
    long = measured(seconds=[0.123456789] * 200)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_append_many, [(long, tmp_path, 40)] * 2)

    assert store.load(Measurement, tmp_path) == store.Loaded(results=(long,), damaged=(), repeated=79)


def _append_beyond(arguments):
    """Appends where files may not grow beyond some bytes, as on a full disk; gives the error's number."""
    measurement, folder, most_bytes = arguments
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        store.append(measurement, folder)
    except OSError as error:
        return error.errno, error.filename
    return 0, ""


def test_append_leaves_no_half_line_on_a_full_disk(tmp_path, measured):
    """What was written of a line is taken back when the disk refuses the rest of it."""
    long = measured(seconds=[0.123456789] * 200)
    path = store.append(long, tmp_path)
    before = path.read_bytes()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (caught,) = pool.map(_append_beyond, [(long, tmp_path, len(before) + 1000)])

    assert caught == (errno.EFBIG, str(path))
    assert path.read_bytes() == before


def _probe_beyond(arguments):
    results, most_bytes = arguments
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the limit is an error of write() then, as a full disk is
    try:
        store.check_writable(results)
    except ReportedError as error:
        return type(error).__name__, str(error)
    return "", ""


def test_check_writable_finds_a_full_disk_before_anything_is_measured(tmp_path):
    """What a disk cannot hold is refused with the folder's name, and what was tried is removed."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        refused, taken = pool.map(_probe_beyond, [(tmp_path, size) for size in (200_000, 300_000)], chunksize=1)
    kind, message = refused

    assert (kind, taken) == ("RunFailed", ("", ""))
    assert f"Received: {tmp_path}: File too large" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["measurements", "measurements/{file}"])
def test_check_writable_finds_what_is_read_only(tmp_path, monkeypatch, place):
    """Folders and the file to which results would be added are tried as well, also where root could write to all."""
    refused = tmp_path / place.format(file=store._file_name(facts.hardware()["host"]))
    path = tmp_path / "measurements" / store._file_name(facts.hardware()["host"])
    path.parent.mkdir()
    path.touch()
    store.check_writable(tmp_path)
    monkeypatch.setattr(os, "access", lambda name, mode: name != refused or mode != os.W_OK)

    with pytest.raises(InputError, match=re.escape(f"Received: {tmp_path}: Permission denied ({refused})")):
        store.check_writable(tmp_path)


def test_save_table_writes_all_or_nothing(tmp_path, monkeypatch):
    """A table that cannot be written leaves the former one, and no litter."""
    path = store.save_table("quick.md", "old", tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(OSError, match="No space"):
        store.save_table("quick.md", "new", tmp_path)

    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["quick.md"]


def test_load_plan_gives_the_plan_saved_last(tmp_path):
    """What was planned can be resumed."""
    store.save_plan({"id": "1"}, tmp_path)

    assert store.load_plan(tmp_path) == {"id": "1"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "There is no sweep to resume in {0}: run `python -m bench sweep --results {0}` first"),
        (
            "{",
            "{0}/measurements/sweep.json is damaged (Expecting property name enclosed in double quotes: line 1 column "
            "2 (char 1)): start the sweep anew, without `--resume`",
        ),
    ],
)
def test_load_plan_says_why_there_is_none(tmp_path, text, said):
    """Where there is nothing to resume, what to run first; where the plan is damaged, that."""
    if text:
        store.save_plan({"id": "1"}, tmp_path)
        (tmp_path / "measurements" / "sweep.json").write_text(text)

    with pytest.raises(InputError) as caught:
        store.load_plan(tmp_path)
    assert str(caught.value) == said.replace("{0}", str(tmp_path))


def test_trace_folder_is_new_each_time(tmp_path):
    """By cell and time: two in one second would overwrite each other."""
    folders = [store.trace_folder("cell", tmp_path) for _ in range(3)]

    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders} == {tmp_path.resolve() / "traces" / "cell"}
    assert all(re.fullmatch(r"\d{8}T\d{12}Z", folder.name) for folder in folders)


def test_trace_folder_makes_room(tmp_path, monkeypatch):
    """Traces that take more than they may are removed before a new one is made."""
    old = store.trace_folder("cell", tmp_path)
    old.mkdir(parents=True)
    (old / "host.xplane.pb").write_bytes(b"x" * 100)
    monkeypatch.setattr(store.prune_traces, "__kwdefaults__", {"most_bytes": 99})
    store.trace_folder("cell", tmp_path)

    assert not old.exists()


def test_prune_traces_goes_by_size_alone(tmp_path):
    """The oldest go first; age alone removes none, for a clock may be ahead."""
    for name in (
        "20200101T000000000000Z",
        "29990101T000000000000Z",
        "29990102T000000000000Z",
        "29990103T000000000000Z",
    ):
        (tmp_path / "traces" / "cell" / name).mkdir(parents=True)
        (tmp_path / "traces" / "cell" / name / "host.xplane.pb").write_bytes(b"x" * 100)
    store.prune_traces(tmp_path, most_bytes=400)

    assert len(store.traces(tmp_path)) == 4
    store.prune_traces(tmp_path, most_bytes=250)

    assert [folder.name[:8] for folder in store.traces(tmp_path)] == ["29990102", "29990103"]
    (tmp_path / "traces" / "a cell" / "30000101T000000000000Z").mkdir(parents=True)
    assert store.traces(tmp_path)[-1].parent.name == "a cell"


def test_append_syncs_a_file_with_its_name(tmp_path, measured, synced):
    """New folders and a new file are synced with their names; a file that was there once a process, a table always."""
    path = store.append(measured(), tmp_path / "results")
    file, folder, results = (place.stat().st_ino for place in (path, path.parent, path.parent.parent))
    tail = [file, folder]

    assert synced[:2] == [results, tmp_path.stat().st_ino]
    assert synced[-2:] == tail
    synced.clear()
    store.append(measured(seconds=(0.2,)), tmp_path / "results")
    assert synced == tail  # another process may have been killed before it synced the name
    store.append(measured(seconds=(0.3,)), tmp_path / "results")
    assert synced == [*tail, file]
    table = store.save_table("quick.md", "new", tmp_path / "results")
    assert synced[-2:] == [table.stat().st_ino, table.parent.stat().st_ino]


def test_store_keeps_no_home_folder(tmp_path, measured):
    """Results are published: whose home folder a path leads through is kept of no new one, nor shown of an old one."""
    reason = "cannot read '/home/anna/photos/a.jpg': see /Users/berta"
    path = store.append(measured(status="error", reason=reason), tmp_path)
    assert json.loads(path.read_text("utf-8"))["reason"] == "cannot read '~/photos/a.jpg': see ~"

    path.write_text(json.dumps(measured(status="error", reason=reason).to_json()) + "\n", "utf-8")
    (read,) = store.load(Measurement, tmp_path).results
    assert read.reason == "cannot read '~/photos/a.jpg': see ~"
