"""The sequential test: what it finds, what it leaves alone, and which clock decides."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, strategies
from scipy import stats

from bench.compare import sequential_test
from bench.compare.pair_result import CLOCKS, INSTRUCTIONS
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


OPPOSITE = {"slower": "faster", "faster": "slower"}


@given(
    effect=strategies.floats(-0.2, 0.2),
    noise=strategies.lists(strategies.floats(-0.05, 0.05), min_size=LOOKS[0], max_size=LOOKS[-1]),
    waiting=strategies.floats(-0.1, 0.1),
)
def test_follow_is_symmetric(effect, noise, waiting):
    """Swapped, base and candidate give the opposite word, by the same clock, and the inverse ratio."""
    values = {"wall": [effect + waiting + 2 * part for part in noise], "cpu": [effect + part for part in noise]}
    verdict, swapped = (
        sequential_test.follow({clock: [sign * value for value in values[clock]] for clock in values}, RULE)
        for sign in (1, -1)
    )

    if verdict is None or swapped is None:
        assert verdict is swapped
        return
    assert swapped.word == OPPOSITE.get(verdict.word, verdict.word)
    assert {swapped.word, verdict.word} <= set(sequential_test.WORDS)
    assert (swapped.clock, swapped.pairs) == (verdict.clock, verdict.pairs)
    assert swapped.ratio == pytest.approx(1 / verdict.ratio)


@given(ends=strategies.tuples(strategies.floats(-0.04, 0.04), strategies.floats(-0.04, 0.04)))
def test_is_inside_is_symmetric(ends):
    """An interval near the margin is inside, or not, whichever of the two sets is called the base."""
    low, high = sorted(ends)
    inner = (math.exp(low), math.exp(high))
    estimate = dataclasses.replace(sequential_test.estimate([0.0, 0.1]), inner=inner)

    assert estimate.is_inside(0.03) == (-math.log(1.03) < low and high < math.log(1.03))


@given(
    scale=strategies.floats(0.001, 1000),
    blocks=strategies.lists(strategies.tuples(*[strategies.floats(0.1, 10)] * 2), min_size=4, max_size=8),
)
def test_value_is_of_the_ratio_alone(paired, scale, blocks):
    """A machine of another speed changes no number of a pair, and swapping its processes the sign alone."""
    result = paired(blocks=len(blocks))

    def sample(seconds):
        return result.base_samples[0]._replace(steps=1, wall_seconds=seconds, cpu_seconds=seconds)

    def value(pairs):
        base, candidate = (tuple(map(sample, side)) for side in zip(*pairs, strict=True))
        made = dataclasses.replace(result, base_samples=base, candidate_samples=candidate)
        return [sequential_test.value(made, clock) for clock in ("wall", "cpu")]

    assert value([(scale * base, scale * candidate) for base, candidate in blocks]) == pytest.approx(value(blocks))
    assert value([pair[::-1] for pair in blocks]) == pytest.approx([-number for number in value(blocks)])


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
    assert estimate.inner == pytest.approx(np.exp(reference.confidence_interval(0.90)))
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

    assert estimate.p == 1
    assert estimate.high == pytest.approx(math.exp(stats.t.ppf(0.975, 4) * 0.001 * math.sqrt(2 / 3)))
    assert estimate.low == pytest.approx(1 / estimate.high)


def test_estimate_takes_agreement_for_no_certainty():
    """Pairs that agree to the last digit, as by a coarse clock, are not surely 0.01 % slower."""
    estimate = sequential_test.estimate([0.0001] * 4)

    assert estimate.p == pytest.approx(2 * stats.t.sf(0.2, 3))
    assert estimate.deviation == pytest.approx(0)
    assert sequential_test.look({"wall": [0.0001] * 4, "cpu": [0.0001] * 4}, RULE).word == "same"


def test_welch_pools_the_noise_of_processes():
    """The noise that is shown is that of a process, pooled over both sets."""
    base, candidate = [0.0, 0.1, 0.2], [0.0, 0.3, 0.6]
    expected = math.sqrt((np.var(base, ddof=1) + np.var(candidate, ddof=1)) / 2)

    assert sequential_test.welch(base, candidate).deviation == pytest.approx(expected)


def test_follow_asks_for_more_and_ends_inconclusive():
    """Before the last look there is no verdict; after it there is one that clears nobody."""
    values = {"wall": [0.2, -0.2] * 12, "cpu": [0.2, -0.2] * 12}

    assert sequential_test.follow({clock: numbers[:16] for clock, numbers in values.items()}, RULE) is None
    verdict = sequential_test.follow(values, RULE)
    assert (verdict.word, verdict.reason, verdict.pairs) == ("inconclusive", "undecided after 24 pairs", 24)
    assert verdict.word in sequential_test.WORDS


def test_follow_looks_when_it_says(request):
    """The looks, levels and margins are those that the method describes."""
    text = " ".join((request.config.rootpath / "docs" / "method.md").read_text("utf-8").split())

    assert "**Looks** after {}, {}, {}, {}, {} and {} pairs".format(*LOOKS) in text
    assert f"p < {sequential_test.LOOK_LEVEL}, " in text
    assert f"{100 * sequential_test.SINGLE_LOOK_LEVEL:.2f} % false alarms in all" in text
    assert [Rule.for_effect(effect).margin for effect in (0.02, 0.048, 0.05)] == pytest.approx([0.01, 0.024, 0.03])
    assert "±3 % (±1 % with `--min-effect 2%`; ±5 % on the wall" in text
    assert (RULE.margin, RULE.wall_margin, RULE.cells) == (0.03, 0.05, 1)
    assert (sequential_test.MIN_PROCESSES, sequential_test.TRIM) == (3, 0.25)
    assert sequential_test.WORDS == ("slower", "unproven", "inconclusive", "faster", "same")


@pytest.mark.parametrize(("count", "pairs"), [(3, None), (4, 4), (5, 4), (24, 4)])
def test_follow_decides_at_looks_alone(count, pairs):
    """A clear case ends at the first look, not before it, nor between two looks."""
    values = [0.30, 0.31, 0.29, 0.30, *[0.3] * 20][:count]
    verdict = sequential_test.follow({"wall": values, "cpu": values}, RULE)

    assert (verdict and verdict.pairs) == pairs


def test_follow_does_not_decide_between_looks():
    """What the fourth pair leaves open the fifth does not decide: another look comes after six."""
    values = [0.30, 0.31, 0.1, 0.30, 0.3]

    assert sequential_test.follow({"wall": values, "cpu": values}, RULE) is None


def estimated(ratio, *, p=0.5, low=None, high=None):
    """An estimate of a ratio, certain to 0.1 % unless an interval is given."""
    low, high = low or 0.999 * ratio, high or 1.001 * ratio
    return sequential_test.Estimate(ratio=ratio, low=low, high=high, deviation=0.01, p=p, inner=(low, high))


@pytest.mark.parametrize(
    ("wall", "decision"),
    [
        (estimated(0.99, low=0.9, high=1.2), ("slower", "cpu")),  # may be so
        (estimated(0.99, low=0.9, high=1.05), None),  # surely not slower by so much, and perhaps faster
        (estimated(1.02, low=0.98, high=1.05), ("slower", "cpu")),  # by less, but slower
        (estimated(0.9, p=1e-9), ("faster", "wall")),
        (estimated(1.2, p=1e-9), ("slower", "wall")),
    ],
)
def test_decide_asks_the_wall_clock(wall, decision):
    """CPU seconds that are surely 10 % more decide, unless the wall clock excludes it and points the other way."""
    assert sequential_test.decide({"wall": wall, "cpu": estimated(1.1, p=1e-9)}, RULE) == decision


def test_decide_gives_the_wall_clock_room_beside_cpu_seconds():
    """4 % more wall time is the same where CPU seconds are, too; alone it is not; 6 % never is."""
    alone = Rule(clocks=("wall",))
    wall, cpu = estimated(1.04), estimated(1.01)

    assert sequential_test.decide({"wall": wall, "cpu": cpu}, RULE) == ("same", "cpu+wall")
    assert sequential_test.decide({"wall": wall}, alone) is None
    assert sequential_test.decide({"wall": estimated(1.01)}, alone) == ("same", "wall")
    assert sequential_test.decide({"wall": estimated(1.06), "cpu": cpu}, RULE) is None
    assert sequential_test.decide({"wall": estimated(1.01), "cpu": wall}, RULE) is None
    wide = Rule(margin=0.06)
    assert sequential_test.decide({"wall": estimated(1.055), "cpu": cpu}, wide) == ("same", "cpu+wall")


def test_decide_gives_cpu_seconds_room_beside_instructions():
    """Where instructions are counted they see half a percent; CPU seconds need not, up to the usual margin."""
    rule = Rule.for_effect(0.005, clocks=(*CLOCKS, INSTRUCTIONS))

    def decide(cpu, instructions):
        estimates = {"wall": estimated(1.01), "cpu": estimated(cpu), INSTRUCTIONS: estimated(instructions)}
        return sequential_test.decide(estimates, rule)

    assert decide(1.02, 1.001) == ("same", "cpu+instructions+wall")
    assert decide(1.035, 1.001) is None
    assert decide(1.02, 1.005) is None
    assert sequential_test.decide({"wall": estimated(1.01), "cpu": estimated(1.02)}, Rule.for_effect(0.005)) is None


@pytest.mark.parametrize(
    ("wall", "cpu", "clocks", "word", "clock"),
    [
        (0.5, 0.5, CLOCKS, "same", "cpu+wall"),
        (0.0022, 0.5, CLOCKS, "unproven", "wall"),
        (0.5, 0.0022, CLOCKS, "unproven", "cpu"),
        (0.0023, 0.0023, CLOCKS, "same", "cpu+wall"),  # two clocks share the level of the single look
        (0.0044, 0.0, ("wall",), "unproven", "wall"),
        (0.0046, 0.0, ("wall",), "same", "wall"),
    ],
)
def test_control_says_which_clock_moved(monkeypatch, wall, cpu, clocks, word, clock):
    """The base against itself leans to a side, by either clock, or is the same however noisy it was."""
    monkeypatch.setattr(sequential_test, "estimate", lambda values: values[0])
    values = {"wall": [estimated(1.2, p=wall)] * 4, "cpu": [estimated(0.8, p=cpu)] * 4}
    verdict = sequential_test.control(values, Rule(clocks=clocks))

    assert (verdict.word, verdict.clock, verdict.pairs) == (word, clock, 4)
    assert verdict.estimates == {name: values[name][0] for name in clocks}
    figures = {"wall": "wall 1.200 [1.199,1.201]", "cpu": "cpu 0.800 [0.799,0.801]"}.get(clock)
    reason = f"the base against itself came out {figures}: something favours a side"
    assert verdict.reason == (reason if word == "unproven" else "")


def test_verdict_shows_the_clock_that_decided():
    """The ratio is that of the deciding clock; of both, or none, that of one of them."""
    estimates = {"wall": estimated(1.2), "cpu": estimated(1.1)}
    ratios = {
        clock: sequential_test.Verdict(word="same", clock=clock, estimates=estimates).ratio
        for clock in ("wall", "cpu", "cpu+wall", "")
    }

    assert ratios == {"wall": 1.2, "cpu": 1.1, "cpu+wall": 1.1, "": 1.2}
    assert sequential_test.Verdict(word="inconclusive", estimates={}).pairs == 0


def test_look_counts_pairs():
    """A verdict says how many pairs it rests on."""
    values = {"wall": [0.3, 0.31, 0.29, 0.3], "cpu": [0.3, 0.31, 0.29, 0.3]}

    assert sequential_test.look(values, RULE).pairs == 4
    assert sequential_test.partial(values, RULE, "interrupted").pairs == 4


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


def test_contention_is_of_shares_of_time(paired):
    """How much a block waited counts by its length: a block twice as long with the same share weighs the same."""
    result = contended(paired(), [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8])

    def longer(sample):
        return sample._replace(steps=2 * sample.steps, **{
            name: 2 * getattr(sample, name) for name in ("wall_seconds", "cpu_seconds", "delay_seconds")
        })  # fmt: skip

    samples = result.candidate_samples
    unequal = dataclasses.replace(result, candidate_samples=(*map(longer, samples[:3]), *samples[3:]))

    logs = [0.1 * number for number in (0, 9, 8, 0, 7, 9, 1, 8)]

    assert sequential_test.contention(unequal, logs) == pytest.approx(sequential_test.contention(result, logs))


def test_contention_needs_both_to_have_waited_more(paired):
    """Where one process never waited less than the other, what it cost is its own, also if some blocks are equal."""
    result = contended(paired(), [0.9, 0.1, 0.8, 0.1, 0.7, 0.9, 0.1, 0.8])
    swapped = dataclasses.replace(result, base_samples=result.candidate_samples, candidate_samples=result.base_samples)

    for pair in (result, swapped):
        logs = [math.log(candidate.cpu_seconds / base.cpu_seconds) for base, candidate in zip(
            pair.base_samples, pair.candidate_samples, strict=True
        )]  # fmt: skip
        assert sequential_test.contention(pair, logs) == [0.0] * 8


def test_value_takes_wall_time_as_it_was(paired):
    """Waiting is what the wall clock is there to see: nothing is taken off it."""
    result = contended(paired(1.1), [0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8])
    waited = tuple(
        sample._replace(wall_seconds=sample.wall_seconds + sample.delay_seconds) for sample in result.candidate_samples
    )
    result = dataclasses.replace(result, candidate_samples=waited)
    logs = sorted(math.log(1.1 * (1 + share)) for share in (0.0, 0.9, 0.8, 0.0, 0.7, 0.9, 0.05, 0.8))

    assert sequential_test.value(result, "wall") == pytest.approx(sum(logs[2:-2]) / 4)


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

    assert [verdict.word for verdict in sequential_test.holm([weak, clear, clear], rule)] == ["slower"] * 3
    assert [verdict.word for verdict in sequential_test.holm([weak, weak], rule)] == ["inconclusive", "inconclusive"]


def inconclusive(**estimates):
    return sequential_test.Verdict(word="inconclusive", estimates=estimates, reason="undecided")


def test_holm_says_how_a_word_came_about():
    """A cell that passes has the clock that passed and a reason; one that the wall clock contradicts does not pass."""
    rule = Rule(cells=2)
    strong = inconclusive(wall=estimated(0.8, p=1e-9), cpu=estimated(0.81, p=0.5))
    contradicted = inconclusive(wall=estimated(0.9), cpu=estimated(1.1, p=1e-9))
    same = sequential_test.Verdict(word="same", estimates={"wall": estimated(1.01, p=1e-9), "cpu": estimated(1.0)})
    faster, *others = sequential_test.holm([strong, contradicted, same], rule)

    assert (faster.word, faster.clock, faster.reason) == ("faster", "wall", "by Holm's later steps")
    assert others == [contradicted, same]


@pytest.mark.parametrize(("p", "word"), [(0.0002, "slower"), (0.0003, "inconclusive")])
def test_holm_shares_the_level_among_cells_and_clocks(p, word):
    """Of two cells with two clocks each the first to pass needs a quarter of the level."""
    weak = inconclusive(wall=estimated(1.04, p=p), cpu=estimated(1.04))

    assert sequential_test.holm([weak], Rule(cells=2))[0].word == word


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


def test_instructions_find_half_a_percent_where_seconds_cannot():
    """Counts that scatter by 0.05 % find 0.5 % more work in 8 pairs, and nothing where nothing is."""
    rule = Rule.for_effect(0.005, clocks=(*CLOCKS, INSTRUCTIONS))
    dice = np.random.default_rng(7)

    def verdict(effect):
        noise = {"wall": 0.05, "cpu": 0.03, INSTRUCTIONS: 0.0005}
        values = {clock: list(dice.normal(effect, scatter, 8)) for clock, scatter in noise.items()}
        return sequential_test.follow(values, rule)

    found = [verdict(math.log(1.005)) for _ in range(50)]
    assert sum(same is not None and (same.word, same.clock) == ("slower", INSTRUCTIONS) for same in found) >= 45
    assert all(same is None or same.word == "same" for same in (verdict(0.0) for _ in range(50)))
