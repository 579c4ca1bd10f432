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


@pytest.mark.parametrize(
    ("photos", "pipeline", "options"),
    [
        ("roses of Anna", "photos_parallel", " --photos 'roses of Anna'"),
        ("roses", "records_parallel", " --records roses-64"),
        ("synthetic", "records_parallel", ""),
        ("roses", "resident", ""),
    ],
)
def test_command_names_the_folder_that_was_read(measured, photos, pipeline, options):
    """Repeated without it, other data would be measured; a resident batch reads none."""
    done = dataclasses.replace(measured(pipeline=pipeline, image_size=64), data={"photos": photos})

    assert done.command == done.cell.command + options
