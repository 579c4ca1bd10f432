"""The asv suites: which benchmarks there are, that asv accepts them, and what each refuses."""

import itertools
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import asv.benchmark
import asv.config
import asv.repo
import pytest

from bench import asv_profile, feed, input_throughput, stall, step, step_time, store_throughput, suite, time_to_accuracy
from bench.input.object_store.measure import ObjectStoreResult
from bench.machine import facts
from bench.machine.facts import PROJECT_ROOT
from bench.results import store
from bench.results.measurement import Measurement
from bench.run import data_source, product
from bench.run.shared_cells import SharedCells
from bench.training import run
from bench.training.run import TrainingRun
from flowers_core import models
from flowers_core.backends import devices

# Names are keys for ever: one that changes loses its history.
BENCHMARKS = [
    "feed.Feed.track_fed_step_seconds",
    "import_time.ImportTime.track_import_seconds",
    "input_throughput.InputThroughput.track_first_batch_seconds",
    "input_throughput.InputThroughput.track_host_peak_bytes",
    "input_throughput.InputThroughput.track_image_seconds",
    "stall.Stall.track_fed_step_seconds",
    "stall.Stall.track_input_wait_seconds",
    "stall.Stall.track_stall_seconds",
    "step.Step.track_compile_seconds",
    "step.Step.track_device_peak_bytes",
    "step.Step.track_host_peak_bytes",
    "step.Step.track_step_seconds",
    "step_time.StepTime.track_step_seconds",
    "store_throughput.StoreThroughput.track_image_seconds",
    "time_to_accuracy.TimeToAccuracy.track_target_seconds",
]


@pytest.fixture(scope="module")
def discovered(tmp_path_factory):
    """What asv's own discovery finds, in a process of its own."""
    found = tmp_path_factory.mktemp("asv") / "found.json"
    subprocess.run(
        [sys.executable, asv.benchmark.__file__, "discover", str(PROJECT_ROOT / "bench"), str(found)],
        check=True, capture_output=True, cwd=found.parent,
    )  # fmt: skip
    return {benchmark["name"]: benchmark for benchmark in json.loads(found.read_text())}


def test_benchmark_names_are_these(discovered):
    """Neither a rename nor a helper with an unlucky name slips in."""
    assert sorted(discovered) == BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmarks_have_a_unit_that_asv_scales_a_version_and_rounds(discovered, name):
    """Smaller is better throughout; versions are explicit and name the harness version; rounds are fresh processes."""
    benchmark = discovered[name]

    assert benchmark["unit"] == name.rpartition("_")[2]
    assert benchmark["unit"] in ("seconds", "bytes")
    assert benchmark["pretty_name"]
    assert benchmark["version"] == f"1-ruler{suite.HARNESS_VERSION}"
    assert benchmark["rounds"] == suite.ROUNDS


# What asv stores of a benchmark is found again by its parameters: these hold history, and must stay as they are.
OLDER = {
    "feed.Feed.track_fed_step_seconds": [["'dense'", "'mobilenetv2'"], ["'photos_one_by_one'", "'records_parallel'"]],
    "step_time.StepTime.track_step_seconds": [
        ["'dense'", "'convnet_gap'", "'squeezenet'", "'mobilenetv2'"],
        ["8", "32"],
    ],
}


@pytest.mark.parametrize("name", OLDER)
def test_older_series_keep_their_parameters(discovered, name):
    """They go on beside `Step` and `Stall`, measured by the same processes."""
    assert discovered[name]["params"] == OLDER[name]


def test_step_has_every_model_precision_device_and_mode(discovered):
    """All are parameters, which asv's page offers as selectors."""
    axes = dict(
        zip(*(discovered["step.Step.track_step_seconds"][key] for key in ("param_names", "params")), strict=True)
    )

    assert {name: [text.strip("'") for text in values] for name, values in axes.items()} == {
        "model": list(product.MODELS),
        "batch_size": ["8", "32", "128"],
        "precision": list(product.PRECISIONS),
        "device": ["cpu", "gpu", "tpu"],
        "mode": ["train", "predict"],
    }


