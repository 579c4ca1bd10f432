"""A measurement: what is refused, and what a step of it holds."""

import dataclasses

import pytest

from flowers_core.errors import InputError


def test_measurement_refuses_unknown_status(measured):
    """A status outside the list is a mistake of ours."""
    with pytest.raises(InputError, match="ok, n/a, oom"):
        measured(status="fine")


def test_pipeline_step_holds_several_batches(measured):
    """Only a pipeline alone draws more than one batch a step."""
    alone = measured(model="none", pipeline="records_cached", batch_size=8)

    assert dataclasses.replace(alone, images_per_step=80).batches_per_step == 10
    assert measured(model="dense").batches_per_step == 1
