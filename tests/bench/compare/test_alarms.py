"""Counts of verdicts to either side: what counts once, what is lopsided, and what is said of it."""

import pytest

from bench.compare import alarms
from bench.compare.alarms import Tally
from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.sequential_test import Estimate, Verdict
from bench.results import store


def cell(word, ratio=1.0):
    estimate = Estimate(ratio=ratio, low=0.9 * ratio, high=1.1 * ratio, deviation=0.01, p=0.5, inner=(0.9, 1.1))
    return CellVerdict(cell="dense", verdict=Verdict(word=word, estimates={"wall": estimate}))


def comparison(number, *words, control=None):
    """One of made-up code, each later than the one before."""
    return Comparison(
        comparison=str(number),
        title="main v HEAD",
        base={"digest": f"base {number}"},
        candidate={"digest": f"candidate {number}"},
        rule={},
        cells=tuple(map(cell, words)),
        control=control and cell("same", control),
        started=f"2026-11-{number + 1:02}",
    )


@pytest.mark.parametrize(
    ("slower", "faster", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (5, 5, 1.0), (8, 0, 2 / 2**8), (0, 8, 2 / 2**8), (9, 1, 22 / 1024)],
)
def test_p_is_that_of_a_fair_coin(slower, faster, p):
    """Both sides count alike; what is even, or a single one, proves nothing."""
    assert Tally(slower=slower, faster=faster).p == pytest.approx(p)


def test_count_takes_each_comparison_once():
    """Ten slower cells of one comparison are one alarm; mixed and unproven ones are none."""
    stored = [
        comparison(1, *["slower"] * 10),
        comparison(2, "slower", "faster"),
        comparison(3, "unproven", "same"),
        comparison(4, "faster", "same"),
    ]

    assert alarms.count(stored) == Tally(slower=1, faster=1)


def test_count_takes_the_last_comparison_of_the_same_code():
    """Who compares the same two commits ten times has one answer."""
    first, second = comparison(1, "slower"), comparison(2, "same")
    again = Comparison(**{**vars(second), "base": first.base, "candidate": first.candidate})

    assert alarms.count([again, first]) == Tally()


def test_sentences_say_what_is_lopsided(tmp_path):
    """Eight comparisons that say slower are alarming, with the test named; as many to either side are not."""
    for number in range(8):
        store.append(comparison(number, "slower", control=1.01 if number % 2 else 0.99), tmp_path)
    (said,) = alarms.said_by(tmp_path)

    assert "8 said slower and 0 faster (binomial test, p = 0.0078)" in said
    assert "slower in 4 and faster in 4" in said
    assert alarms.sentences([comparison(n, "slower" if n % 2 else "faster") for n in range(8)]) == []


def test_sentences_say_that_controls_lean():
    """The base against itself must come out slower as often as faster."""
    (said,) = alarms.sentences([comparison(number, "same", control=1.002) for number in range(8)])

    assert said.startswith("controls are lopsided")
