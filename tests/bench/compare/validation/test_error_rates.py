"""How often the rule is right, on pair results whose truth is known."""

from dataclasses import replace

import pytest

from bench.compare.validation.error_rates import interval, validate
from flowers_core.errors import InputError

WORK = ("compute", 0.05)


def rates_of(pairs, **options):
    validation = validate(pairs, **{"comparisons": 100, **options})
    return {(rates.kind, rates.share, rates.min_effect): rates for rates in validation.cells}


def hit_share(rates, verdicts):
    hits, total = rates.hits(verdicts)
    return hits / total


@pytest.fixture(scope="module")
def slower(recorded):
    """5 % more work at 1 % noise, by the rule for 5 %."""
    return rates_of(recorded(60, wall=1.05, cpu=1.05, injection=WORK))["compute", 0.05, 0.05]


def test_false_alarms_are_rare(recorded):
    """Of comparisons drawn from identical pairs at most 1 % are alarms, by either rule."""
    rates = rates_of(recorded(120), comparisons=200)

    assert set(rates) == {("none", 0.0, 0.05), ("none", 0.0, 0.02)}
    assert all(hit_share(either, either.verdicts) <= 0.01 for either in rates.values())


def test_five_percent_is_found(slower):
    """5 % more work is found in at least 99 % of comparisons, and its size is estimated."""
    assert hit_share(slower, slower.verdicts) >= 0.99
    assert hit_share(slower, slower.consecutive) == 1
    assert slower.effects["cpu"].low < 1.05 < slower.effects["cpu"].high
    assert slower.effects["wall"].deviation == pytest.approx(0.014, abs=0.004)


def test_two_percent_needs_the_finer_rule(recorded):
    """2 % more work is decided by both rules, and the finer one finds it more often."""
    rates = rates_of(recorded(60, wall=1.02, cpu=1.02, injection=("compute", 0.02)))
    coarse, fine = rates["compute", 0.02, 0.05], rates["compute", 0.02, 0.02]

    assert hit_share(coarse, coarse.verdicts) < hit_share(fine, fine.verdicts)
    assert hit_share(fine, fine.verdicts) >= 0.9


def test_waiting_is_found_by_the_wall_clock(recorded):
    """15 % of waiting, which no CPU second shows, is found."""
    rates = rates_of(recorded(60, wall=1.15, processes=0.02, injection=("sleep", 0.15)))["sleep", 0.15, 0.05]

    assert hit_share(rates, rates.verdicts) >= 0.9


def test_other_tests_decide_the_same_comparisons(recorded, slower):
    """Where we raise no alarm the pooled test raises many, and asv misses 5 %."""
    nothing = rates_of(recorded(120, processes=0.03))["none", 0.0, 0.05]

    assert hit_share(nothing, nothing.verdicts) <= 0.02
    assert hit_share(nothing, nothing.other_tests["mann_whitney"]) > 0.2
    assert hit_share(slower, slower.other_tests["asv"]) < 0.05
    assert {sum(verdicts.values()) for verdicts in slower.other_tests.values()} == {100}


def test_figures_are_reproducible(recorded):
    """Figures depend on pairs and seed alone, and not on what else is in the store."""
    pairs, more = recorded(48), recorded(30, wall=1.05, cpu=1.05, injection=WORK)
    options = {"comparisons": 5}
    first = validate(pairs, **options)

    assert validate(pairs, **options) == first
    assert validate([*more, *pairs], **options).cells[:2] == first.cells
    assert validate(pairs, **options, seed=2) != first


def test_few_pairs_are_no_figures(recorded):
    """3 pairs are n/a, and fewer than a whole comparison needs are doubtful."""
    none, few = rates_of(recorded(3)), rates_of(recorded(23))

    assert all(rates.warning == "n/a: 3 of at least 4 pairs" and not rates.verdicts for rates in none.values())
    assert all(rates.warning.startswith("23 pairs") and rates.verdicts for rates in few.values())
    assert validate(recorded(3)).overall == ()


def test_store_without_results_is_refused(recorded):
    """A store without a good pair result is a mistake of the user's."""
    for pairs in ([], [replace(recorded(1)[0], status="error")]):
        with pytest.raises(InputError, match="no pair results"):
            validate(pairs)


def test_overall_adds_up_cells(recorded):
    """All cells together count as many comparisons of each, and loads are separate."""
    pairs = [*recorded(24), *recorded(24, cell="convnet-train"), *recorded(24, load="0.5 core")]

    validation = validate(pairs, comparisons=10)

    assert [
        (rates.load, rates.cell, rates.min_effect, sum(rates.verdicts.values()), rates.results)
        for rates in validation.overall
    ] == [
        ("", "", 0.05, 20, 48),
        ("", "", 0.02, 20, 48),
        ("0.5 core", "", 0.05, 10, 24),
        ("0.5 core", "", 0.02, 10, 24),
    ]


def test_minutes_are_those_of_a_pair_alone(recorded):
    """Minutes are those of the pair's first result, which includes the start of the processes."""
    first = recorded(24)
    later = [replace(pair, seconds=5.0) for pair in recorded(24, wall=1.2, cpu=1.2, injection=WORK)]

    rates = rates_of([result for both in zip(first, later, strict=True) for result in both])

    assert rates["compute", 0.05, 0.05].spent == {"pairs": (4, 4), "minutes": pytest.approx((0.8, 0.8))}


def test_other_machines_and_versions_are_left_out(recorded):
    """Pair results of another machine or harness version, and pairs that died, are counted and left out."""
    usual = recorded(24)
    strange = [
        replace(usual[0], machine={"id": "m2"}),
        replace(usual[0], harness_version="0"),
        replace(usual[0], status="error"),
    ]

    validation = validate([*strange, *usual], comparisons=5)

    assert (len(validation.pairs), validation.left_out, validation.died) == (24, 2, 1)


def test_old_recordings_are_used(recorded):
    """Comparisons of older stores have another name."""
    assert len(validate(recorded(24, comparison="proof-20261124T1"), comparisons=5).cells) == 2


def test_interval_is_exact():
    """No alarm in 40 leaves room for 8.8 %, as the exact binomial interval says."""
    assert interval(0, 40) == pytest.approx((0, 0.0881), abs=1e-4)
