"""The command lines, as a user meets them: words, exit codes, and mistakes told in one sentence."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from click.testing import CliRunner

from bench.cli import main as bench_cli
from bench.compare.pair_result import PairResult
from bench.machine.facts import PROJECT_ROOT
from bench.results import store
from bench.results.measurement import Measurement
from bench.run import matrix
from flowers_core.cli import main as core_cli


def words(command):
    return [(command, name) for name in command.commands]


def run(*arguments, **environment):
    """A command line in a process of its own, as a user starts it, from another folder."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, check=False, cwd="/",
        env={**os.environ, **environment},
    )  # fmt: skip


SMALL = ("--model", "dense_single", "--image-size", 32, "--batch-size", 4, "--seconds", 0.2)


@pytest.mark.parametrize(("command", "word"), words(core_cli.cli) + words(bench_cli.cli), ids=lambda one: str(one)[:9])
def test_every_word_has_help_with_an_example(command, word):
    """`--help` says what a word does and shows a line to copy."""
    done = CliRunner().invoke(command, [word, "--help"])

    assert done.exit_code == 0
    assert re.search(r"Example:\s+python -m (bench|flowers_core) " + word, done.output)


def test_the_readme_shows_every_word():
    """Each word of both doors stands in the README."""
    readme = (PROJECT_ROOT / "README.md").read_text()
    doors = {"bench": bench_cli.cli, "flowers_core": core_cli.cli}
    missing = [
        f"{door} {word}" for door, cli in doors.items() for word in cli.commands if f"{door} {word}" not in readme
    ]

    assert missing == []


def test_measure_stores_and_prints(tmp_path):
    """One cell: a line while it runs, a table, exit 0, and the measurement in the store."""
    done = run("bench", "measure", *SMALL, "--results", tmp_path)

    assert (done.returncode, "images/s" in done.stdout) == (0, True), done.stderr
    assert [one.status for one in store.load(Measurement, tmp_path).results] == ["ok"]


