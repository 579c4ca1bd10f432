"""Cell -> Measurement, in this very process: pipelines alone, and steps fed by them."""

import dataclasses
import itertools
import os
import re
import shutil
import sys
from contextlib import nullcontext
from statistics import median

import pytest

from bench.results import identity
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.run import measure as lab_measure
from bench.run import process, product, step_under_test, timing
from bench.run.data_source import Source
from bench.run.measure import Job, job_from_json, measure
from bench.run.timing import Effort
from flowers_core import backends, models
from flowers_core.backends.tensorflow import TensorFlow
from flowers_core.data import photos, tfrecords
from flowers_core.input.registry import PIPELINES
from tests.bench.machine.nvml_stand_in import Gpu

SHORT = Effort(seconds=0.05, least_steps=2)


@pytest.fixture(scope="module")
def source(synthetic_photos, synthetic_records):
    """Twenty photos and their records."""
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


@pytest.fixture(autouse=True)
def short_steps(monkeypatch):
    """Lets a step of a pipeline alone last a tenth of what it does, and so its warm-up."""
    monkeypatch.setattr(timing, "PIPELINE_STEP_SECONDS", 0.025)


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_measure_times_a_pipeline_alone(pipeline, source):
    """Every way of feeding gives a rate, and says how many images it drew from."""
    done = measure(Job(cell=Cell(model=NO_MODEL, pipeline=pipeline, batch_size=4), effort=SHORT, source=source))

    assert (done.status, done.reason) == ("ok", "")
    assert done.images_per_second > 0
    assert done.images_per_step % 4 == 0
    assert done.data["images"] == 20
    assert done.loss is None


@pytest.mark.parametrize(
    ("pipeline", "mode"), [("photos_parallel", "train"), ("records_uint8", "train"), ("records_cached", "predict")]
)
def test_measure_times_a_step_on_a_pipeline(pipeline, mode, source):
    """A model trains and predicts on what a pipeline delivers, float32 or uint8."""
    cell = Cell(model="dense_single", pipeline=pipeline, batch_size=4, mode=mode)
    done = measure(Job(cell=cell, effort=SHORT, source=source))

    assert (done.status, done.reason) == ("ok", "")
    assert done.images_per_step == 4
    assert done.loss_finite is (True if mode == "train" else None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_size": 224}, "224"),
        ({"model": "xception", "image_size": 8, "pipeline": "resident"}, "image_size"),
    ],
)
def test_measure_gives_errors_their_reason(change, said, source):
    """Nothing is measured of records of another size, of images too small."""
    cell = dataclasses.replace(Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4), **change)
    done = measure(Job(cell=cell, effort=SHORT, source=source))

    assert done.status == "error"
    assert said in done.reason


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError("no room"), "oom"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"), "oom"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "oom"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
            "oom",
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "oom"),
        (RuntimeError("something else"), "error"),
    ],
)
def test_measure_keeps_what_a_framework_raised(error, status, monkeypatch):
    """Running out of memory is told apart from other failures; both keep the words."""

    def fail(*_):
        raise error

    monkeypatch.setattr(TensorFlow, "train_step", fail)
    done = measure(Job(cell=Cell(model="dense_single", image_size=16, batch_size=2), effort=SHORT))

    assert done.status == status
    assert str(error).split(":")[0] in done.reason


def test_measure_says_na_without_a_package(monkeypatch):
    """A backend that is not installed is not to be had here, and the reason says what to install."""

    def missing(_):
        raise ModuleNotFoundError("No module named 'jax'")

    monkeypatch.setattr(backends, "get", missing)
    done = measure(Job(cell=Cell(model="dense_single"), effort=SHORT))

    assert done.status == "n/a"
    assert "EXTRAS=[tensorflow]`, `[jax]`" in done.reason


def test_measure_says_na_without_a_gpu():
    """A device that is not here is not to be had, with the framework's reason."""
    if process.facts.hardware()["accelerators"]:
        pytest.skip("this machine has a GPU")
    done = measure(Job(cell=Cell(model="dense_single", device="gpu"), effort=SHORT))

    assert done.status == "n/a"
    assert "GPU" in done.reason


@pytest.fixture
def damaged(tmp_path, source):
    """Copies of the photos and the records, with one bit of one record and the end of one photo gone."""
    folders = {name: tmp_path / name for name in ("photos", "records")}
    for name, folder in folders.items():
        shutil.copytree(getattr(source, name), folder)
    shard = sorted(folders["records"].glob("*.tfrec"))[2]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    photo = sorted(folders["photos"].glob("*/*.jpg"))[7]
    photo.write_bytes(photo.read_bytes()[:2000])
    return Source(photos=str(folders["photos"]), records=str(folders["records"])), shard, photo


@pytest.mark.parametrize("model", [NO_MODEL, "dense_single"])
def test_measure_names_a_damaged_shard(model, damaged):
    """The reason names the shard, the record and the byte, whether a model was fed or nothing."""
    source, shard, _ = damaged
    done = measure(Job(cell=Cell(model=model, pipeline="records_parallel", batch_size=4), effort=SHORT, source=source))

    assert done.status == "error"
    assert shard.name in done.reason
    assert re.search(r"record \d+.*byte \d+", done.reason)


