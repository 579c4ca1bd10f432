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


def drawn(seed, *, effect=0.0, wall=0.02, cpu=0.01, count=LOOKS[-1], waiting=0.0):
    """Values of units: logarithms with noise of the given standard deviations."""
    dice = np.random.default_rng(seed)
    return {
        "wall": list(effect + waiting + wall * dice.standard_normal(count)),
        "cpu": list(effect + cpu * dice.standard_normal(count)),
    }


def words(count, rule=RULE, **how):
    return [sequential_test.follow(drawn(seed, **how), rule) for seed in range(count)]


def test_identical_code_is_hardly_ever_called_different():
    """Of 1,000 comparisons of nothing at most 1 % are alarms, also when the wall clock is very noisy."""
    for wall in (0.02, 0.07):
        found = words(1000, wall=wall)

        assert sum(one.word in ("slower", "faster") for one in found) <= 10


def test_identical_code_is_the_same_on_a_quiet_machine():
    """With the noise that was measured on a quiet machine nearly all comparisons of nothing end as `same`, early."""
    found = words(200)

    assert sum(one.word == "same" for one in found) >= 195
    assert np.median([one.pairs for one in found]) <= 6


@pytest.mark.parametrize(("effect", "sign"), [(0.05, "slower"), (-0.05, "faster")])
def test_five_percent_are_found(effect, sign):
    """99 of 100 slowdowns and gains of 5 % are found, at 1 % noise of CPU seconds, whatever the wall clock says."""
    found = words(200, effect=effect, wall=0.06)

    assert sum(one.word == sign for one in found) >= 198


def test_two_percent_are_found_by_the_rule_for_it():
    """The margin of 1 % keeps a slowdown of 2 % from being called the same."""
    found = words(200, Rule.for_effect(0.02), effect=math.log(1.02))

    assert sum(one.word == "slower" for one in found) >= 180
    assert not any(one.word == "same" for one in found)


def test_waiting_is_found_by_the_wall_clock():
    """What costs time and no CPU seconds is slower, by the wall clock."""
    found = words(100, waiting=math.log(1.15), wall=0.04)

    assert sum((one.word, one.clock) == ("slower", "wall") for one in found) >= 98


def test_more_work_in_less_time_is_faster():
    """Where parallel code costs more CPU seconds and less time, the wall clock decides."""
    values = drawn(0, effect=0.10, waiting=-0.60)

    assert (sequential_test.follow(values, RULE).word, sequential_test.follow(values, RULE).clock) == ("faster", "wall")


def test_a_clock_that_is_contradicted_does_not_decide():
    """CPU seconds that grew do not alarm while the wall clock says that it went faster, but not yet surely."""
    dice = np.random.default_rng(1)
    values = {"wall": list(-0.10 + 0.03 * dice.standard_normal(4)), "cpu": list(0.10 + 0.001 * dice.standard_normal(4))}
    found = sequential_test.look(values, RULE)

    assert found is None or found.word == "faster"


def test_the_accelerator_is_judged_by_the_wall_clock():
    """With one clock, CPU seconds are not asked."""
    rule = Rule(clocks=("wall",))
    values = {"wall": drawn(0)["wall"]}

    assert sequential_test.follow(values, rule).clock == "wall"
    assert rule.level == 2 * RULE.level


def test_one_side_on_an_accelerator_is_enough():
    """CPU seconds decide only where both sides work on the CPU: else a GPU would be faster for using none of them."""
    cells = [Cell(model="dense", device=device) for device in ("cpu", "gpu")]

    assert sequential_test.clocks(cells[:1]) == ("wall", "cpu")
    assert sequential_test.clocks(cells) == ("wall",)


def test_the_estimate_is_the_textbooks():
    """Ratio, p and interval are those of the t test on logarithms."""
    values = drawn(3, effect=0.01, count=8)["cpu"]
    one = sequential_test.estimate(values)
    reference = stats.ttest_1samp(values, 0)
    low, high = reference.confidence_interval(0.95)

    assert one.p == pytest.approx(reference.pvalue)
    assert (one.ratio, one.low, one.high) == pytest.approx(tuple(map(math.exp, (np.mean(values), low, high))))
    assert one.deviation == pytest.approx(np.std(values, ddof=1))


def test_undecided_is_asked_for_more_and_in_the_end_inconclusive():
    """Before the last look there is no verdict; after it there is one that clears nobody."""
    values = {"wall": [0.2, -0.2] * 12, "cpu": [0.2, -0.2] * 12}

    assert sequential_test.follow({clock: some[:16] for clock, some in values.items()}, RULE) is None
    assert sequential_test.follow(values, RULE).word == "inconclusive"


