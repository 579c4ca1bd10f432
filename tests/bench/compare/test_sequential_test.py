"""The sequential test: what it finds, what it leaves alone, and which clock decides."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from bench.compare import sequential_test
from bench.compare.sequential_test import LOOKS, Rule
from bench.results.cell import Cell

RULE = Rule()


def made_up(seed, *, effect=0.0, wall=0.02, cpu=0.01, count=LOOKS[-1], waiting=0.0):
    """Values of pairs: logarithms with noise of the given standard deviations."""
    dice = np.random.default_rng(seed)
    return {
        "wall": list(effect + waiting + wall * dice.standard_normal(count)),
        "cpu": list(effect + cpu * dice.standard_normal(count)),
    }


def follow_many(count, rule=RULE, **how):
    return [sequential_test.follow(made_up(seed, **how), rule) for seed in range(count)]


def test_follow_hardly_ever_calls_identical_code_different():
    """Of 1,000 comparisons of nothing at most 1 % are alarms, also when the wall clock is very noisy."""
    for wall in (0.02, 0.07):
        verdicts = follow_many(1000, wall=wall)

        assert sum(verdict.word in ("slower", "faster") for verdict in verdicts) <= 10


def test_follow_calls_identical_code_the_same():
    """With the noise that was measured on a quiet machine nearly all comparisons of nothing end as `same`, early."""
    verdicts = follow_many(200)

    assert sum(verdict.word == "same" for verdict in verdicts) >= 195
    assert np.median([verdict.pairs for verdict in verdicts]) <= 6


@pytest.mark.parametrize(("effect", "sign"), [(0.05, "slower"), (-0.05, "faster")])
def test_follow_finds_five_percent(effect, sign):
    """99 of 100 slowdowns and gains of 5 % are found, at 1 % noise of CPU seconds, whatever the wall clock says."""
    verdicts = follow_many(200, effect=effect, wall=0.06)

    assert sum(verdict.word == sign for verdict in verdicts) >= 198


def test_for_effect_finds_two_percent():
    """The margin of 1 % keeps a slowdown of 2 % from being called the same."""
    verdicts = follow_many(200, Rule.for_effect(0.02), effect=math.log(1.02))

    assert sum(verdict.word == "slower" for verdict in verdicts) >= 180
    assert not any(verdict.word == "same" for verdict in verdicts)


def test_follow_finds_waiting_by_the_wall_clock():
    """What costs time and no CPU seconds is slower, by the wall clock."""
    verdicts = follow_many(100, waiting=math.log(1.15), wall=0.04)

    assert sum((verdict.word, verdict.clock) == ("slower", "wall") for verdict in verdicts) >= 98


def test_follow_calls_more_work_in_less_time_faster():
    """Where parallel code costs more CPU seconds and less time, the wall clock decides."""
    values = made_up(0, effect=0.10, waiting=-0.60)

    assert (sequential_test.follow(values, RULE).word, sequential_test.follow(values, RULE).clock) == ("faster", "wall")


def test_look_lets_no_contradicted_clock_decide():
    """CPU seconds that grew do not alarm while the wall clock says that it went faster, but not yet surely."""
    dice = np.random.default_rng(1)
    values = {"wall": list(-0.10 + 0.03 * dice.standard_normal(4)), "cpu": list(0.10 + 0.001 * dice.standard_normal(4))}
    verdict = sequential_test.look(values, RULE)

    assert verdict is None or verdict.word == "faster"


def test_follow_takes_the_wall_clock_alone():
    """With one clock, CPU seconds are not asked."""
    rule = Rule(clocks=("wall",))
    values = {"wall": made_up(0)["wall"]}

    assert sequential_test.follow(values, rule).clock == "wall"
    assert rule.level == 2 * RULE.level


def test_clocks_leave_out_cpu_seconds_beside_an_accelerator():
    """CPU seconds decide only where both variants run on it: else a GPU would be faster for using none of them."""
    cells = [Cell(model="dense", device=device) for device in ("cpu", "gpu")]

    assert sequential_test.clocks(cells[:1]) == ("wall", "cpu")
    assert sequential_test.clocks(cells) == ("wall",)


def test_estimate_is_the_textbooks():
    """Ratio, p and interval are those of the t-test on logarithms."""
    values = made_up(3, effect=0.01, count=8)["cpu"]
    estimate = sequential_test.estimate(values)
    reference = stats.ttest_1samp(values, 0)
    low, high = reference.confidence_interval(0.95)

    assert estimate.p == pytest.approx(reference.pvalue)
    assert (estimate.ratio, estimate.low, estimate.high) == pytest.approx(np.exp((np.mean(values), low, high)))
    assert estimate.deviation == pytest.approx(np.std(values, ddof=1))


def test_welch_is_the_textbooks():
    """Between two sets interval and p are those of Welch's t-test; a known variance beside it widens them."""
    base, candidate = np.log([1.0, 1.1, 0.95, 1.02]), np.log([1.2, 1.3, 1.18])
    estimate = sequential_test.welch(base, candidate)
    reference = stats.ttest_ind(candidate, base, equal_var=False)
    drifting = sequential_test.welch(base, base, extra_variance=0.07**2)

    assert estimate.p == pytest.approx(reference.pvalue)
    assert (estimate.low, estimate.high) == pytest.approx(np.exp(reference.confidence_interval(0.95)))
    assert drifting.high > math.exp(1.96 * 0.07)


