"""How much of what a machine could do at most a step makes."""

import pytest

from bench.results import peak, summary
from bench.results.peak import Peak, Position

MACHINE = "0123456789ab"
COST = {"gflops": 2.0, "gigabytes": 0.01, "float32_format": "tf32"}


def summaries(measured, cost=None, **fields):
    return summary.by_cell([measured(seen={"cost": cost or {}}, **fields)])


def test_ceilings_are_of_the_setting_of_the_figures(measured):
    """The peak under a quota is none of what was measured without it; of several backends the highest counts."""
    here = measured().machine
    full = Peak(limits={"float32": {"value": 500.0}}, started="1", machine=here)
    better = Peak(limits={"float32": {"value": 600.0}}, started="0", machine=here, backend="jax")
    limited = Peak(limits={"float32": {"value": 900.0}}, started="2", machine=here | {"usable_cores": 0.5})

    assert peak.ceilings(summaries(measured), [full, better, limited]) == {(MACHINE, "cpu", "float32"): 600.0}


@pytest.mark.parametrize(("memory", "bound"), [(1.0, "memory"), (10.0, "compute")])
def test_position_is_utilisation_and_what_binds(measured, memory, bound):
    """8 images in 0.1 s at 2 GFLOPs are 160 GFLOP/s; 200 FLOPs a byte are few where the device computes 400."""
    (figure,) = summaries(measured, seconds=(0.1,) * 3, batch_size=8, cost=COST)
    known = {(MACHINE, "cpu", "tf32"): 400.0, (MACHINE, "cpu", "copy"): memory}

    assert peak.position(figure, known) == Position(
        gflops_per_second=pytest.approx(160), utilisation=pytest.approx(0.4), flops_per_byte=200.0, bound=bound
    )


def test_position_without_peak_or_cost_claims_nothing(measured):
    """FLOPs a second are known without a peak; nothing is where no layer was counted."""
    (counted,) = summaries(measured, cost=COST)
    (unknown,) = summaries(measured)

    assert (peak.position(counted, {}).utilisation, peak.position(counted, {}).bound) == (None, "")
    assert peak.position(unknown, {}) is None
