"""A measurement: what is refused, and what a step of it holds."""

import dataclasses

import pytest

from bench.results import identity
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


def test_command_names_the_folders_that_were_read(measured):
    """By where they lay, a home folder as `~`, which a shell expands; the usual ones need no option."""
    data = {"photos": "tulips", "digest": "d1", "folders": {"records": "~/my records"}}
    done = dataclasses.replace(measured(pipeline="records_parallel"), data=data)
    usual = dataclasses.replace(done, data={**data, "folders": {"records": "data/synthetic-192"}})

    assert done.command == f"{done.cell.command} --records ~/'my records'"
    assert usual.command == done.cell.command
    assert "folders" not in identity.setting(done)


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ({"model": "dense"}, "tensorflow 2; keras 3"),
        ({"model": "dense", "backend": "jax", "xla": True}, "keras 3; jax 0"),
        ({"model": "none", "pipeline": "records_parallel"}, "tensorflow 2; keras 3"),
    ],
)
def test_origin_names_what_was_used(measured, cell, named):
    """Not whatever is installed: JAX has no part in a step of TensorFlow."""
    machine = {"packages": {"tensorflow": "2", "keras": "3", "jax": "0"}}

    assert f"GiB; {named}; commit" in measured(machine=machine, **cell).origin


def test_command_sets_the_variables_that_decided(measured):
    """Without them it would measure another row; a value that is hidden is left to whoever knows it."""
    environment = {"ONEDNN_MAX_CPU_ISA": "SSE41", "XLA_FLAGS": "--a --b", "JAX_PLATFORM_TOKEN": "(hidden)"}
    done = measured(machine={"environment": environment})

    assert done.command == f"ONEDNN_MAX_CPU_ISA=SSE41 XLA_FLAGS='--a --b' {done.cell.command}"