def test_input_throughput_has_every_pipeline(discovered):
    """A new one is followed from its first commit on."""
    (pipelines,) = discovered["input_throughput.InputThroughput.track_image_seconds"]["params"]

    assert [text.strip("'") for text in pipelines] == list(product.pipelines())


@pytest.mark.parametrize("name", list(product.MODELS))
def test_step_cell_has_the_image_size_of_its_model(name):
    """Its literal table says what the registry says."""
    assert step.Step().cell(name, 8, "float32", "cpu", "train").image_size == models.image_size(name)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (("dense", 8, "float32", "tpu", "train"), "no TPU on this machine"),
        (("dense", 8, "mixed_float16", "cpu", "predict"), "emulates float16"),
        (("xception", 32, "float32", "cpu", "train"), "batches of up to 8"),
        (("a_later_model", 8, "float32", "cpu", "train"), "a_later_model"),
    ],
    ids=["device", "precision", "batch", "model"],
)
def test_step_says_na_without_a_framework(params, reason):
    """The reason is known at once: TensorFlow is not imported to find it."""
    code = f"import sys; from bench import step\ntry: step.Step().setup(*{params!r})\n"
    code += "except NotImplementedError as e: print(e)\nassert not {'tensorflow', 'jax', 'keras'} & set(sys.modules)"
    env = {**os.environ, "FLOWERS_DIRTY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, check=True
    )

    assert reason in done.stdout


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Lets suites share cells as under asv; what is measured comes from a list of measurements, the first one first."""
    to_come = []
    monkeypatch.setattr(suite.shared_cells, "of", lambda _: SharedCells(tmp_path))
    monkeypatch.setattr(suite, "measure_here", lambda _: to_come.pop(0))
    monkeypatch.setattr(suite, "measure_beside", lambda _: to_come.pop(0))
    return to_come


def test_step_gives_all_figures_of_one_process(shared, measured):
    """Time, compilation and memory of a cell, and the older series of the same cell: nothing is measured twice."""
    shared.append(measured(batch_size=8, seconds=(0.2, 0.2, 0.3)))
    params = ("dense", 8, "float32", "cpu", "train")
    steps = step.Step()
    values = [
        steps.track_step_seconds(*params),
        steps.track_compile_seconds(*params),
        steps.track_host_peak_bytes(*params),
        step_time.StepTime().track_step_seconds("dense", 8),
    ]

    assert [value["samples"] for value in values] == [[0.2], [1.6], [10**9], [0.2]]
    with pytest.raises(NotImplementedError, match="Peak memory, host"):
        steps.track_device_peak_bytes(*params)


def test_stall_is_what_a_fed_step_loses(shared, measured):
    """By the same round's step alone, which `Step` then need not measure."""
    fed = measured(batch_size=8, pipeline="photos_one_by_one", seconds=(0.25,) * 3)
    shared += [replace(fed, step_wait_seconds=(0.02, 0.04)), measured(batch_size=8, seconds=(0.2,) * 3)]
    params = ("dense", "photos_one_by_one", "cpu")
    stalls = stall.Stall()
    values = [
        stalls.track_fed_step_seconds(*params),
        stalls.track_input_wait_seconds(*params),
        stalls.track_stall_seconds(*params),
        feed.Feed().track_fed_step_seconds("dense", "photos_one_by_one"),
        step.Step().track_step_seconds("dense", 8, "float32", "cpu", "train"),
    ]

    assert [value["samples"] for value in values] == [[pytest.approx(x)] for x in (0.25, 0.03, 0.05, 0.25, 0.2)]
    assert not shared


def test_failure_of_a_cell_is_that_of_all_its_benchmarks(shared, measured):
    """Each says why, and the cell is not tried again."""
    shared.append(measured(status="oom", reason="killed"))
    params = ("dense", 32, "float32", "cpu", "train")
    for track in (step.Step().track_step_seconds, step.Step().track_host_peak_bytes):
        with pytest.raises(RuntimeError, match="oom: killed"):
            track(*params)


