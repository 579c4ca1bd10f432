"""The result of a pair: seconds of a step on either clock."""

import pytest


def test_seconds_are_of_a_step(paired):
    """A turn of several steps says what one of them took, on either clock."""
    one = paired(1.5, 1.0, base_seconds=0.1, blocks=2)

    assert one.step_seconds("base", "wall") == pytest.approx([0.1, 0.1])
    assert one.step_seconds("candidate", "wall") == pytest.approx([0.15, 0.15])
    assert one.step_seconds("candidate", "cpu") == pytest.approx([0.15, 0.15])