def test_measure_names_a_damaged_photo(damaged):
    """The reason names the photo, and what to do."""
    source, _, photo = damaged
    alone = dataclasses.replace(source, records="")
    done = measure(Job(cell=Cell(model=NO_MODEL, pipeline="photos_parallel", batch_size=4), effort=SHORT, source=alone))

    assert done.status == "error"
    assert photo.name in done.reason
    assert "Remove it" in done.reason


def test_load_photos_leaves_out_what_became_no_record(damaged, tmp_path):
    """A folder with a photo that does not decode is measured without it where its records have named it."""
    source, _, _ = damaged
    written = tfrecords.write(photos.find(source.photos), tmp_path / "written", shards=4)
    both = dataclasses.replace(source, records=str(tmp_path / "written"))
    done = measure(Job(cell=Cell(model=NO_MODEL, pipeline="photos_parallel", batch_size=4), effort=SHORT, source=both))

    assert (len(written.skipped), done.status, done.data["images"]) == (1, "ok", 19)


def test_measure_fills_caches_before_a_step(source, monkeypatch):
    """The first pass, which fills it, is not among the timed steps."""
    passes = []
    monkeypatch.setattr(timing, "fill_caches", lambda _, **how: passes.append(how))
    measure(Job(cell=Cell(model="dense_single", pipeline="records_cached", batch_size=4), effort=SHORT, source=source))

    assert passes == [{"images": 20, "batch_size": 4}]


@pytest.mark.parametrize(("pipeline", "filled"), [(name, pipeline.cached) for name, pipeline in PIPELINES.items()])
def test_measure_fills_only_caches_from_a_bucket(pipeline, filled, source, measured, monkeypatch):
    """A pipeline alone over `gs://` is timed from its first epoch on, unless it keeps what that one decodes."""
    passes = []
    monkeypatch.setattr(lab_measure.product, "is_bucket", lambda _: True)
    monkeypatch.setattr(step_under_test, "build_dataset", lambda *_: [0])
    monkeypatch.setattr(timing, "batches_per_step", lambda *_: 1)
    monkeypatch.setattr(timing, "fill_caches", lambda _, **how: passes.append(how))
    monkeypatch.setattr(lab_measure, "_time", lambda _, __, base, **___: base)
    job = Job(cell=Cell(model=NO_MODEL, pipeline=pipeline, batch_size=4), source=source)
    lab_measure._measure_input(job, dataclasses.replace(measured(), data={"images": 20}))

    assert bool(passes) == filled


def test_measure_gives_a_model_the_classes_of_its_photos(tmp_path, synthetic_photos):
    """Photos of two classes feed a model of two classes."""
    for name in ("daisy", "roses"):
        shutil.copytree(synthetic_photos / name, tmp_path / name)
    cell = Cell(model="dense_single", pipeline="photos_parallel", batch_size=2)
    done = measure(Job(cell=cell, effort=SHORT, source=Source(photos=str(tmp_path))))

    assert (done.status, done.data["classes"]) == ("ok", 2)


def test_measure_gives_a_resident_step_the_same_model(twelve_classes, monkeypatch):
    """With photos of twelve classes the fed step and the one on a resident batch have as many parameters."""
    built, build = [], models.build
    monkeypatch.setattr(models, "build", lambda *given, **how: built.append(build(*given, **how)) or built[-1])
    fed = Cell(model="dense_single", pipeline="records_parallel", batch_size=4, image_size=32)
    resident = dataclasses.replace(fed, pipeline=RESIDENT)
    classes = twelve_classes.classes([resident, fed])
    done = [measure(Job(cell=cell, effort=SHORT, source=twelve_classes, classes=classes)) for cell in (resident, fed)]

    assert [measurement.status for measurement in done] == ["ok", "ok"]
    assert [measurement.data["classes"] for measurement in done] == [12, 12]
    assert [model.count_params() for model in built] == 2 * [(32 * 32 * 3 + 1) * 12]


def test_describe_leaves_out_the_usual_classes(source):
    """It has no data; other numbers of classes stand there, and so are not counted with it."""
    usual = Job(cell=Cell(model="dense"), source=source)

    assert usual.describe() == {}
    unusual = dataclasses.replace(usual, classes=12).describe()
    assert identity.content(unusual) == {"classes": 12}
    assert set(unusual["folders"]) == {"photos", "records"}  # a command without them would count other classes


def test_build_batches_labels_all_classes():
    """A loss over twelve classes sees labels of twelve."""
    cell = Cell(model="dense", batch_size=200, image_size=1)
    _, labels = next(iter(step_under_test.build_batches(cell, Source(), images=0, classes=12)))

    assert set(labels.numpy()) == set(range(12))