def test_disturbed_turns_do_not_count(paired):
    """A unit's value is its middle: two turns of eight that another process stole change nothing."""
    one = paired(1.05)
    stolen = one.candidate_samples[0]._replace(wall_seconds=9.0)
    disturbed = dataclasses.replace(one, candidate_samples=(stolen, stolen, *one.candidate_samples[2:]))

    assert sequential_test.value(disturbed, "wall") == pytest.approx(math.log(1.05))


def contended(one, delays, *, effect=0.0, cost=0.2):
    """A unit whose candidate waited for cores for these shares of its turns, and paid for it in CPU seconds."""
    samples = tuple(
        sample._replace(
            cpu_seconds=sample.cpu_seconds * math.exp(effect + cost * share), delay_seconds=share * sample.wall_seconds
        )
        for sample, share in zip(one.candidate_samples, delays, strict=True)
    )
    base = tuple(sample._replace(delay_seconds=0.1 * sample.wall_seconds) for sample in one.base_samples)
    return dataclasses.replace(one, base_samples=base, candidate_samples=samples)


def test_what_others_cost_is_taken_off_cpu_seconds(paired):
    """A foreign load that fell on the candidate's turns more than on the base's does not make it slower."""
    fell = [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8]

    assert sequential_test.value(contended(paired(), fell), "cpu") == pytest.approx(
        0.02, abs=0.001
    )  # of the base's own 10 %
    assert sequential_test.value(contended(paired(), fell, effect=0.05), "cpu") == pytest.approx(0.07, abs=0.001)


def test_who_always_waits_more_is_not_excused(paired):
    """A candidate that makes its own threads wait keeps what that costs."""
    own = [0.5, 0.9, 0.8, 0.6, 0.7, 0.9, 0.55, 0.8]

    assert sequential_test.value(contended(paired(), own), "cpu") > 0.1


def test_wall_time_is_as_it_was(paired):
    """Waiting is what the wall clock is there to see: nothing is taken off it."""
    one = contended(paired(1.1), [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8])

    assert sequential_test.value(one, "wall") == pytest.approx(math.log(1.1))


def test_many_cells_share_the_level():
    """With twenty cells identical code still raises at most 1 % alarms in all."""
    rule = Rule(cells=20)
    alarms = 0
    for seed in range(40):
        cells = [sequential_test.follow(drawn(1000 * seed + cell), rule) for cell in range(20)]
        alarms += any(one.word in ("slower", "faster") for one in sequential_test.holm(cells, rule))

    assert alarms <= 2


def test_holm_gives_later_cells_an_easier_level():
    """A cell that the first step leaves inconclusive passes once clearer cells are set aside; none loses a verdict."""
    rule = Rule(cells=2, clocks=("wall",))
    clear = sequential_test.follow({"wall": [0.5 + 0.001 * (number % 2) for number in range(24)]}, rule)
    estimate = dataclasses.replace(clear.estimates["wall"], p=0.0007, ratio=1.04)
    weak = sequential_test.Verdict(word="inconclusive", pairs=24, estimates={"wall": estimate}, reason="undecided")

    assert [one.word for one in sequential_test.holm([weak, clear], rule)] == ["slower", "slower"]
    assert [one.word for one in sequential_test.holm([weak, weak], rule)] == ["inconclusive", "inconclusive"]


def test_two_units_are_too_few_for_a_verdict_but_say_something(paired):
    """An interrupted comparison is inconclusive, with the ratio so far; one unit gives no interval at all."""
    values = [sequential_test.value(paired(1.1), "wall"), sequential_test.value(paired(1.12), "wall")]
    some = sequential_test.partial({"wall": values, "cpu": values}, RULE, "interrupted")
    one = sequential_test.partial({"wall": values[:1], "cpu": values[:1]}, RULE, "interrupted")

    assert (some.word, some.reason) == ("inconclusive", "interrupted")
    assert some.ratio == pytest.approx(1.11, rel=0.01)
    assert (one.estimates, one.ratio) == ({}, None)


def test_step_seconds_are_those_of_a_step(paired):
    """A block of several steps says what one of them took, on either clock."""
    result = paired(1.5, 1.0, base_seconds=0.1, blocks=2)

    assert result.step_seconds("base", "wall") == pytest.approx([0.1, 0.1])
    assert result.step_seconds("candidate", "wall") == pytest.approx([0.15, 0.15])
    assert result.step_seconds("candidate", "cpu") == pytest.approx([0.15, 0.15])
