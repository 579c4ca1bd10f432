"""Accelerators to emulate: published ones, and stored measurements of another machine."""

import json

import pytest

from bench.input.stall import accelerators
from bench.input.stall.accelerators import PUBLISHED, Workload
from bench.results import store
from flowers_core import models
from flowers_core.errors import InputError


def ignore(line):
    """Hears a line."""


def test_published_rows_are_models_of_ours_with_their_source():
    """Nothing is taken for measured here, and a TPU v2-8 and a v3-8 are among them."""
    assert {workload.origin for workload in PUBLISHED} == {"published"}
    assert {"TPU v2-8", "TPU v3-8"} <= {workload.accelerator for workload in PUBLISHED}
    assert all("20" in workload.source for workload in PUBLISHED)
    assert all(workload.image_size == models.image_size(workload.model) for workload in PUBLISHED)
    assert round(PUBLISHED[0].images_per_second, -1) == 1160  # 128 images in 110 ms


@pytest.mark.parametrize("fields", [{"origin": "guessed"}, {"step_seconds": ()}, {"step_seconds": (0.0,)}])
def test_workload_needs_an_origin_and_a_step(fields):
    """Neither unnamed origins nor steps of no time are emulated."""
    with pytest.raises(InputError):
        Workload(**{**vars(PUBLISHED[0]), **fields})


def test_from_file_repeats_the_steps_that_were_measured(tmp_path, measured):
    """Of each model the cell of highest demand is taken, with every duration, and named by its accelerator."""
    machine = {"accelerators": [{"name": "NVIDIA Z9"}], "host": "far"}
    store.append(measured(device="gpu", batch_size=32, seconds=(0.1, 0.2, 0.3), machine=machine), tmp_path)
    store.append(measured(device="gpu", batch_size=8, seconds=(0.1,), machine=machine), tmp_path)
    (workload,) = accelerators.from_file(tmp_path / "measurements" / "far.jsonl")

    assert workload.accelerator == "NVIDIA Z9"
    assert workload.step_seconds == (0.1, 0.2, 0.3)
    assert workload.origin == "measured"


@pytest.mark.parametrize("text", ["", "hello\n", json.dumps({"a": 1}) + "\n", "\x00\xff"])
def test_from_file_refuses_something_else(tmp_path, text):
    """What holds no training step is named with what was expected."""
    path = tmp_path / "other.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="training steps on a resident batch"):
        accelerators.from_file(path)


def test_from_file_refuses_pipelines_alone(tmp_path, measured):
    """A store without steps is refused, too."""
    path = store.append(measured(model="none", pipeline="records_parallel"), tmp_path)
    with pytest.raises(InputError, match="none of them such"):
        accelerators.from_file(path)


def test_select_keeps_named_models():
    """`--model` picks from the published ones, too."""
    assert accelerators.select([], []) == list(PUBLISHED)
    assert {workload.model for workload in accelerators.select([], ["xception"])} == {"xception"}
