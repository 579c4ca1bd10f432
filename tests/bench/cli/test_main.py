"""The command line of the harness, as a user meets it: commands, exit codes, and errors in one sentence."""

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
from bench.compare import pair
from bench.compare.pair_result import PairResult
from bench.machine import facts
from bench.machine.facts import PROJECT_ROOT
from bench.results import store
from bench.results.measurement import Measurement
from bench.run import matrix, process
from flowers_core.cli import main as core_cli
from flowers_core.data import storage

SMALL = ("--model", "dense_single", "--image-size", 32, "--batch-size", 4, "--seconds", 0.2)
COMMANDS = {"flowers_core": core_cli.cli, "bench": bench_cli.cli}


def wait_until(condition, seconds=120):
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package, cli in COMMANDS.items() for name in cli.commands]
)
def test_help_shows_an_example(package, name):
    """`--help` says what a command does and shows a line to copy."""
    done = CliRunner().invoke(COMMANDS[package], [name, "--help"])

    assert done.exit_code == 0
    assert re.search(rf"Example:\s+python -m {package} {name}", done.output)


@pytest.mark.parametrize("package", COMMANDS)
def test_help_lists_whole_sentences(package):
    """The list of commands fits 80 columns without a cut."""
    done = CliRunner().invoke(COMMANDS[package], ["--help"], terminal_width=80)

    assert not [line for line in done.output.split("Commands:")[1].splitlines() if "..." in line or len(line) > 80]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "--model", "resnet"], "squeezenet"),
        (["measure", "--model", "dense", "--pipeline", "fast"], "records_parallel"),
        (["measure", "--model", "dense", "--device", "npu"], "tpu"),
        (["measure", "--model", "dense", "--precision", "float16"], "mixed_float16"),
        (["measure", "--model", "none"], "a pipeline or both"),
        (["measure", "--model", "dense", "--batch-size", "0"], "--batch-size"),
        (["measure", "--model", "dense", "--mode", "predict", "--detail"], "a training step"),
        (["measure", "--model", "dense", "--pipeline", "records_parallel", "--detail"], "resident batch"),
        (["sweep", "--filter", "model=none", "--detail"], "a training step"),
        (["measure", "--model", "dense", "--steps-per-execution", "1,0"], "1<=x<=1000"),
        (["measure", "--model", "dense", "--mode", "predict", "--steps-per-execution", "8"], "is of training"),
        (["batch", "--model", "dense", "--steps-per-execution", "1,8"], "One cell is expected"),
        (["sweep", "--profile", "half"], "quick, full"),
        (["sweep", "--filter", "model=resnet"], "model here is one of"),
        (["sweep", "--budget", "soon"], "90s, 10m or 2h"),
        (["sweep", "--filter", "pipeline=records_parallel", "--records", "/no/such"], "/no/such"),
        (["sweep", "--filter", "pipeline=photos_parallel", "--photos", "/no/such"], "/no/such"),
        (["sweep", "--resume", "--results", "/tmp/no-such-store"], "no sweep to resume"),
        (["table", "--results", "/tmp/no-such-store"], "no measurement"),
        (["trace", "--results", "/tmp/no-such-store"], "no trace"),
        (["trace", "--diff", "a", "b"], "folders of traces"),
        (["trace", "b"], "without `--diff`"),
        (["compare"], "BASE and CANDIDATE"),
        (["compare", "HEAD"], "BASE and CANDIDATE"),
        (["compare", "HEAD", "HEAD~1", "--axis", "xla=off,on"], "not both"),
        (["compare", "no-such-branch", "HEAD", "--model", "dense"], "git log --oneline"),
        (["compare", "--axis", "precision=float32,float8", "--model", "dense"], "mixed_bfloat16"),
        (["compare", "--axis", "colour=red,blue", "--model", "dense"], "env:NAME"),
        (["compare", "--axis", "xla=off,on", "--model", "resnet"], "squeezenet"),
        (["compare", "--axis", "xla=off,on", "--model", "resnet", "--model", "dense"], "squeezenet"),
        (["compare", "--axis", "xla=off,on", "--model", "dense", "--budget", "20s"], "must allow at least 4"),
        (["compare", "HEAD", "HEAD", "--pipeline", "records_parallel", "--records", "/no/such"], "/no/such"),
        (["compare", "/no/such.jsonl", "README.md"], "/no/such.jsonl"),
        (["compare", "HEAD", "HEAD", "--min-effect", "much"], "3% or 3"),
        (["gate", "HEAD", "--pipeline", "fast", "--pipeline", "records_uint8"], "records_parallel"),
        (["gate", "no-such-branch", "--model", "dense"], "git log --oneline"),
        (["noise", "--pairs", "2"], "--pairs"),
        (["regressions", "--results", "/tmp/no-such-store"], "asv"),
        (["stall", "--model", "dense", "--records", "/no/such"], "/no/such"),
        (["stall", "--show-last", "--results", "/tmp/no-such-store"], "--show-last"),
        (["accuracy", "--weights", "dense=x"], "MODEL=PATH"),
        (["loaders", "--python", "/no/such"], "cannot be run"),
        (["loaders", "--show-last", "--results", "/tmp/no-such-store"], "no comparison"),
        (["data-service", "--workers", "0,1"], "numbers from 1"),
        (["data-service", "serve", "worker"], "grpc://10.0.0.2:5050"),
        (["data-service", "serve", "worker", "--dispatcher", "127.0.0.1:1"], "Connection refused"),
        (["object-store", "--latency", "far"], "5ms,30ms,100ms"),
        (["object-store", "--pipeline", "fast"], "records_parallel"),
        (["object-store", "--photos", "gs://a/b", "--records", "gs://a/c", "--serve"], "of this disk"),
        (["object-store", "--show-last", "--results", "/tmp/no-such-store"], "no measurement"),
    ],
)  # fmt: skip
def test_usage_error_is_one_sentence(arguments, message, command_line, monkeypatch):
    """What was expected is listed, nothing is measured, no traceback is shown, and the exit code is 2."""
    monkeypatch.chdir(PROJECT_ROOT)
    done = command_line("bench", *arguments)

    assert done.code == 2, done.err
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("bench mesure", "measure"),
        ("bench measure --batch-sise 8", "--batch-size"),
        ("bench measure --model squeznet", "squeezenet"),
        ("bench sweep --model dense,squeznet", "squeezenet"),
        ("bench measure --pipeline recrods_parallel", "records_parallel"),
        ("bench measure --model dense --precision mixed_bfloat", "mixed_bfloat16"),
        ("bench measure --model dense --device gpuu", "gpu"),
        ("bench sweep --backend jax,torhc", "torch"),
        ("bench sweep --profile quik", "quick"),
        ("bench sweep --filter modle=dense", "model"),
        ("bench sweep --filter model=dens", "dense"),
        ("bench table --format cvs", "csv"),
        ("bench compare HEAD~1 HAED", "HEAD"),
        ("bench compare --axis precison=float32,mixed_bfloat16 --model dense", "precision"),
        ("bench loaders --only torhc", "torch"),
        ("bench accuracy --model squeznet", "squeezenet"),
        ("flowers_core trian", "train"),
        ("flowers_core train dense --records r --backend torhc", "torch"),
    ],
)
def test_misspelt_name_is_answered_by_the_one_that_was_meant(arguments, meant, command_line):
    """Every name that a user types, before anything is read or measured."""
    package, *words = arguments.split()
    ended = command_line(package, *words)

    assert ended.code == 2
    assert re.search(rf"[Dd]id you mean (one of: )?'?({meant}\b|.*'{meant}')", ended.err)