def selected(discovered, profile):
    """Names with parameters that a profile lets asv measure."""
    expressions = asv_profile.selection(profile)
    names = (
        f"{name}({', '.join(values)})"
        for name, benchmark in discovered.items()
        for values in itertools.product(*benchmark["params"])
    )
    return [name for name in names if any(re.search(expression, name) for expression in expressions)]


def test_quick_profile_is_six_cells_and_the_imports(discovered, monkeypatch):
    """What a plain `asv run` costs: every benchmark of these has been measured by one process a round."""
    monkeypatch.setattr(devices, "hints", lambda: ["cpu"])
    names = selected(discovered, "quick")
    steps = [name for name in names if name.startswith("step.Step.track_step_seconds")]

    assert len(steps) == 4
    assert {name.split(".")[0] for name in names} == {
        "import_time", "input_throughput", "step", "step_time",
    }  # fmt: skip
    assert not [name for name in names if "gpu" in name or "device_peak" in name]


@pytest.mark.parametrize(
    ("there", "named", "made"),
    [((), {}, ["synthetic", "records"]), (("photos",), {}, ["records"]), ((), {"FLOWERS_PHOTOS": "/mine"}, [])],
)
def test_a_profile_is_given_something_to_read(there, named, made, tmp_path, monkeypatch):
    """Where nothing was made before; never beside photos or records of the user's own."""
    filled = {"photos": tmp_path / "drawn", "records": tmp_path / "drawn-192"}
    for name in there:
        filled[name].mkdir()
    for name in ("FLOWERS_PHOTOS", "FLOWERS_RECORDS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    commands = []
    monkeypatch.setattr(data_source, "FILLED", filled)
    monkeypatch.setattr(asv_profile.subprocess, "run", lambda words, **_: commands.append(words[3:]))
    asv_profile.draw_missing()

    assert [words[0] for words in commands] == made
    assert all(words[1] == str(filled["photos"]) for words in commands)


def test_full_profile_leaves_out_what_is_absent_and_what_trains(discovered, monkeypatch):
    """A GPU's cells are there where a GPU is; trainings to a target only by name."""
    monkeypatch.setattr(devices, "hints", lambda: ["gpu", "cpu"])
    names = selected(discovered, "full")

    assert [name for name in names if "'gpu'" in name]
    assert [name for name in names if "device_peak" in name]
    assert not [name for name in names if "'tpu'" in name or "TimeToAccuracy" in name]


def test_suites_pass_asv_check(discovered):
    """Asv's own check of the suites passes, in this environment."""
    done = subprocess.run(
        [sys.executable, "-m", "asv", "check", "--python=same"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert discovered
    assert done.returncode == 0, done.stdout + done.stderr


def test_asv_finds_the_commits_of_a_ci_checkout(tmp_path, monkeypatch):
    """A shallow clone with a commit checked out, and no branch of its own, can be measured and published."""

    def git(*words):
        command = [*facts.GIT, "-c", "user.name=Flora", "-c", "user.email=flora@example.org", *words]
        subprocess.run(command, check=True, capture_output=True, env=facts.git_environment(), cwd=tmp_path)

    git("init", "--quiet", "--initial-branch=main", "project")
    git("-C", "project", "commit", "--quiet", "--allow-empty", "--message=First")
    git("clone", "--quiet", "--depth=1", f"file://{tmp_path}/project", "clone")
    git("-C", "clone", "checkout", "--quiet", "--detach")
    git("-C", "clone", "branch", "--quiet", "-D", "main")
    conf = asv.config.Config.load(str(PROJECT_ROOT / "asv.conf.json"))
    monkeypatch.chdir(tmp_path / "clone")
    repo = asv.repo.get_repo(conf)

    assert len(repo.get_new_branch_commits(conf.branches, [])) == 1
    assert [repo.get_hash_from_name(branch) for branch in conf.branches] == repo.get_branch_commits("HEAD")


def test_setup_refuses_uncommitted_changes(monkeypatch):
    """Asv would file the tree under the clean commit: the suite stops and says what to do."""
    monkeypatch.setattr(facts, "uncommitted_files", lambda: ["bench/cli.py"])
    monkeypatch.setattr(facts, "is_installed_from_checkout", lambda: True)
    with pytest.raises(RuntimeError, match=r"bench/cli.py.*FLOWERS_DIRTY=1"):
        step_time.StepTime().setup("dense", 8)

    monkeypatch.setenv("FLOWERS_DIRTY", "1")
    step_time.StepTime().setup("dense", 8)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_setup_refuses_false_names(monkeypatch, discovered, name):
    """No suite has a way around: neither the time of an import nor that of a training."""

    def refuse():
        raise RuntimeError("another axis")

    monkeypatch.setattr(suite, "refuse_uncommitted", lambda: None)
    monkeypatch.setattr(suite, "refuse_overridden", refuse)
    module, suite_name, _ = name.split(".")
    params = [values[0].strip("'") for values in discovered[name]["params"]]
    with pytest.raises(RuntimeError, match="another axis"):
        getattr(import_module(f"bench.{module}"), suite_name)().setup(*params)


def test_setup_takes_a_wheel_as_clean(monkeypatch):
    """Asv builds wheels from commits: the tree beside them does not count."""
    monkeypatch.setattr(facts, "uncommitted_files", lambda: ["bench/cli.py"])
    monkeypatch.setattr(facts, "is_installed_from_checkout", lambda: False)

    step_time.StepTime().setup("dense", 8)


ASKING = """
import os, subprocess, sys
matrix = {"FLOWERS_PRECISION": "float32", "FLOWERS_DEVICE": "cpu"}
code = "from bench import suite; suite.refuse_overridden()"
sys.exit(subprocess.run([sys.executable, "-c", code], env={**os.environ, **matrix}).returncode)
"""


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"FLOWERS_PRECISION": "mixed_bfloat16"}, "FLOWERS_PRECISION=mixed_bfloat16 is set, but asv measures with"),
        ({"FLOWERS_PRECISION": "float32"}, ""),
        ({}, ""),
    ],
)
def test_setup_refuses_an_axis_that_the_matrix_replaces(asked, message, tmp_path):
    """Who sets a precision beside another in asv.conf.json is told, instead of measuring the other in silence."""
    kept = {name: value for name, value in os.environ.items() if name not in suite.AXES}
    asv = tmp_path / "asv"
    asv.write_text(ASKING)
    done = subprocess.run(
        [sys.executable, asv],
        cwd=PROJECT_ROOT,
        env={**kept, **asked},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode == 0) == (not message), done.stderr
    assert message in done.stderr


