"""Ratios and their intervals; figures worked out by scipy or by hand."""

from math import exp, inf, log, sqrt

import pytest
from scipy import stats

from bench.compare import ratios

NOTHING = ratios.noise([])


def test_one_session_is_welchs_test():
    """Within one session the interval and the chance are those of Welch's t-test on logs."""
    base, candidate = [1.0, 1.1, 0.95, 1.02], [1.2, 1.3, 1.18]
    found = ratios.ratio({"a": base}, {"a": candidate}, NOTHING)
    known = stats.ttest_ind([log(each) for each in candidate], [log(each) for each in base], equal_var=False)
    interval = known.confidence_interval(0.95)

    assert found.chance() == pytest.approx(known.pvalue)
    assert found.interval() == pytest.approx((exp(interval.low), exp(interval.high)))
    assert not found.apart


def test_sessions_apart_add_their_drift():
    """Two sessions add the stated drift once for each; what is stated loses no degrees of freedom."""
    values = [1.0, 1.001, 0.999]
    together, apart = (ratios.ratio({"a": values}, {name: values}, NOTHING) for name in "ab")

    assert apart.error**2 - together.error**2 == pytest.approx(2 * ratios.SESSION_SD**2)
    assert apart.freedom > 1e4 > together.freedom
    assert apart.apart


def test_more_sessions_halve_the_drift():
    """Two sessions a side leave half of the variance that one leaves."""
    one = ratios.ratio({"a": [1.0]}, {"b": [1.0]}, NOTHING)
    two = ratios.ratio({"a": [1.0], "b": [1.0]}, {"c": [1.0], "d": [1.0]}, NOTHING)

    assert two.error == pytest.approx(one.error / sqrt(2))


def test_one_process_has_the_stated_noise():
    """One process a side in one session has the stated noise of processes, and no less."""
    assert ratios.ratio({"a": [1.0]}, {"a": [1.0]}, NOTHING).error == pytest.approx(sqrt(2) * ratios.PROCESS_SD)


def test_noise_is_learnt():
    """What many sessions and processes show replaces what is stated."""
    quiet = {str(number): [1.0, 1.001] for number in range(40)}
    found = ratios.noise([(quiet, {"x": [1.0]})])

    assert found.session_freedom == 39
    assert found.session_sd == pytest.approx(ratios.SESSION_SD * sqrt(2 / 41), rel=0.01)
    assert sum(size for size, _ in found.process) < ratios.PROCESS_SD**2 / 5


def test_cells_share_their_sessions():
    """A second cell in the same sessions gives no more freedom; sessions that both sides share count once."""
    cell = ({"a": [1.0], "b": [1.1]}, {"a": [1.0], "b": [1.2]})

    assert ratios.noise([cell, cell]).session_freedom == 1


def test_agreement_is_not_certainty():
    """Processes that agree to the last digit still have an error."""
    found = ratios.ratio({"a": [1.0, 1.0]}, {"a": [1.0, 1.0]}, NOTHING)

    assert found.error > 0
    assert found.chance() == 1


def test_the_same_lies_inside_the_margin():
    """Only an interval that lies wholly inside the margin is the same."""
    narrow = ratios.Ratio(log=0.01, error=0.005, freedom=inf, apart=False)
    wide = ratios.Ratio(log=0.0, error=0.05, freedom=inf, apart=False)

    assert narrow.is_same(0.03)
    assert not narrow.is_same(0.01)
    assert not wide.is_same(0.03)


@pytest.mark.parametrize(
    ("chances", "sure"),
    [
        ([], []),
        ([0.009], [True]),
        ([0.009, 0.004], [True, True]),
        ([0.009, 0.006], [False, False]),
        ([0.5, 0.001, 0.006], [False, True, False]),
    ],
)
def test_holm(chances, sure):
    """The smallest chance is held against the level over all, the next against the level over the rest."""
    assert ratios.holm(chances, 0.01) == sure
