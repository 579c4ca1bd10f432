"""Cell -> Measurement, in this very process: pipelines alone, and steps fed by them."""

import dataclasses

import pytest

from bench.lab.cell import NO_MODEL, Cell
from bench.lab.clock import Effort
from bench.lab.measure import Job, job_from_json, measure
from bench.lab.source import Source
from flowers_core import pipelines, step

SHORT = Effort(seconds=0.05, least_steps=2)


@pytest.fixture(scope="module")
def source(little_garden, little_records):
    """Twenty photos and their records."""
    return Source(photos=str(little_garden), records=str(little_records))


@pytest.mark.parametrize("pipeline", pipelines.NAMES)
def test_a_pipeline_alone_is_measured(pipeline, source):
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
def test_a_step_is_fed(pipeline, mode, source):
    """A model trains and predicts on what a pipeline delivers, float32 or uint8."""
    cell = Cell(model="dense_single", pipeline=pipeline, batch_size=4, mode=mode)
    done = measure(Job(cell=cell, effort=SHORT, source=source))

    assert (done.status, done.reason) == ("ok", "")
    assert done.images_per_step == 4
    assert done.loss_finite is (True if mode == "train" else None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 64}, "at most 20"),
        ({"image_size": 224}, "224"),
        ({"model": "xception", "image_size": 8, "pipeline": "resident"}, "image_size"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_reason(change, said, source):
    """Nothing is measured of records of another size, of a batch larger than all, of images too small."""
    cell = dataclasses.replace(Cell(model=NO_MODEL, pipeline="records_parallel", batch_size=4), **change)
    done = measure(Job(cell=cell, effort=SHORT, source=source))

    assert done.status == "error"
    assert said in done.reason


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError("no room"), "oom"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"), "oom"),
        (RuntimeError("something else"), "error"),
    ],
)
def test_what_a_framework_throws_is_told(error, status, monkeypatch):
    """Running out of memory is told apart from other failures; both keep the words."""

    def fail(*_):
        raise error

    monkeypatch.setattr(step, "train", fail)
    done = measure(Job(cell=Cell(model="dense_single", image_size=16, batch_size=2), effort=SHORT))

    assert done.status == status
    assert str(error).split(":")[0] in done.reason


def test_a_job_survives_json():
    """What the parent asks is what the child measures."""
    job = Job(cell=Cell(model="dense"), effort=SHORT, source=Source(photos="gs://bucket/photos"))

    assert job_from_json(job.to_json()) == job