def test_welch_takes_agreement_for_no_certainty():
    """Processes that agree to the last digit still have an interval."""
    estimate = sequential_test.welch([0.0] * 3, [0.0] * 3)

    assert estimate.low < 1 < estimate.high
    assert estimate.p == 1


def test_follow_asks_for_more_and_ends_inconclusive():
    """Before the last look there is no verdict; after it there is one that clears nobody."""
    values = {"wall": [0.2, -0.2] * 12, "cpu": [0.2, -0.2] * 12}

    assert sequential_test.follow({clock: numbers[:16] for clock, numbers in values.items()}, RULE) is None
    assert sequential_test.follow(values, RULE).word == "inconclusive"


def test_value_leaves_out_disturbed_blocks(paired):
    """The value of a pair is its middle: two blocks of eight that another process disturbed change nothing."""
    result = paired(1.05)
    slow = result.candidate_samples[0]._replace(wall_seconds=9.0)
    disturbed = dataclasses.replace(result, candidate_samples=(slow, slow, *result.candidate_samples[2:]))

    assert sequential_test.value(disturbed, "wall") == pytest.approx(math.log(1.05))


def contended(result, delays, *, effect=0.0, cost=0.2):
    """A pair whose candidate waited for cores for these shares of its blocks, and paid for it in CPU seconds."""
    samples = tuple(
        sample._replace(
            cpu_seconds=sample.cpu_seconds * math.exp(effect + cost * share), delay_seconds=share * sample.wall_seconds
        )
        for sample, share in zip(result.candidate_samples, delays, strict=True)
    )
    base = tuple(sample._replace(delay_seconds=0.1 * sample.wall_seconds) for sample in result.base_samples)
    return dataclasses.replace(result, base_samples=base, candidate_samples=samples)


def test_contention_takes_off_what_others_cost(paired):
    """A foreign load that fell on the candidate's blocks more than on the base's does not make it slower."""
    fell = [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8]

    assert sequential_test.value(contended(paired(), fell), "cpu") == pytest.approx(
        0.02, abs=0.001
    )  # of the base's own 10 %
    assert sequential_test.value(contended(paired(), fell, effect=0.05), "cpu") == pytest.approx(0.07, abs=0.001)


def test_contention_keeps_own_waiting(paired):
    """A candidate that makes its own threads wait keeps what that costs."""
    own = [0.5, 0.9, 0.8, 0.6, 0.7, 0.9, 0.55, 0.8]

    assert sequential_test.value(contended(paired(), own), "cpu") > 0.1


def test_value_takes_wall_time_as_it_was(paired):
    """Waiting is what the wall clock is there to see: nothing is taken off it."""
    result = contended(paired(1.1), [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8])

    assert sequential_test.value(result, "wall") == pytest.approx(math.log(1.1))


def test_holm_keeps_many_cells_from_alarming():
    """With twenty cells identical code still raises at most 1 % alarms in all."""
    rule = Rule(cells=20)
    alarms = 0
    for seed in range(40):
        cells = [sequential_test.follow(made_up(1000 * seed + cell), rule) for cell in range(20)]
        alarms += any(verdict.word in ("slower", "faster") for verdict in sequential_test.holm(cells, rule))

    assert alarms <= 2


def test_holm_gives_later_cells_an_easier_level():
    """A cell that the first step leaves inconclusive passes once clearer cells are set aside; none loses a verdict."""
    rule = Rule(cells=2, clocks=("wall",))
    clear = sequential_test.follow({"wall": [0.5 + 0.001 * (number % 2) for number in range(24)]}, rule)
    estimate = dataclasses.replace(clear.estimates["wall"], p=0.0007, ratio=1.04)
    weak = sequential_test.Verdict(word="inconclusive", pairs=24, estimates={"wall": estimate}, reason="undecided")

    assert [verdict.word for verdict in sequential_test.holm([weak, clear], rule)] == ["slower", "slower"]
    assert [verdict.word for verdict in sequential_test.holm([weak, weak], rule)] == ["inconclusive", "inconclusive"]


def test_partial_gives_the_ratio_so_far(paired):
    """An interrupted comparison is inconclusive, with the ratio so far; one pair gives no interval at all."""
    values = [sequential_test.value(paired(1.1), "wall"), sequential_test.value(paired(1.12), "wall")]
    two = sequential_test.partial({"wall": values, "cpu": values}, RULE, "interrupted")
    single = sequential_test.partial({"wall": values[:1], "cpu": values[:1]}, RULE, "interrupted")

    assert (two.word, two.reason) == ("inconclusive", "interrupted")
    assert two.ratio == pytest.approx(1.11, rel=0.01)
    assert (single.estimates, single.ratio) == ({}, None)


def test_step_seconds_are_those_of_a_step(paired):
    """A block of several steps says what one of them took, on either clock."""
    result = paired(1.5, 1.0, base_seconds=0.1, blocks=2)

    assert result.step_seconds("base", "wall") == pytest.approx([0.1, 0.1])
    assert result.step_seconds("candidate", "wall") == pytest.approx([0.15, 0.15])
    assert result.step_seconds("candidate", "cpu") == pytest.approx([0.15, 0.15])