def test_json_is_all_that_is_printed(tmp_path):
    """`--json` gives a program one object a line, and nothing else on standard output."""
    done = run("bench", "measure", *SMALL, "--json", "--results", tmp_path)

    assert json.loads(done.stdout)["status"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bench", "measure", "--model", "resnet"], "squeezenet"),
        (["bench", "measure", "--model", "dense", "--pipeline", "fast"], "records_parallel"),
        (["bench", "measure", "--model", "dense", "--device", "npu"], "tpu"),
        (["bench", "measure", "--model", "dense", "--precision", "float16"], "mixed_float16"),
        (["bench", "measure", "--model", "none"], "a pipeline or both"),
        (["bench", "measure", "--model", "dense", "--batch-size", "0"], "--batch-size"),
        (["bench", "sweep", "--profile", "half"], "quick, full"),
        (["bench", "data-service", "--workers", "0,1"], "numbers from 1"),
        (["bench", "data-service", "serve", "worker"], "grpc://10.0.0.2:5050"),
        (["bench", "data-service", "serve", "worker", "--dispatcher", "127.0.0.1:1"], "Connection refused"),
        (["flowers_core", "train", "dense", "--records", "r", "--dispatcher", "127.0.0.1:1"], "127.0.0.1:1"),
        (["bench", "sweep", "--filter", "model=resnet"], "model here is one of"),
        (["bench", "sweep", "--budget", "soon"], "90s, 10m or 2h"),
        (["bench", "sweep", "--filter", "pipeline=records_parallel", "--records", "/no/such"], "/no/such"),
        (["bench", "sweep", "--filter", "pipeline=photos_parallel", "--photos", "/no/such"], "/no/such"),
        (["bench", "sweep", "--resume", "--results", "/tmp/no-such-store"], "no sweep to resume"),
        (["bench", "table", "--results", "/tmp/no-such-store"], "no measurement"),
        (["bench", "compare"], "BASE and CANDIDATE"),
        (["bench", "compare", "HEAD"], "BASE and CANDIDATE"),
        (["bench", "compare", "HEAD", "HEAD~1", "--axis", "xla=off,on"], "not both"),
        (["bench", "compare", "no-such-branch", "HEAD", "--model", "dense"], "git log --oneline"),
        (["bench", "compare", "--axis", "precision=float32,float8", "--model", "dense"], "mixed_bfloat16"),
        (["bench", "compare", "--axis", "colour=red,blue", "--model", "dense"], "env:NAME"),
        (["bench", "compare", "--axis", "xla=off,on", "--model", "resnet"], "squeezenet"),
        (["bench", "compare", "--axis", "xla=off,on", "--model", "resnet", "--model", "dense"], "squeezenet"),
        (["bench", "gate", "HEAD", "--pipeline", "fast", "--pipeline", "records_uint8"], "records_parallel"),
        (["bench", "compare", "--axis", "xla=off,on", "--model", "dense", "--budget", "20s"], "must allow at least 4"),
        (["bench", "compare", "HEAD", "HEAD", "--pipeline", "records_parallel", "--records", "/no/such"], "/no/such"),
        (["bench", "compare", "/no/such.jsonl", "README.md"], "/no/such.jsonl"),
        (["bench", "compare", "HEAD", "HEAD", "--min-effect", "much"], "3% or 3"),
        (["bench", "gate", "no-such-branch", "--model", "dense"], "git log --oneline"),
        (["bench", "noise", "--pairs", "2"], "--pairs"),
        (["bench", "regressions", "--results", "/tmp/no-such-store"], "asv"),
        (["bench", "object-store", "--latency", "far"], "5ms,30ms,100ms"),
        (["bench", "object-store", "--pipeline", "fast"], "records_parallel"),
        (["bench", "object-store", "--photos", "gs://a/b", "--records", "gs://a/c", "--serve"], "of this disk"),
        (["bench", "object-store", "--show-last", "--results", "/tmp/no-such-store"], "no measurement"),
        (["flowers_core", "train", "alexnet", "--records", "/no/such"], "/no/such"),
        (["flowers_core", "train", "dense"], "--records"),
        (["flowers_core", "evaluate", "/no/such"], "training.json"),
        (["flowers_core", "predict", "/tmp", "/no/such.jpg"], "/no/such.jpg"),
        (["flowers_core", "export", "/no/such", "/tmp"], "not be there yet"),
        (["flowers_core", "synthetic", "/tmp/x", "--photos", "many"], "full"),
        (["flowers_core", "records", "/no/such", "/tmp/x"], "/no/such"),
        (["flowers_core", "records", "/no/such", "/tmp/x", "--image-size", "100"], "192, 224, 331, 512"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_2(arguments, said):
    """What was expected is listed, nothing is measured, and no traceback is shown."""
    done = run(*arguments)

    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_only_na_is_exit_3(tmp_path):
    """Where nothing can be measured, the exit code says so, and the reason is printed."""
    done = run("bench", "measure", "--model", "dense_single", "--precision", "mixed_float16", "--results", tmp_path)

    assert done.returncode == 3
    assert "bfloat16" in done.stdout


def test_a_failed_cell_is_exit_1(tmp_path):
    """A cell that fails is told by the exit code, too."""
    done = run("bench", "measure", *SMALL, "--timeout", "0.3s", "--results", tmp_path)

    assert done.returncode == 1
    assert "timeout" in done.stdout


def test_a_disk_that_refuses_is_no_traceback(tmp_path):
    """A store that cannot be written is one sentence, exit 1."""
    (tmp_path / "file").touch()
    done = run("bench", "measure", *SMALL, "--results", tmp_path / "file" / "store")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_dry_run_measures_nothing(tmp_path):
    """The plan lists every cell with its time, and their sum."""
    done = run("bench", "sweep", "--dry-run", "--results", tmp_path)

    assert done.returncode == 0
    assert f"{len(matrix.quick())} processes, about " in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_killed_goes_on_where_it_was(tmp_path, blow):
    """After kill -9 or Ctrl-C, `--resume` measures what is left: nothing is lost, nothing is repeated."""
    three = ["--filter", "model=dense_single", "--rounds", "3", "--seconds", "0.1"]
    command = [sys.executable, "-m", "bench", "sweep", *three, "--results", str(tmp_path)]
    sweep = subprocess.Popen(command, cwd="/", stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not store.load(Measurement, tmp_path).results and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    sweep.send_signal(blow)
    _, said = sweep.communicate(timeout=60)
    before = store.load(Measurement, tmp_path)
    done = run("bench", "sweep", "--resume", "--results", tmp_path)
    after = store.load(Measurement, tmp_path)

    assert sweep.returncode == (-signal.SIGKILL if blow == signal.SIGKILL else 130)
    assert "Traceback" not in said
    assert 1 <= len(before.results) < 3
    assert done.returncode == 0, done.stderr
    assert after.results[: len(before.results)] == before.results
    assert [one.round for one in after.results] == [0, 1, 2]


def test_tables_and_page_come_from_the_store(tmp_path):
    """What was measured is read back as a table in four shapes, and as a page."""
    run("bench", "measure", *SMALL, "--results", tmp_path)
    shapes = {
        shape: run("bench", "table", "--format", shape, "--results", tmp_path).stdout
        for shape in ("terminal", "markdown", "csv", "json")
    }

    assert "dense_single" in shapes["terminal"]
    assert "| dense_single |" in shapes["markdown"]
    assert "dense_single-train" in shapes["csv"]
    assert json.loads(shapes["json"])[0]["model"] == "dense_single"
    assert run("bench", "report", "--results", tmp_path).returncode == 0
    assert (tmp_path / "html" / "index.html").exists()


def test_two_stored_sets_are_compared(tmp_path):
    """Two stores of one machine give ratios; nothing is slower, or, if others were busy meanwhile, nothing is said."""
    for name in ("monday", "tuesday"):
        run("bench", "measure", *SMALL, "--rounds", "2", "--results", tmp_path / name)
    done = run("bench", "compare", tmp_path / "monday", tmp_path / "tuesday", "--allow-mismatch", "--json")
    row = json.loads(done.stdout)

    assert done.returncode == (3 if row["verdict"] == "n/a" else 0), done.stderr
    assert row["low"] < row["ratio"] < row["high"]


def test_an_axis_is_compared_in_live_pairs(tmp_path):
    """A batch four times as large takes longer, surely: exit 1, units kept, verdict for a program."""
    axis = ("--axis", "image_size=32,128", "--model", "convnet_gap", "--batch-size", 4)
    done = run("bench", "compare", *axis, "--json", "--results", tmp_path)
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]

    assert (done.returncode, row["verdict"]) == (1, "slower"), done.stderr
    assert row["clocks"]["wall"]["ratio"] > 2
    assert len(store.load(PairResult, tmp_path).results) == row["units"] >= 4


def test_an_interrupted_comparison_keeps_its_units(tmp_path):
    """Ctrl-C prints a partial verdict, keeps the units, leaves no process, and exits 130."""
    axis = ("--axis", "precision=float32,mixed_bfloat16", "--model", "dense_single")
    command = [sys.executable, "-m", "bench", "compare", *axis, "--results", str(tmp_path)]
    comparison = subprocess.Popen(command, cwd=PROJECT_ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not store.load(PairResult, tmp_path).results and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    workers = psutil.Process(comparison.pid).children()
    comparison.send_signal(signal.SIGINT)
    told, said = comparison.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=30)

    assert comparison.returncode == 130
    assert "inconclusive" in told
    assert "interrupted" in told
    assert "Traceback" not in said
    assert store.load(PairResult, tmp_path).results
    assert (len(workers), alive) == (2, [])


@pytest.mark.parametrize("word", ["compare", "gate", "noise"])
@pytest.mark.parametrize("given", [["dense,convnet"], ["dense", "convnet"], ["dense,convnet", "dense"]], ids=str)
def test_names_that_are_given_again_are_joined(word, given, monkeypatch):
    """Every `--model` counts, none is dropped for the last, and a name that comes twice is one cell."""
    asked = []
    monkeypatch.setattr("bench.run.matrix.pick", lambda cells, _: asked.extend(cells) or sys.exit())
    revisions = {"compare": ["HEAD", "HEAD"], "gate": ["HEAD"]}.get(word, [])
    CliRunner().invoke(bench_cli.cli, [word, *revisions, *(part for name in given for part in ("--model", name))])

    assert [cell.model for cell in asked] == ["dense", "convnet"]


def test_doctor_says_what_is_noisy():
    """Findings as JSON, and an exit code that says whether one is bad."""
    done = run("bench", "doctor", "--seconds", "1", "--json")
    levels = {json.loads(line)["level"] for line in done.stdout.splitlines()}

    assert done.returncode == int("bad" in levels)
    assert levels <= {"ok", "note", "bad", "unknown"}


def test_the_doors_of_the_product_lead_to_records(tmp_path):
    """Photos are drawn, records written, and both again without work."""
    folders = tmp_path / "synthetic", tmp_path / "records"
    for _ in range(2):
        drawn = run("flowers_core", "synthetic", folders[0], "--photos", "20")
        written = run("flowers_core", "records", *folders, "--shards", "4")

        assert (drawn.returncode, written.returncode) == (0, 0), drawn.stderr + written.stderr
        assert "20 records of 192 px in 4 shards" in written.stdout


def test_an_unknown_backend_is_a_mistake():
    """A backend that Keras does not have here is told with those it has."""
    done = run("flowers_core", "models", KERAS_BACKEND="torch")

    assert done.returncode == 2
    assert "tensorflow, jax" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_models_table_shows_the_codelabs_parameters():
    """The table that a user prints holds the published counts."""
    done = run("flowers_core", "models")

    for count in ("293,233", "300,033", "120,613", "2,488,389", "20,871,725", "55,321,805"):
        assert count in done.stdout
