"""The record: JSON both ways, and what is refused."""

import dataclasses
import json

import pytest

from bench.results.measurement import FORMAT, from_json
from flowers_core.errors import InputError


def test_json_both_ways(measured):
    """A measurement survives a line of JSON."""
    one = measured(seconds=(0.1, 0.25), model="squeezenet")

    assert from_json(json.loads(json.dumps(one.to_json(), allow_nan=False))) == one


def test_a_newer_format_is_refused(measured):
    """What a newer program wrote is not guessed at."""
    with pytest.raises(InputError, match="format"):
        from_json({**measured().to_json(), "format": FORMAT + 1})


@pytest.mark.parametrize("values", [{}, {"format": FORMAT}, {"format": FORMAT, "cell": 3}, [], {"format": "1"}])
def test_what_is_no_measurement_is_refused(values):
    """Other JSON in the store is an error that can be told, not a crash."""
    with pytest.raises(InputError, match="not a measurement"):
        from_json(values)


def test_an_unknown_field_of_our_format_is_let_pass(measured):
    """A field that this program does not know yet does no harm."""
    assert from_json({**measured().to_json(), "colour": "red"}) == measured()


def test_a_status_is_one_of_the_known(measured):
    """A status outside the list is a mistake of ours."""
    with pytest.raises(InputError, match="ok, n/a, oom"):
        measured(status="fine")


def test_a_pipeline_step_holds_several_batches(measured):
    """Only a pipeline alone draws more than one batch a step."""
    alone = measured(model="none", pipeline="records_cached", batch_size=8)

    assert dataclasses.replace(alone, images_per_step=80).batches_per_step == 10
    assert measured(model="dense").batches_per_step == 1
