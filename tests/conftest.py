"""Fixtures that tests of several folders share: command lines, a few drawn photos and records, made-up results."""

import io
import json
import os
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bench.compare.pair_result import PairResult, Sample
from bench.machine import instructions
from bench.results.cell import Cell
from bench.results.measurement import Measurement

MACHINE = {
    "id": "0123456789ab",
    "host": "lab",
    "cpu": "Test CPU",
    "cores": 2,
    "usable_cores": 2,
    "memory_bytes": 8 * 2**30,
    "accelerators": [],
    "packages": {"keras": "3.15.1", "tensorflow": "2.21.0"},
    "environment": {},
}
ASV_ENVIRONMENT = "virtualenv-py3.11-uv"
ASV_VARIABLES = {"FLOWERS_DEVICE": "cpu", "FLOWERS_PRECISION": "mixed_bfloat16", "KERAS_BACKEND": "tensorflow"}
CODE = {"commit": "c0ffee" + 34 * "0", "dirty": False, "digest": "d1d1d1d1d1d1"}

settings.register_profile(
    "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def children_hear_ctrl_c():
    """A shell that runs tests in the background lets them ignore SIGINT, and what they start would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def command_line():
    """Runs a command line in this process: `command_line("bench", "sweep", "--dry-run")`; gives code and output."""

    def run(package, *arguments) -> Ended:
        out, err, before = io.StringIO(), io.StringIO(), sys.argv
        sys.argv = [package, *map(str, arguments)]
        try:
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                import_module(f"{package}.cli.main").main()
        finally:
            sys.argv = before
        return Ended(code=ended.value.code, out=out.getvalue(), err=err.getvalue())

    return run


@pytest.fixture(scope="session")
def terminal():
    """Draws tables as on a terminal that none may overflow: `terminal(table, columns=80)`; gives the text."""
    from rich.console import Console

    def draw(*tables, columns=80) -> str:
        console = Console(file=io.StringIO(), width=columns)
        for table in tables:
            table.draw(console)
        text = console.file.getvalue()
        assert max(map(len, text.splitlines())) <= columns
        return text

    return draw


@pytest.fixture(scope="module")
def browser():
    """A real browser, chromium, without a window."""
    path = os.environ.get("FLOWERS_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no chromium here, and `make test` could not install one")
    from playwright import sync_api

    with sync_api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])  # a container's root needs it
        yield started
        started.close()


@pytest.fixture(scope="session")
def synthetic_photos(tmp_path_factory):
    """A folder of 20 drawn photos."""
    from flowers_core.synthetic import dataset

    return dataset.draw(tmp_path_factory.mktemp("synthetic") / "photos", count=20)


@pytest.fixture(scope="session")
def synthetic_records(synthetic_photos):
    """Their records at 192 px, in 4 shards."""
    from flowers_core.data import photos, tfrecords

    folder = synthetic_photos.parent / "records"
    tfrecords.write(photos.find(synthetic_photos), folder, shards=4)
    return folder


@pytest.fixture(scope="session")
def twelve_classes(tmp_path_factory):
    """Photos of twelve classes and their records at 32 px, as a source; the photos are noise."""
    import numpy as np
    from PIL import Image

    from bench.run.data_source import Source
    from flowers_core.data import photos, tfrecords

    folder, noise = tmp_path_factory.mktemp("twelve"), np.random.default_rng(0)
    for number in range(24):
        path = folder / "photos" / f"kind{number % 12:02d}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (40, 48, 3), np.uint8)).save(path, "JPEG")
    tfrecords.write(photos.find(folder / "photos"), folder / "records-32", shards=2, image_size=32)
    return Source(photos=str(folder / "photos"), records=str(folder / "records-32"))


@pytest.fixture(scope="session")
def measured():
    """Makes a measurement of a cell: `measured(model="dense", seconds=(0.1, 0.2))`; in `seen` what else it saw."""

    def make(
        *,
        seconds=(0.1, 0.1, 0.1),
        status="ok",
        reason="",
        machine=None,
        code=None,
        round=0,
        sweep="",
        seen=None,
        **cell,
    ) -> Measurement:
        chosen = Cell(**{"model": "dense", **cell})
        good = status == "ok"
        return Measurement(
            cell=chosen,
            status=status,
            reason=reason,
            started="2026-11-23T12:00:00+00:00",
            process_seconds=5.0,
            first_step_seconds=1.5 if good else None,
            build_seconds=0.1 if good else None,
            warmup_steps=4,
            steady=True if good else None,
            images_per_step=chosen.batch_size if good else 0,
            step_seconds=tuple(seconds) if good else (),
            step_cpu_seconds=tuple(2 * second for second in seconds) if good else (),
            images_per_second=chosen.batch_size / sorted(seconds)[len(seconds) // 2] if good else None,
            peak_bytes=10**9,
            loss=1.6 if good else None,
            loss_finite=True if good else None,
            foreign_cpu_share=0.01 if good else None,
            machine={**MACHINE, **(machine or {})},
            code={**CODE, **(code or {})},
            sweep=sweep,
            round=round,
            **(seen or {}),
        )

    return make


@pytest.fixture(scope="session")
def paired():
    """Makes a pair result: in each block the candidate takes `ratio` times as long, by clock; other fields as given."""

    def make(wall=1.0, cpu=None, *, base_seconds=0.1, blocks=8, machine=None, **fields) -> PairResult:
        cpu = wall if cpu is None else cpu
        samples = (
            [Sample(steps=2, wall_seconds=2 * base_seconds, cpu_seconds=3 * base_seconds, delay_seconds=0.0)] * blocks,
            [Sample(2, 2 * base_seconds * wall, 3 * base_seconds * cpu, 0.0)] * blocks,
        )
        side = {"name": "HEAD", "cell": Cell(model="dense").to_json(), "environment": {}, **CODE}
        if fields.get("status") == "error":
            samples = ((), ())
        values = {
            "comparison": "20261124T120000Z",
            "pair": "2026-11-24T12:00:00+00:00",
            "cell": Cell(model="dense").id,
            "base": side,
            "candidate": side,
            "order": "ABBA" * (blocks // 2),
            "started": "2026-11-24T12:00:00+00:00",
            "seconds": 12.0,
            "foreign_cpu_share": 0.01,
        }
        return PairResult(
            base_samples=tuple(samples[0]),
            candidate_samples=tuple(samples[1]),
            machine={**MACHINE, **(machine or {})},
            **{**values, **fields},
        )

    return make


@pytest.fixture
def synced(monkeypatch):
    """Numbers (inodes) of the files and folders that are synced, in order."""
    numbers, sync = [], os.fsync

    def noted(descriptor):
        numbers.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return numbers


@pytest.fixture
def stored(tmp_path):
    """Stores figures as asv does: `stored(commit, {name: ([axes], [samples of each combination])})`; gives the folder.

    Samples are seconds of fresh processes; None is a failure and NaN is n/a.
    """
    from asv.results import Results
    from asv.runner import BenchmarkResult

    folder = tmp_path / "asv"

    def store(
        commit, figures, *, machine="lab", environment=ASV_ENVIRONMENT, variables=ASV_VARIABLES, version="1-ruler1"
    ):
        (folder / machine).mkdir(parents=True, exist_ok=True)
        (folder / machine / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))
        results = Results({"machine": machine}, {}, commit, 0, "3.11", environment, variables)
        for name, (axes, samples) in figures.items():
            values = [processes[0] if isinstance(processes, list) else processes for processes in samples]
            kept = [processes if isinstance(processes, list) else None for processes in samples]
            numbers = [1 if isinstance(processes, list) else None for processes in samples]
            params = [[repr(value) for value in axis] for axis in axes]
            results.add_result(
                {"name": name, "version": version, "params": params},
                BenchmarkResult(values, kept, numbers, 0, "", None),
            )
        results.save(str(folder))
        return folder

    return store


@pytest.fixture(scope="session")
def records_of_others():
    """Writes records under other names of features and of shards, those of TensorFlow Datasets unless given."""
    import tensorflow as tf

    def write(folder, paths, *, image="img", label="label", name="tf_flowers-train.tfrecord-{:05d}-of-00016"):
        folder.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths):
            with tf.io.TFRecordWriter(str(folder / name.format(number))) as file:
                for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
                    ours = tf.train.Example.FromString(record).features.feature
                    theirs = {image: ours["image"], label: ours["class"], "id": ours["label"]}
                    features = tf.train.Features(feature=theirs)
                    file.write(tf.train.Example(features=features).SerializeToString())
        return folder

    return write


@pytest.fixture
def countable(monkeypatch):
    """Counts nanoseconds of CPU time in place of instructions: the same call, attributes and inheritance."""
    monkeypatch.setattr(instructions, "EVENT", (1, 1))  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK
    instructions.why_absent.cache_clear()
    if reason := instructions.why_absent():
        pytest.skip(reason)
    yield
    instructions.why_absent.cache_clear()


@pytest.fixture(scope="session")
def load_script():
    """Imports a script of docs/ by its name."""

    def load(name):
        spec = spec_from_file_location(name, Path(__file__).parents[1] / "docs" / f"{name}.py")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
