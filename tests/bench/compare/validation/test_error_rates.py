"""How often the rule is right, on units whose truth is known."""

from dataclasses import replace

import pytest

from bench.compare.validation import error_rates
from bench.compare.validation.error_rates import interval, prove
from flowers_core.errors import InputError

WORK = ("compute", 0.05)


def rows(units, **how):
    return {(row.kind, row.share, row.find): row for row in prove(units, **{"comparisons": 200, "sets": 0, **how}).rows}


def part(row, words):
    hits, of = row.hit(words)
    return hits / of


def test_nothing_planted_is_rarely_an_alarm(recorded):
    """Of comparisons drawn from identical pairs at most 1 % are alarms, by either rule."""
    found = rows(recorded(120))

    assert set(found) == {("none", 0.0, 0.05), ("none", 0.0, 0.02)}
    assert all(part(row, row.words) <= 0.01 for row in found.values())


def test_five_percent_is_found(recorded):
    """5 % more work is found in at least 99 % of comparisons at 1 % noise, and its size is told."""
    row = rows(recorded(60, wall=1.05, cpu=1.05, plant=WORK))["compute", 0.05, 0.05]

    assert part(row, row.words) >= 0.99
    assert part(row, row.apart) == 1
    assert row.effects["cpu"].low < 1.05 < row.effects["cpu"].high
    assert row.effects["wall"].deviation == pytest.approx(0.014, abs=0.004)


def test_two_percent_needs_the_finer_rule(recorded):
    """2 % more work is judged by both rules, and the finer one finds it more often."""
    found = rows(recorded(60, wall=1.02, cpu=1.02, plant=("compute", 0.02)))
    coarse, fine = found["compute", 0.02, 0.05], found["compute", 0.02, 0.02]

    assert part(coarse, coarse.words) < part(fine, fine.words)
    assert part(fine, fine.words) >= 0.9


def test_waiting_is_found_by_the_wall_clock(recorded):
    """15 % of waiting, which no CPU second shows, is found."""
    row = rows(recorded(60, wall=1.15, processes=0.02, plant=("sleep", 0.15)))["sleep", 0.15, 0.05]

    assert part(row, row.words) >= 0.9


def test_rivals_judge_the_same_comparisons(recorded):
    """Beside no alarm of ours the pooled test has many, and asv misses 5 %."""
    nothing = rows(recorded(120, processes=0.03))["none", 0.0, 0.05]
    slower = rows(recorded(60, wall=1.05, cpu=1.05, plant=WORK))["compute", 0.05, 0.05]

    assert part(nothing, nothing.words) <= 0.02
    assert part(nothing, nothing.rivals["mann_whitney"]) > 0.2
    assert part(slower, slower.rivals["asv"]) < 0.05
    assert {sum(words.values()) for words in slower.rivals.values()} == {200}


def test_the_same_figures_come_again(recorded):
    """Figures depend on units and seed alone, and not on what else is in the store."""
    units, more = recorded(48), recorded(30, wall=1.05, cpu=1.05, plant=WORK)

    first = prove(units, comparisons=20, sets=3)

    assert prove(units, comparisons=20, sets=3) == first
    assert prove([*more, *units], comparisons=20, sets=3).rows[:2] == first.rows
    assert prove(units, comparisons=20, sets=3, seed=2) != first


def test_few_units_are_no_figures(recorded):
    """3 units are n/a, and fewer than a whole comparison needs are doubtful."""
    bare, few = rows(recorded(3)), rows(recorded(23))

    assert all(row.warning == "n/a: 3 of at least 4 units" and not row.words for row in bare.values())
    assert all(row.warning.startswith("23 units") and row.words for row in few.values())
    assert prove(recorded(3)).together == ()


def test_nothing_to_judge_by(recorded):
    """A store without a whole unit is refused."""
    for units in ([], [replace(recorded(1)[0], status="error")]):
        with pytest.raises(InputError, match="no units"):
            prove(units)


def test_cells_are_added_up(recorded):
    """All cells together count as many comparisons of each, and loads stand apart."""
    units = [*recorded(24), *recorded(24, cell="convnet-train"), *recorded(24, load="0.5 core")]

    proof = prove(units, comparisons=10, sets=0)

    assert [(row.load, row.cell, row.find, sum(row.words.values()), row.units) for row in proof.together] == [
        ("", "", 0.05, 20, 48),
        ("", "", 0.02, 20, 48),
        ("0.5 core", "", 0.05, 10, 24),
        ("0.5 core", "", 0.02, 10, 24),
    ]


def test_a_unit_takes_what_a_pair_alone_would(recorded):
    """Minutes are those of the pair's first unit, which holds the start of the processes."""
    first = recorded(24)
    later = [replace(unit, seconds=5.0) for unit in recorded(24, wall=1.2, cpu=1.2, plant=WORK)]

    found = rows([unit for pair in zip(first, later, strict=True) for unit in pair])

    assert found["compute", 0.05, 0.05].spent == {"units": (4, 4), "minutes": pytest.approx((0.8, 0.8))}


def test_one_machine_and_one_ruler(recorded):
    """Units of another machine or ruler, and pairs that died, are counted and left out."""
    usual = recorded(24)
    strange = [replace(usual[0], machine={"id": "m2"}), replace(usual[0], ruler="0"), replace(usual[0], status="error")]

    proof = prove([*strange, *usual], comparisons=5, sets=0)

    assert (len(proof.units), proof.left_out, proof.died) == (24, 2, 1)


def test_intervals_are_exact():
    """No alarm in 40 leaves room for 8.8 %, as the exact binomial interval says."""
    assert interval(0, 40) == pytest.approx((0, 0.0881), abs=1e-4)


def test_quantiles():
    """The 95th percentile of a hundred values is the 96th in order, and the last of one is that one."""
    assert error_rates.quantile(range(100), 0.95) == 95
    assert error_rates.quantile([7], 0.95) == 7
