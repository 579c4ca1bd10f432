"""The record of a pair: whole there and back, and strict about what it reads."""

import json

import pytest

from bench.compare import pair_result
from flowers_core.errors import InputError


def test_a_unit_survives_json(paired):
    """What is written is what is read, to six digits of each time."""
    one = paired(1.5, 1.25, base_seconds=0.125)

    assert pair_result.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_seconds_are_of_a_step(paired):
    """A turn of several steps says what one of them took, on either clock."""
    one = paired(1.5, 1.0, base_seconds=0.1, turns=2)

    assert one.step_seconds("base", "wall") == pytest.approx([0.1, 0.1])
    assert one.step_seconds("candidate", "wall") == pytest.approx([0.15, 0.15])
    assert one.step_seconds("candidate", "cpu") == pytest.approx([0.15, 0.15])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": pair_result.FORMAT + 1}, "reads up to"),
        ({"status": "fine"}, "status"),
        ({"base_samples": [[1, 2]]}, "not a unit"),
        ({"cell": None, "surprise": 1}, None),
    ],
)
def test_what_is_no_unit_is_told(paired, change, said):
    """A newer format, a wrong status and broken samples are sentences; unknown fields are left aside."""
    values = {**paired().to_json(), **change}
    if said is None:
        assert pair_result.from_json(values).order
        return
    with pytest.raises(InputError, match=said):
        pair_result.from_json(values)


def test_what_lacks_fields_is_no_unit():
    """A measurement, say, is not taken for a unit."""
    with pytest.raises(InputError, match="not a unit"):
        pair_result.from_json({"format": 1, "cell": {}})