def test_setup_says_na_without_records(monkeypatch):
    """A pipeline without data shows n/a and says what to run."""
    monkeypatch.setattr(suite, "refuse_uncommitted", lambda: None)
    monkeypatch.setattr(
        suite.data_source, "FILLED", {"photos": PROJECT_ROOT / "none", "records": PROJECT_ROOT / "none"}
    )
    with pytest.raises(NotImplementedError, match="make bench"):
        input_throughput.InputThroughput().setup("records_parallel")


def test_track_image_seconds_stores_the_measurement(tmp_path, monkeypatch, synthetic_photos, synthetic_records):
    """Asv gets one number of a process; the store gets all of it."""
    monkeypatch.setattr(store, "RESULTS", tmp_path)
    monkeypatch.setattr(store.append, "__defaults__", (tmp_path,))
    monkeypatch.setenv("FLOWERS_PHOTOS", str(synthetic_photos))
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    monkeypatch.setattr(suite, "EFFORT", suite.Effort(seconds=0.05, least_steps=2))
    benchmark = input_throughput.InputThroughput()
    monkeypatch.setattr(
        benchmark, "cell", lambda name: input_throughput.Cell(model="none", pipeline=name, batch_size=4)
    )
    given = benchmark.track_image_seconds("records_parallel")
    (stored,) = store.load(Measurement, tmp_path).results

    assert given == {"samples": [pytest.approx(1 / stored.images_per_second)], "number": 1}
    assert stored.code["by"] == "asv"


