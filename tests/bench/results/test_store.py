"""The store: what is appended stays, whatever happens to the process that wrote it."""

import errno
import json
import multiprocessing
import resource
import signal

import pytest

from bench.compare.pair_result import PairResult
from bench.results import store
from bench.results.measurement import Measurement
from flowers_core.errors import InputError


def test_what_is_appended_is_loaded(tmp_path, measured):
    """Measurements come back in the order in which they were appended."""
    some = [measured(model=name) for name in ("dense", "convnet", "squeezenet")]
    for one in some:
        store.append(one, tmp_path)

    assert store.load(Measurement, tmp_path) == store.Loaded(results=tuple(some), damaged=())


def test_an_absent_store_is_empty(tmp_path):
    """Nothing measured yet is no error."""
    assert store.load(Measurement, tmp_path / "none") == store.Loaded(results=(), damaged=())


def test_each_machine_has_its_file(tmp_path, measured):
    """The file is named after the machine, and a host's name cannot lead out of the store."""
    path = store.append(measured(machine={"host": "../../a b"}), tmp_path)

    assert path == tmp_path / "measurements" / ".._.._a_b.jsonl"
    assert store.load(Measurement, tmp_path).results


def test_former_folders_are_read(tmp_path, paired):
    """Results that an older program kept in a folder of another name are found before today's."""
    old, new = (paired(ratio, base_seconds=0.125) for ratio in (1.5, 1.25))
    path = store.append(old, tmp_path)
    path.parent.rename(tmp_path / "units")
    store.append(new, tmp_path)

    assert store.load(PairResult, tmp_path).results == (old, new)


def test_a_half_written_last_line_is_survived(tmp_path, measured):
    """A writer that was killed costs its own line only, and the line is named."""
    path = store.append(measured(model="dense"), tmp_path)
    line = path.read_bytes()
    with path.open("ab") as file:
        file.write(line[: len(line) // 2])
    store.append(measured(model="convnet"), tmp_path)
    loaded = store.load(Measurement, tmp_path)

    assert [one.cell.model for one in loaded.results] == ["dense", "convnet"]
    assert len(loaded.damaged) == 1
    assert loaded.damaged[0].startswith("lab.jsonl:2: ")


def test_a_newer_format_is_named_and_left_alone(tmp_path, measured):
    """A line of a newer program is not lost: it stays in the file and is told."""
    path = store.append(measured(), tmp_path)
    newer = {**json.loads(path.read_text()), "format": Measurement.FORMAT + 1}
    path.write_text(path.read_text() + json.dumps(newer) + "\n")

    assert len(store.load(Measurement, tmp_path).results) == 1
    assert "format" in store.load(Measurement, tmp_path).damaged[0]


def test_bytes_that_are_no_text_are_survived(tmp_path, measured):
    """Damage that is not even text costs its line only."""
    path = store.append(measured(), tmp_path)
    path.write_bytes(b"\xff\xfe\x00garbage\n" + path.read_bytes())

    assert len(store.load(Measurement, tmp_path).results) == 1


def _append_many(arguments):
    one, folder, count = arguments
    for _ in range(count):
        store.append(one, folder)


def test_two_writers_do_not_mix_their_lines(tmp_path, measured):
    """Two processes that append at the same time lose nothing."""
    long = measured(seconds=[0.123456789] * 200)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_append_many, [(long, tmp_path, 40)] * 2)

    assert store.load(Measurement, tmp_path) == store.Loaded(results=(long,) * 80, damaged=())


def _append_beyond(arguments):
    """Appends where files may not grow beyond some bytes, as on a full disk; gives the error's number."""
    one, folder, most_bytes = arguments
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        store.append(one, folder)
    except OSError as error:
        return error.errno
    return 0


def test_a_full_disk_leaves_no_half_line(tmp_path, measured):
    """What was written of a line is taken back when the disk refuses the rest of it."""
    long = measured(seconds=[0.123456789] * 200)
    path = store.append(long, tmp_path)
    before = path.read_bytes()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (number,) = pool.map(_append_beyond, [(long, tmp_path, len(before) + 1000)])

    assert number == errno.EFBIG
    assert path.read_bytes() == before


def test_a_table_is_whole_or_not_there(tmp_path, monkeypatch):
    """A table that cannot be written leaves the former one, and no litter."""
    path = store.save_table("quick.md", "old", tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(OSError, match="No space"):
        store.save_table("quick.md", "new", tmp_path)

    assert path.read_text() == "old"
    assert [entry.name for entry in path.parent.iterdir()] == ["quick.md"]


def test_a_plan_comes_back(tmp_path):
    """What was planned can be resumed."""
    store.save_plan({"id": "1"}, tmp_path)

    assert store.load_plan(tmp_path) == {"id": "1"}


def test_no_plan(tmp_path):
    """Nothing to resume says what to run first."""
    with pytest.raises(InputError, match="python -m bench sweep"):
        store.load_plan(tmp_path)


def test_a_damaged_plan(tmp_path):
    """A damaged plan says so."""
    store.save_plan({"id": "1"}, tmp_path)
    (tmp_path / "measurements" / "sweep.json").write_text("{")

    with pytest.raises(InputError, match="damaged"):
        store.load_plan(tmp_path)


def test_each_trace_has_a_folder_of_its_own(tmp_path):
    """By cell and time: two in one second would overwrite each other."""
    folders = [store.trace_folder("cell", tmp_path) for _ in range(3)]

    assert len(set(folders)) == 3
    assert {folder.parent for folder in folders} == {tmp_path.resolve() / "traces" / "cell"}


def test_traces_are_pruned_by_size_and_age(tmp_path):
    """The oldest go first; those that are too old go in any case."""
    for name in (
        "20200101T000000000000Z",
        "29990101T000000000000Z",
        "29990102T000000000000Z",
        "29990103T000000000000Z",
    ):
        (tmp_path / "traces" / "cell" / name).mkdir(parents=True)
        (tmp_path / "traces" / "cell" / name / "host.xplane.pb").write_bytes(b"x" * 100)
    store.prune_traces(tmp_path, most_bytes=250, most_days=90)

    assert [folder.name[:8] for folder in store.traces(tmp_path)] == ["29990102", "29990103"]
    store.prune_traces(tmp_path, most_bytes=1000, most_days=90)
    assert len(store.traces(tmp_path)) == 2


def test_a_new_file_is_on_the_disk_with_its_name(tmp_path, measured, synced):
    """The folder of a new file is synced after it, once; a table's is after each."""
    path = store.append(measured(), tmp_path)
    store.append(measured(seconds=(0.2,)), tmp_path)
    file, folder, above = (one.stat().st_ino for one in (path, path.parent, tmp_path))

    assert synced == [file, folder, above, file]
    table = store.save_table("quick.md", "new", tmp_path)
    assert synced[4:] == [table.stat().st_ino, table.parent.stat().st_ino]