@pytest.mark.parametrize("pipeline", ["resident", "records_parallel"])
def test_measure_traces_after_the_timed_steps(pipeline, source, tmp_path):
    """It is read at once, and its figures are in the measurement."""
    cell = Cell(model="dense_single", pipeline=pipeline, batch_size=4)
    done = measure(Job(cell=cell, effort=SHORT, source=source, trace=str(tmp_path / "trace")))

    assert (done.status, done.reason) == ("ok", "")
    assert done.trace["problem"] == ""
    assert done.trace["steps"] >= 4
    assert done.trace["folder"] == str(tmp_path / "trace")
    assert done.peak_bytes > 1e8


def test_a_traced_step_of_a_pipeline_alone_draws_one_batch(monkeypatch, source):
    """A timed one draws more the faster the pipeline is: two traces of it would be of different numbers of images."""
    drawn = itertools.count()
    monkeypatch.setattr(step_under_test, "build_dataset", lambda *_: drawn)
    monkeypatch.setattr(lab_measure.profiler_trace, "take", lambda step, *_, **chosen: {"step": step, **chosen})
    monkeypatch.setattr(timing, "PIPELINE_STEP_SECONDS", 0.001)
    cell = Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4)
    done = measure(Job(cell=cell, effort=SHORT, source=source, trace="folder"))
    before = next(drawn)
    done.trace["step"]()

    assert next(drawn) - before == 2
    assert done.trace["step_seconds"] == pytest.approx(median(done.step_seconds) * 4 / done.images_per_step)


def test_peak_bytes_count_decode_workers(monkeypatch):
    """What they hold stands in the figure; one that is gone holds nothing."""
    alone = lab_measure._peak_bytes()
    monkeypatch.setattr(lab_measure.cpu_time, "worker_ids", lambda: (os.getpid(), 2**22 + 1))

    assert lab_measure._peak_bytes() > alone + 1e8


def test_backlog_is_none_without_decode_workers(monkeypatch):
    """Nothing of them is asked for where batches do not come at once."""
    monkeypatch.setitem(sys.modules, "flowers_core.input.decode_pool", None)

    assert timing.backlog(Cell(model="dense", pipeline="records_parallel")) == 0
    assert timing.backlog(Cell(model="dense")) == 0


def test_augmented_batches_are_float32(source):
    """A model that is fed by a pipeline of bytes is told when they are none."""
    cell = Cell(model="dense", pipeline="records_cached", batch_size=8, augment=True, prefetch=0)
    images, _ = next(iter(step_under_test.build_dataset(cell, source)))

    assert images.dtype == "float32"
    assert not step_under_test.yields_uint8(cell, ())
    assert step_under_test.yields_uint8(dataclasses.replace(cell, augment=False), ())


def test_bursts_are_of_as_many_workers_as_were_chosen(monkeypatch):
    """All decode workers together hand over what is one burst."""
    monkeypatch.setattr(product, "decode_workers", lambda: 2)
    cell = Cell(model="none", pipeline="records_turbo")

    assert timing.burst(dataclasses.replace(cell, parallel_calls=4)) == 2 * timing.burst(cell)


def test_job_survives_json():
    """What the parent asks is what the child measures."""
    job = Job(cell=Cell(model="dense"), effort=SHORT, source=Source(photos="gs://bucket/photos"), classes=12)

    assert job_from_json(job.to_json()) == job


def test_measure_stores_no_negative_time_where_the_clock_steps_back(source, monkeypatch):
    """Durations are of clocks that nobody sets: only the date of a measurement follows the system's."""
    monkeypatch.setattr(lab_measure, "time", lambda: 0.0)
    cell = Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4)
    done = measure(Job(cell=cell, effort=SHORT, source=source))
    before = lab_measure._age()

    assert done.started.startswith("1970-01-01")
    assert 0 < done.process_seconds < before


def test_measure_on_a_gpu_sees_the_gpu(monkeypatch):
    """What NVML says meanwhile, the copy measured apart, and the cost of the step stand with the figure.

    The GPU is a stand-in: NVML's answers are set, and TensorFlow computes on the CPU.
    """
    monkeypatch.setitem(sys.modules, "pynvml", Gpu(answers={"nvmlDeviceGetCurrentClocksEventReasons": 0x20}))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    here = backends.devices.Device(kind="gpu", name="stand-in", replicas=1, scope=nullcontext)
    monkeypatch.setattr(TensorFlow, "find", lambda *_: here)
    for name in ("repeat_on_device", "copy_to_device"):
        real = getattr(TensorFlow, name)
        monkeypatch.setattr(TensorFlow, name, lambda self, *given, real=real: real(self, *given[:-1], "cpu"))
    monkeypatch.setattr(TensorFlow, "peak_device_bytes", lambda *_: None)
    done = measure(Job(cell=Cell(model="dense_single", batch_size=4, device="gpu"), effort=SHORT))

    assert (done.status, done.reason) == ("ok", "")
    assert done.accelerator["slowed_by"] == ["heat"]
    assert done.accelerator["clock_mhz"] == 1980
    assert done.device_peak_bytes == done.accelerator["memory_bytes"]  # NVML's, where the framework does not say
    assert done.copy_seconds > 0
    assert done.cost["gflops"] > 0
    assert Measurement.from_json(done.to_json()) == done
