"""What needs no TensorFlow: from photos to records, figures and predictions on JAX and torch."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.results import store
from bench.results.measurement import Measurement

ROOT = Path(__file__).parents[2]
BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in ("jax", "torch")
]
ONE_AFTER_ANOTHER = """
import json, sys
from flowers_core.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["flowers_core", *words]
    try: main()
    except SystemExit as ended:
        if ended.code: raise
"""


@pytest.fixture(autouse=True)
def no_backend(monkeypatch):
    """Lets each test choose its backend."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")  # on a busy machine torch's threads would spin for each other


@pytest.fixture(scope="module")
def run(command_line):
    """Runs a command of ours, which starts processes for what loads a framework; gives what it printed."""

    def run(*words, code=0):
        done = command_line(*words)
        assert done.code == code, done.err
        return done.out + (done.err if code else "")

    return run


@pytest.fixture(scope="module")
def data(tmp_path_factory, run):
    """Options that name photos, drawn by code, and records of them, both made without TensorFlow."""
    folder = tmp_path_factory.mktemp("data")
    run("flowers_core", "synthetic", folder / "photos", "--photos", "20")
    run("flowers_core", "records", folder / "photos", folder / "records-192", "--shards", "4")
    return ("--photos", folder / "photos", "--records", folder / "records-192")


def test_tensorflow_is_absent():
    """Else the other tests would show nothing."""
    assert find_spec("tensorflow") is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_stall_gives_figures(run, data, backend, tmp_path):
    """On a batch of 4: the pipeline alone, the step alone on a resident batch, and the step fed."""
    model = ("--model", "dense_single", "--pipeline", "records_turbo", "--batch-size", "4", "--backend", backend)
    shown = run("bench", "stall", *model, "--seconds", "0.2", *data, "--results", tmp_path)
    rows = store.load(Measurement, tmp_path).results

    assert [row.status for row in rows] == ["ok"] * 3
    assert {(row.cell.model, row.cell.pipeline, row.cell.backend) for row in rows if row.cell.model != "none"} == {
        ("dense_single", "resident", backend), ("dense_single", "records_turbo", backend),
    }  # fmt: skip
    assert all(row.images_per_second > 0 for row in rows)
    assert "records_turbo" in shown


@pytest.mark.parametrize("backend", BACKENDS)
def test_replicas_train_as_one(run, backend, tmp_path):
    """Two replicas on this CPU, timed, with the losses of one."""
    small = ("--model", "dense_single", "--image-size", "32", "--batch-size", "4", "--replicas", "1,2", "--rounds", "1")
    how = ("--seconds", "0.2", "--lost-after", "5m", "--results", tmp_path, "--json")
    lines = run("bench", "scaling", *small, "--backend", backend, *how).splitlines()
    alone, both = map(json.loads, lines)

    assert (alone["status"], both["status"], both["shares_cores"]) == ("ok", "ok", True)
    assert both["losses"] == pytest.approx(alone["losses"], rel=1e-3)


def test_pipelines_alone(run, data, tmp_path):
    """The fast ones are measured; one of tf.data says what it lacks and what there is."""
    how = ("--batch-size", "4", *data, "--json", "--seconds", "0.2", "--results", tmp_path)
    fast, plain = (
        json.loads(run("bench", "measure", "--model", "none", "--pipeline", name, *how, code=code).splitlines()[0])
        for name, code in (("photos_turbo", 0), ("records_parallel", 3))
    )

    assert fast["status"] == "ok"
    assert plain["status"] == "n/a"
    assert "photos_turbo, records_turbo" in plain["reason"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_train_evaluate_and_predict(data, tmp_path, backend):
    """A training of one epoch, on JAX all three steps in one call; its accuracy, and a photo."""
    photos, records, run_folder = data[1], data[3], tmp_path / "run"
    how = ("--epochs", "1", "--batch-size", "5", "--precision", "float32", "--seed", "1")
    how += ("--steps-per-execution", "3" if backend == "jax" else "1")
    commands = [
        ("train", "dense_single", "--records", records, "--output", run_folder, *how),
        ("evaluate", run_folder),
        ("predict", run_folder, photos / "roses"),
    ]
    words = [[*map(str, command), "--backend", backend, "--json"] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    trained, evaluated, predicted = map(json.loads, done.stdout.splitlines())
    assert evaluated["accuracy"] == pytest.approx(trained["history"][-1]["val_accuracy"], abs=1e-6)
    assert predicted
    assert all(row["probability"] > 0.2 for row in predicted)


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (("--backend", "tensorflow"), {}, "without tensorflow"),
        (("--backend", "torch"), {"KERAS_BACKEND": "jax"}, "must agree"),
        (("--backend", "torch", "--xla", "on"), {}, "compiled by torch.compile"),
        ((), {"KERAS_BACKEND": "mxnet"}, "tensorflow, jax, torch"),
    ],
)
def test_wrong_use_is_a_sentence(run, monkeypatch, words, variables, said):
    """A backend that is missing, unknown or named twice is refused before anything is measured."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert said in run("bench", "measure", "--model", "dense_single", *words, code=2)


@pytest.mark.parametrize("command", ["stages"])
def test_what_tensorflow_alone_measures_says_so(run, tmp_path, command):
    """One sentence, with what to install."""
    assert f"`{command}` measures by TensorFlow" in run("bench", command, "--results", tmp_path, code=2)


def test_report_writes_the_page(run, measured, tmp_path):
    """The page needs no framework."""
    store.append(measured(backend="jax", xla=True), tmp_path)
    assert "index.html" in run("bench", "report", "--results", tmp_path)
