"""What needs no TensorFlow: from photos to records, figures and predictions on JAX and torch."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed"))
    for name in ("jax", "torch")
]


def run(*words, code=0, **variables):
    """Runs a command of ours; gives what it printed."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
        "PYTHONPATH": str(ROOT),
        "OMP_WAIT_POLICY": "passive",  # on a busy machine torch's threads would spin for each other
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + (done.stderr if code else "")


def measurement(*words, code=0):
    """The one measurement that a command prints."""
    return json.loads(run("bench", *words, "--json", "--seconds", "0.2", code=code).splitlines()[0])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Options that name photos, drawn by code, and records of them, both made without TensorFlow."""
    folder = tmp_path_factory.mktemp("data")
    run("flowers_core", "synthetic", folder / "photos", "--photos", "40")
    run("flowers_core", "records", folder / "photos", folder / "records-192", "--shards", "4")
    return ("--photos", folder / "photos", "--records", folder / "records-192", "--results", folder / "results")


def test_tensorflow_is_absent():
    """Else the other tests would show nothing."""
    assert find_spec("tensorflow") is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_measure_and_stall_give_figures(data, backend):
    """The step alone, the step fed, and the three runs of a stall, on a batch of 4."""
    model = ("--model", "dense_single", "--batch-size", "4", "--backend", backend)
    alone = measurement("measure", *model, *data)
    fed = measurement("measure", *model, "--pipeline", "records_turbo", *data)
    stall = run("bench", "stall", *model, "--pipeline", "records_turbo", "--seconds", "0.2", *data)

    assert [(row["status"], row["cell"]["backend"]) for row in (alone, fed)] == [("ok", backend)] * 2
    assert alone["images_per_second"] > 0
    assert "records_turbo" in stall


@pytest.mark.parametrize("backend", BACKENDS)
def test_replicas_train_as_one(backend, tmp_path):
    """Two replicas on this CPU, timed, with the losses of one."""
    small = ("--model", "dense_single", "--image-size", "32", "--batch-size", "4", "--replicas", "1,2", "--rounds", "1")
    how = ("--seconds", "0.2", "--lost-after", "5m", "--results", tmp_path, "--json")
    lines = run("bench", "scaling", *small, "--backend", backend, *how).splitlines()
    alone, both = map(json.loads, lines)

    assert (alone["status"], both["status"], both["shares_cores"]) == ("ok", "ok", True)
    assert both["losses"] == pytest.approx(alone["losses"], rel=1e-3)


def test_pipelines_alone(data):
    """The fast ones are measured; one of tf.data says what it lacks and what there is."""
    fast, plain = (
        measurement("measure", "--model", "none", "--pipeline", name, "--batch-size", "4", *data, code=code)
        for name, code in (("photos_turbo", 0), ("records_parallel", 3))
    )

    assert fast["status"] == "ok"
    assert plain["status"] == "n/a"
    assert "photos_turbo, records_turbo" in plain["reason"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_train_evaluate_and_predict(data, tmp_path, backend):
    """A training of one epoch, on JAX all three steps in one call; its accuracy, and a photo."""
    photos, records, run_folder = data[1], data[3], tmp_path / "run"
    how = ("--epochs", "1", "--batch-size", "8", "--precision", "float32", "--seed", "1")
    how += ("--steps-per-execution", "3" if backend == "jax" else "1")
    train = ("flowers_core", "train", "dense_single", "--records", records, "--output", run_folder)
    rows = json.loads(run(*train, *how, "--backend", backend, "--json"))["history"]
    evaluated = json.loads(run("flowers_core", "evaluate", run_folder, "--backend", backend, "--json"))
    predicted = json.loads(run("flowers_core", "predict", run_folder, photos / "roses", "--backend", backend, "--json"))

    assert evaluated["accuracy"] == pytest.approx(rows[-1]["val_accuracy"], abs=1e-6)
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
def test_wrong_use_is_a_sentence(words, variables, said):
    """A backend that is missing, unknown or named twice is refused before anything is measured."""
    assert said in run("bench", "measure", "--model", "dense_single", *words, code=2, **variables)


@pytest.mark.parametrize("command", ["stages"])
def test_what_tensorflow_alone_measures_says_so(data, command):
    """One sentence, with what to install."""
    assert f"`{command}` measures by TensorFlow" in run("bench", command, *data[4:], code=2)


def test_report_writes_the_page(data):
    """The page needs no framework."""
    assert "index.html" in run("bench", "report", *data[4:])