@pytest.mark.parametrize("name", ["compare", "gate", "noise"])
@pytest.mark.parametrize("given", [["dense,convnet"], ["dense", "convnet"], ["dense,convnet", "dense"]], ids=str)
def test_repeated_names_are_joined(name, given, monkeypatch):
    """Every `--model` counts, none is dropped for the last, and a name that comes twice is one cell."""
    asked = []
    monkeypatch.setattr("bench.run.matrix.filter_cells", lambda cells, _: asked.extend(cells) or sys.exit())
    revisions = {"compare": ["HEAD", "HEAD"], "gate": ["HEAD"]}.get(name, [])
    CliRunner().invoke(bench_cli.cli, [name, *revisions, *(part for value in given for part in ("--model", value))])

    assert [cell.model for cell in asked] == ["dense", "convnet"]


def test_accuracy_checks_its_records_before_it_begins(tmp_path, command_line):
    """No bar of trainings stands above the sentence."""
    ended = command_line("bench", "accuracy", "--records", tmp_path, "--results", tmp_path / "results")

    assert ended.code == 2
    assert "must hold records" in ended.err
    assert "trainings" not in ended.err


def test_measure_stores_and_prints(tmp_path, command_line):
    """`--json` gives a program one object a line and nothing else; the measurement is in the store, and in a table."""
    done = command_line("bench", "measure", *SMALL, "--json", "--results", tmp_path)

    assert (done.code, json.loads(done.out)["status"]) == (0, "ok"), done.err
    assert [result.status for result in store.load(Measurement, tmp_path).results] == ["ok"]
    assert "dense_single" in command_line("bench", "table", "--results", tmp_path).out