@pytest.mark.parametrize(("accuracies", "seconds"), [((0.2, 0.6, 0.5), 2.0), ((0.2, 0.3, 0.4), None)])
def test_track_target_seconds_takes_the_first_epoch_that_reaches_it(
    tmp_path, monkeypatch, synthetic_records, accuracies, seconds
):
    """It stops there; a target that is never reached is n/a; the training is stored either way."""
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    photos = data_source.find().describe("records")["photos"]
    monkeypatch.setattr(time_to_accuracy.outcome, "SYNTHETIC", photos)
    monkeypatch.setattr(store.append, "__defaults__", (tmp_path,))
    rows = tuple(
        {"epoch": epoch, "val_accuracy": accuracy, "elapsed_seconds": float(epoch), "images_per_second": 10.0}
        for epoch, accuracy in enumerate(accuracies, 1)
    )

    def train(job, *, timeout):
        given = {"model": job.model, "variant": job.variant, "seed": job.seed, "campaign": job.campaign}
        assert job.target == 0.5
        assert timeout == time_to_accuracy.TimeToAccuracy.timeout
        return run.TrainingRun(**given, status="ok", history=rows, images=100, data={"photos": "synthetic"})

    monkeypatch.setattr(time_to_accuracy.run, "train", train)
    given = time_to_accuracy.TimeToAccuracy().track_target_seconds("squeezenet_small")

    assert given == {"samples": [seconds], "number": 1} if seconds else math.isnan(given)
    assert [training.history for training in store.load(TrainingRun, tmp_path).results] == [rows]


def test_time_to_accuracy_is_na_where_no_target_is_known(monkeypatch, synthetic_records):
    """At once, instead of after all epochs."""
    monkeypatch.setattr(suite, "refuse_uncommitted", lambda: None)
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    monkeypatch.setattr(time_to_accuracy.outcome, "SYNTHETIC", "other")
    with pytest.raises(NotImplementedError, match="no accuracy is known that squeezenet_small should reach"):
        time_to_accuracy.TimeToAccuracy().setup("squeezenet_small")


def test_track_target_seconds_raises_the_reason(tmp_path, monkeypatch, synthetic_records):
    """And the store, too."""
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    monkeypatch.setattr(store.append, "__defaults__", (tmp_path,))
    broken = run.TrainingRun(
        model="squeezenet_small", variant="ours", seed=1, campaign="", status="oom", reason="killed"
    )
    monkeypatch.setattr(time_to_accuracy.run, "train", lambda *_, **__: broken)
    with pytest.raises(RuntimeError, match="oom: killed"):
        time_to_accuracy.TimeToAccuracy().track_target_seconds("squeezenet_small")
    assert len(store.load(TrainingRun, tmp_path).results) == 1


def test_sample_gives_nan_for_na():
    """Not applicable is NaN, not a failure."""
    assert math.isnan(suite.sample(None))


def test_axes_come_from_the_environment(monkeypatch):
    """Precision and backend of a whole run are environment variables of asv.conf.json."""
    monkeypatch.setitem(os.environ, "FLOWERS_PRECISION", "mixed_bfloat16")
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "jax")

    assert suite.axes() == {"precision": "mixed_bfloat16", "backend": "jax", "xla": True, "device": "cpu"}


def test_store_throughput_reads_in_a_child(tmp_path, monkeypatch, synthetic_photos, synthetic_records):
    """Asv gets the seconds of an image from a far store; what was asked of it is kept as well."""
    monkeypatch.setattr(store.append, "__defaults__", (tmp_path,))
    monkeypatch.setenv("FLOWERS_PHOTOS", str(synthetic_photos))
    monkeypatch.setenv("FLOWERS_RECORDS", str(synthetic_records))
    monkeypatch.setattr(suite, "EFFORT", suite.Effort(seconds=0.05, least_steps=2))
    given = store_throughput.StoreThroughput().track_image_seconds("records_parallel", 5)
    (stored,) = store.load(ObjectStoreResult, tmp_path).results

    assert given == {"samples": [pytest.approx(1 / stored.measurement.images_per_second)], "number": 1}
    assert (stored.latency_seconds, stored.requests["read"] > 0) == (0.005, True)
