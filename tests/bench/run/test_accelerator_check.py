"""The check of an accelerator: its plan, how its parts share the time, and the folder that it is run from."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from bench.cli.main import cli
from bench.run import accelerator_check, accelerator_folder, matrix
from bench.run.accelerator_check import FULL, SMALL, Part
from bench.run.product import InputError, RunFailed
from flowers_core.cli.main import cli as package_cli
from flowers_core.data import manifest


def planned(sizes=FULL, backends=("torch", "jax")):
    return accelerator_check.plan("gpu", backends, sizes, records=Path("records"), store=Path("store"))


@pytest.mark.parametrize("sizes", [FULL, SMALL])
@pytest.mark.parametrize("backends", [("torch", "jax"), ("jax",)])
def test_plan_names_commands_that_there_are(sizes, backends):
    """Each part is a command of ours with options that it has: nothing is found out on the borrowed machine."""
    for part in planned(sizes, backends):
        _, module, name, *rest = part.words
        command = {"bench": cli, "flowers_core": package_cli}[module].commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, part.name


def test_plan_fits_in_eight_minutes():
    """With a minute and a half to install, and the end; all that is asked for is in it."""
    parts = planned()

    assert sum(part.seconds for part in parts) + 15 + accelerator_check.ENDING_SECONDS <= 8 * 60
    assert {part.name.split()[0] for part in parts} == {
        *("peak", "steps", "stall", "trace", "largest", "training", "peer", "more"),
    }
    assert not any(part.name.startswith("peer") for part in planned(backends=("jax",)))


def test_profile_is_the_matrix_that_was_asked_for():
    """Six models, two batches, two precisions on each backend, the larger batches first."""
    cells = matrix.profile("accelerator", device="gpu", backend="torch")

    assert len(cells) == len(set(cells)) == 6 * 2 * 2
    assert {cell.precision for cell in cells} == {"float32", "mixed_bfloat16"}
    assert [cell.batch_size for cell in cells][:12].count(256) == 10


def part(name, code, *, seconds=30.0, **fields):
    return Part(name=name, words=("-c", code), seconds=seconds, **fields)


def outcomes(tmp_path, parts, *, seconds=60.0, **fields):
    return accelerator_check.run(
        parts,
        Path(sys.executable),
        folder=tmp_path,
        environment=os.environ,
        seconds=seconds,
        keep=lambda _: None,
        **fields,
    )


def test_each_part_says_how_it_ended(tmp_path):
    """By the exit codes of our commands, with its last line; one that fails does not end the others."""
    ended = outcomes(
        tmp_path,
        [part("good", "print('a'); print('b')"), part("absent", "exit(3)"), part("odd", "exit(7)"), part("last", "")],
    )

    assert [(outcome.name, outcome.status) for outcome in ended] == [
        ("good", "ok"), ("absent", "n/a"), ("odd", "exit code 7"), ("last", "ok"),
    ]  # fmt: skip
    assert ended[0].said == "b"


def test_part_that_takes_too_long_keeps_what_it_has(tmp_path, monkeypatch):
    """It hears Ctrl-C, and has a moment to end."""
    monkeypatch.setattr(accelerator_check, "GRACE_SECONDS", 20.0)
    waits = "import time\ntry:\n print('begun', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('kept')"
    (ended,) = outcomes(tmp_path, [part("long", waits, seconds=25.0, most=25.0)], seconds=25.0)

    assert (ended.status, ended.said) == ("out of time", "kept")


def test_what_a_part_leaves_over_goes_to_later_ones(tmp_path, monkeypatch):
    """Of 100 s the first takes 10 of its 40: the last has its 60 and those 30; one has no more than its most."""
    given, clock = [], iter([0, 0, 10, 20])

    def run_part(part, *_, seconds, **__):
        given.append(seconds)
        return accelerator_check.Outcome(name=part.name, status="ok", seconds=0, said="", command="")

    monkeypatch.setattr(accelerator_check, "_run_part", run_part)
    parts = [part("first", "", seconds=40), part("capped", "", seconds=10, most=10), part("last", "", seconds=50)]
    outcomes(tmp_path, parts, seconds=100.0, now=lambda: next(clock))

    assert given == [40, 10, 80]


def test_nothing_is_begun_without_time(tmp_path):
    """It is said of each part that was left out."""
    (ended,) = outcomes(tmp_path, [part("late", "")], seconds=1.0)

    assert (ended.status, ended.said) == ("out of time", "not begun")


def test_results_are_three_files(tmp_path):
    """A page, the outcomes as JSON, and store and logs as an archive: they come back from where only few files may."""
    folder, output = tmp_path / "run", tmp_path / "out"
    (folder / "results" / "measurements").mkdir(parents=True)
    (folder / "results" / "measurements" / "gpu.jsonl").write_text("{}\n")
    output.mkdir()
    ended = accelerator_check.Outcome(name="peak", status="ok", seconds=4.2, said="a | b", command="python")
    accelerator_check.write([ended], folder, output, tables="### Steps\n")

    assert sorted(path.name for path in output.iterdir()) == ["accelerator_check.md", "parts.json", "results.tar.gz"]
    assert "| peak | ok | 4 | a / b |\n\n### Steps" in (output / "accelerator_check.md").read_text()
    assert json.loads((output / "parts.json").read_text())[0]["status"] == "ok"
    with tarfile.open(output / "results.tar.gz") as archive:
        assert "check/results/measurements/gpu.jsonl" in archive.getnames()


def test_check_runs_by_the_standard_library_alone():
    """On a machine that has neither torch nor JAX it says so, in a sentence."""
    code = (
        f"import runpy, sys; sys.path = [path for path in sys.path if 'site-packages' not in path]; "
        f"sys.argv = ['check', '--small']; runpy.run_path({accelerator_check.__file__!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.startswith("torch or jax must be installed for ")


@pytest.fixture
def without_pip(monkeypatch):
    """Pip as it would be asked; it writes a small file for a wheel."""
    asked = []

    def pip(*words):
        asked.append(words)
        Path(words[words.index("--wheel-dir" if words[0] == "wheel" else "--dest") + 1], f"{len(asked)}.whl").touch()

    monkeypatch.setattr(accelerator_folder, "_pip", pip)
    return asked


def test_folder_holds_check_wheels_and_records(tmp_path, synthetic_records, without_pip):
    """For each version of Python the wheels are asked for; the records can be read, and it can be made again."""
    for _ in range(2):
        held = accelerator_folder.prepare(tmp_path / "check", synthetic_records, ["3.12", "3.13", "3.12"])
    found = manifest.load(tmp_path / "check" / "records-192")

    assert held < accelerator_folder.MOST_BYTES
    assert [words[0] for words in without_pip] == ["wheel", "download", "download"] * 2
    assert {"3.12", "3.13"} <= {word for words in without_pip for word in words}
    assert found.images == sum(shard.images for shard in found.shards) > 0
    assert {path.name for path in tmp_path.iterdir()} == {"check"}
    compile((tmp_path / "check" / "accelerator_check.py").read_text(), "check", "exec")


@pytest.mark.usefixtures("without_pip")
@pytest.mark.parametrize(
    ("versions", "most_bytes", "kind", "said"),
    [
        (["3.12", "py3"], 2**30, InputError, "versions such as 3.12. Received: 'py3'"),
        (["3.12"], 2**19, RunFailed, "room for two shards"),
    ],
)
def test_folder_that_cannot_be_made_is_not_there(tmp_path, synthetic_records, versions, most_bytes, kind, said):
    """One sentence, and nothing is left behind."""
    with pytest.raises(kind, match=said):
        accelerator_folder.prepare(tmp_path / "check", synthetic_records, versions, most_bytes=most_bytes)

    assert list(tmp_path.iterdir()) == []


def test_folder_of_others_is_left_alone(tmp_path, synthetic_records, without_pip):
    """Whatever lies there is the user's."""
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="must be new, empty, or an earlier check's"):
        accelerator_folder.prepare(tmp_path, synthetic_records, ["3.12"])

    assert (tmp_path / "thesis.tex").exists()
    assert without_pip == []