def test_report_and_table_work_in_any_locale(tmp_path, measured):
    """Files are UTF-8 whatever the locale is, and a letter that a terminal lacks ends nothing."""
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}  # ASCII
    here = {"id": facts.hardware_id(), "cpu": "Prüfung™ 冷"}
    store.append(measured(machine=here, code=facts.code()), tmp_path)
    code = (
        "import sys; from bench.cli import main\n"
        "for command in (['report'], ['table']):\n"
        "    sys.argv = ['bench', *command, '--results', sys.argv[-1]]\n"
        "    try: main.main()\n"
        "    except SystemExit as ended: assert not ended.code, command"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=PROJECT_ROOT, env={**os.environ, **locale}, capture_output=True,
        check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "Prüfung™ 冷" in (tmp_path / "html" / "index.html").read_text("utf-8")


def test_measure_exits_3_where_nothing_is_suitable(tmp_path, command_line):
    """Where nothing can be measured, the exit code says so, and the reason is printed."""
    unsuitable = ("--model", "dense_single", "--precision", "mixed_float16", "--device", "cpu")
    done = command_line("bench", "measure", *unsuitable, "--results", tmp_path)

    assert done.code == 3
    assert "bfloat16" in done.out


def test_measure_exits_1_after_a_failure(tmp_path, command_line):
    """A cell that fails is told by the exit code, too."""
    done = command_line("bench", "measure", *SMALL, "--timeout", "0.3s", "--results", tmp_path)

    assert done.code == 1
    assert "timeout" in done.out


@pytest.mark.parametrize(
    "words",
    [
        ["sweep"],
        ["measure", *SMALL],
        ["trace", *SMALL],
        ["peak"],
        ["batch", *SMALL],
        ["compare", "--axis", "xla=off,on", "--model", "dense"],
        ["gate", "HEAD", "--model", "dense"],
        ["noise", "--model", "dense"],
        ["regressions", "--confirm"],
        ["stall"],
        ["stages"],
        ["loaders"],
        ["accuracy"],
        ["object-store"],
        ["data-service"],
    ],
    ids=lambda words: words[0],
)
def test_commands_refuse_a_store_that_cannot_be_written_before_they_measure(
    tmp_path, command_line, monkeypatch, synthetic_photos, synthetic_records, words
):
    """It is one sentence that names the store; no process is started to measure what could not be kept."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWERS_PHOTOS", str(synthetic_photos))
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    monkeypatch.setattr(process.ChildProcess, "__init__", None)
    done = command_line("bench", *words, "--results", tmp_path / "file" / "store")

    assert done.code == 2, done.err
    assert "file/store: Not a directory" in done.err
    assert "Nothing was measured" in done.err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("measure", "--model", "FILE:wrong"), "own.py must define the function wrong(image_size, classes)"),
        (("measure", "--model", "FILE:build", "--pipeline", "gone.py:batches"), "gone.py must be a Python file"),
        (("stall", "--model", "nothing"), "keras.applications:NAME, timm:NAME or torch:NAME. Received: 'nothing'"),
        (("measure", "--model", "torch:squeezenett"), "did you mean torch:squeezenet?"),
        (("compare", "--axis", "model=FILE:build,FILE:wrong"), "must define the function wrong"),
        (("compare", "WORKTREE", "HEAD", "--model", "dense,FILE:wrong"), "must define the function wrong"),
        (("sweep", "--pipeline", "FILE:build"), "which has no parameter source and no batch_size"),
    ],
)
def test_users_files_are_checked_at_once(command, said, tmp_path, command_line):
    """Wherever a name of a model or pipeline stands, a file that does not fit is wrong use."""
    (tmp_path / "own.py").write_text("def build(image_size, classes): ...\n")
    done = command_line("bench", *(word.replace("FILE", f"{tmp_path}/own.py") for word in command))

    assert done.code == 2
    assert said in " ".join(done.err.split())


def test_sweep_takes_models_and_pipelines_in_place_of_the_profiles(tmp_path, command_line):
    """The cells of a profile are then of a user's model and of the pipelines that are named."""
    (tmp_path / "own.py").write_text("def build(image_size, classes): ...\n")
    names = ("--model", f"{tmp_path}/own.py:build,keras.applications:VGG16", "--pipeline", "records_parallel")
    done = command_line("bench", "sweep", "--profile", "full", *names, "--dry-run", "--results", tmp_path)

    assert done.code == 0, done.err
    assert "own.build@" in done.out
    assert "keras.applications.VGG16-train-records_parallel" in done.out
    assert "squeezenet" not in done.out


def test_dry_run_measures_nothing(tmp_path, command_line):
    """The plan lists every cell with its time, and their sum."""
    done = command_line("bench", "sweep", "--dry-run", "--results", tmp_path)

    assert done.code == 0
    assert f"{len(matrix.quick())} fresh processes: about " in done.out
    listed = command_line("bench", "sweep", "--dry-run", "--json", "--results", tmp_path)
    rows = map(json.loads, listed.out.splitlines())
    assert [row["cell_id"] for row in rows] == [cell.id for cell in matrix.quick()]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_killed_sweep_is_resumed(tmp_path, signal_number, started, command_line):
    """After kill -9 or Ctrl-C, `--resume` measures what is left: nothing is lost, nothing is repeated."""
    options = ("--filter", "model=dense_single", "--rounds", "2", "--seconds", "0.1", "--results", tmp_path)
    sweep = started("sweep", *options)
    wait_until(lambda: store.load(Measurement, tmp_path).results)
    sweep.send_signal(signal_number)
    _, err = sweep.communicate(timeout=60)
    with storage.exclusive(tmp_path / "measurements", "sweep"):
        refused = command_line("bench", "sweep", "--resume", "--results", tmp_path)
    before = store.load(Measurement, tmp_path).results
    done = command_line("bench", "sweep", "--resume", "--results", tmp_path)
    after = store.load(Measurement, tmp_path).results

    assert sweep.returncode == (-signal.SIGKILL if signal_number == signal.SIGKILL else 130)
    assert "Traceback" not in err
    assert len(before) == 1
    assert (refused.code, f"beside process {os.getpid()}" in refused.err) == (2, True)
    assert done.code == 0, done.err
    assert (after[:1], [result.round for result in after]) == (before, [0, 1])


def test_tables_and_page_come_from_the_store(tmp_path, command_line, measured):
    """What was measured is printed in four formats, and written as a page."""
    store.append(measured(model="dense_single"), tmp_path)
    formats = {
        name: command_line("bench", "table", "--all", "--format", name, "--results", tmp_path).out
        for name in ("terminal", "markdown", "csv", "json")
    }

    assert "dense_single" in formats["terminal"]
    assert "| dense_single |" in formats["markdown"]
    assert "dense_single-train" in formats["csv"]
    assert json.loads(formats["json"])[0]["model"] == "dense_single"
    assert command_line("bench", "report", "--results", tmp_path).code == 0
    assert (tmp_path / "html" / "index.html").exists()


def test_stored_sets_are_compared(tmp_path, command_line, measured):
    """Two stores of one machine give a ratio and a verdict for a program."""
    for day, seconds in (("monday", 0.1), ("tuesday", 0.15)):
        for number in range(4):
            steps = [seconds * (1 + number / 1000)] * 30
            store.append(measured(seconds=steps, round=number, sweep=day), tmp_path / day)
    done = command_line("bench", "compare", tmp_path / "monday", tmp_path / "tuesday", "--allow-mismatch", "--json")
    row = json.loads(done.out)

    assert row["low"] < row["ratio"] < row["high"], done.err
    assert row["ratio"] == pytest.approx(1.5, rel=0.01)


def test_axis_is_compared_in_pairs(tmp_path, command_line, paired, monkeypatch):
    """Twice as long in each of four pairs is slower: exit code 1, pairs kept, a verdict for a program."""

    def record(base, candidate, *, comparison):
        """Stands in for processes; the base is as fast as itself."""
        return [paired(1.0 if base is candidate else 2.0, comparison=comparison)]

    monkeypatch.setattr(pair, "record", record)
    axis = ("--axis", "image_size=32,128", "--model", "convnet_gap", "--batch-size", 4)
    done = command_line("bench", "compare", *axis, "--json", "--results", tmp_path)
    row = json.loads(done.out)

    assert (done.code, row["verdict"]) == (1, "slower"), done.err
    assert row["clocks"]["wall"]["ratio"] == pytest.approx(2)
    assert row["control"] == "same"
    assert row["reason"].startswith("confirmed by fresh builds and pairs")
    kept = store.load(PairResult, tmp_path)  # made-up pairs are alike, and count once where they are read
    assert len(kept.results) + kept.repeated == 3 * 4  # of the verdict, the control, the confirmation


def test_interrupted_comparison_keeps_its_pairs(tmp_path, started):
    """Ctrl-C prints a partial verdict, keeps the pairs, leaves no process, and exits 130."""
    axis = ("--axis", "precision=float32,mixed_bfloat16", "--model", "dense_single")
    running = started("compare", *axis, "--results", tmp_path)
    wait_until(lambda: store.load(PairResult, tmp_path).results)
    wait_until(lambda: len(psutil.Process(running.pid).children()) == 2)
    workers = psutil.Process(running.pid).children()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=30)

    assert running.returncode == 130
    assert "inconclusive" in out
    assert "interrupted" in out
    assert "Traceback" not in err
    assert store.load(PairResult, tmp_path).results
    assert (len(workers), alive) == (2, [])


def test_doctor_reports_levels(command_line):
    """Findings as JSON, and an exit code that says whether one is bad."""
    done = command_line("bench", "doctor", "--seconds", "1", "--json")
    levels = {json.loads(line)["level"] for line in done.out.splitlines()}

    assert done.code == int("bad" in levels)
    assert levels <= {"ok", "note", "bad", "unknown"}
