"""Tests of `flowers_core.train.schedules`: the learning rates are the codelab's."""

import pytest

from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.train import schedules

XCEPTION_8 = (
    1e-5, 8.8e-5, 1.66e-4, 2.44e-4, 3.22e-4, 4e-4, 3.22e-4, 2.596e-4, 2.0968e-4, 1.69744e-4, 1.377952e-4, 1.1223616e-4,
)  # fmt: skip
XCEPTION_1 = (
    1e-5, 4.8e-5, 8.6e-5, 1.24e-4, 1.62e-4, 2e-4, 1.62e-4, 1.316e-4, 1.073e-4, 8.78e-5, 7.23e-5, 5.98e-5,
)  # fmt: skip


def rates(model, replicas, epochs):
    """The learning rates of the first epochs."""
    rate = schedules.schedule(model, replicas=replicas)
    return [rate(epoch) for epoch in range(epochs)]


def test_xception_on_tpu_has_printed_rates():
    """On 8 cores the rates of the 12 epochs are those that the notebook prints, to every digit."""
    assert rates("xception", 8, 12) == pytest.approx(XCEPTION_8, rel=1e-12)


def test_xception_on_one_gpu_has_the_tabulated_rates():
    """On one GPU the rates of the 12 epochs are the table's, rounded as there."""
    assert rates("xception", 1, 12) == pytest.approx(XCEPTION_1, abs=5e-8)


def test_xception_on_a_pod_ramps_for_seven_epochs():
    """On a pod the top is 2e-5 a replica, reached after 7 epochs and left at once."""
    on_pod = rates("xception", 32, 9)
    assert on_pod[0] == 1e-5
    assert on_pod[7] == pytest.approx(6.4e-4)
    assert on_pod[8] == pytest.approx(6.3e-4 * 0.8 + 1e-5)
    assert on_pod[:8] == sorted(on_pod[:8])


def test_squeezenet_331_on_one_gpu_is_constant():
    """On one GPU the rate stays 0.01."""
    assert set(rates("squeezenet_331", 1, 60)) == {0.01}


def test_squeezenet_331_on_a_tpu_starts_at_its_top():
    """On 8 cores the rate is 0.08 for 13 epochs and the first of the decay, then falls towards 0.001."""
    on_tpu = rates("squeezenet_331", 8, 60)
    assert on_tpu[:14] == [0.08] * 14
    assert on_tpu[14] == pytest.approx(0.079 * 0.95 + 0.001)
    assert 0.001 < on_tpu[-1] < 0.01


def test_squeezenet_331_on_a_pod_ramps_sustains_and_decays():
    """On a pod of 32 the rate climbs from 0.06 to 0.384 in 5 epochs, stays for 8, then falls towards 0.01."""
    on_pod = rates("squeezenet_331", 32, 60)
    assert on_pod[0] == 0.06
    assert on_pod[1] == pytest.approx(0.06 + (0.384 - 0.06) / 5)
    assert on_pod[5:14] == pytest.approx([0.384] * 9)
    assert on_pod[14] == pytest.approx(0.374 * 0.95 + 0.01)


@pytest.mark.parametrize(("model", "top"), [("mobilenetv2", 0.001), ("resnet50", 0.001), ("xception", 0.01)])
def test_fine_tuning_begins_high_and_falls(model, top):
    """Each base by its own rate, lower in each epoch after the first ones, and low at the end."""
    recipe = models.recipe(model, fine_tune=True)
    found = rates(recipe.schedule, 1, recipe.epochs)
    assert (found[0], recipe.optimizer) == (top, "sgd")
    assert found == sorted(found, reverse=True)
    assert found[-1] < top / 4
    assert rates(recipe.schedule, 8, 1) == [pytest.approx(8 * top)]


@pytest.mark.parametrize("replicas", range(1, 9))
def test_squeezenet_331_never_ramps_downwards(replicas):
    """Up to 8 replicas no epoch has a higher rate than the one before it."""
    few = rates("squeezenet_331", replicas, 30)
    assert few == sorted(few, reverse=True)


@pytest.mark.parametrize(
    ("name", "replicas", "message"), [("dense", 1, "xception, squeezenet_331"), ("xception", 0, "at least 1")]
)
def test_schedule_refuses_unknown_name_and_no_replica(name, replicas, message):
    """The message lists the schedules, or says how many replicas there must be."""
    with pytest.raises(InputError, match=message):
        schedules.schedule(name, replicas=replicas)
