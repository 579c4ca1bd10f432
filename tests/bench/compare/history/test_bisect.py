"""A range is halved until one commit is left; what stays open is said."""

import pytest

from bench.compare.history.bisect import bisect
from flowers_core.errors import InputError

COMMITS = [f"c{number}" for number in range(13)]  # the base and the twelve after it


def runs_of(seconds, *, open_at=()):
    """A fake paired run: `seconds` of each commit, a margin of 3 %; `open_at` are inconclusive."""

    def paired_run(base, candidate):
        if candidate in open_at:
            return "inconclusive"
        ratio = seconds[candidate] / seconds[base]
        return "slower" if ratio > 1.03 else "faster" if ratio < 1 / 1.03 else "same"

    return paired_run


def stepped(*steps):
    """Seconds of each commit, with factors from some commits on: `stepped((7, 1.1))`."""
    seconds = dict.fromkeys(COMMITS, 0.2)
    for start, factor in steps:
        for commit in COMMITS[start:]:
            seconds[commit] *= factor
    return seconds


@pytest.mark.parametrize("factor", [1.1, 0.9])
@pytest.mark.parametrize("culprit", range(1, 13))
def test_bisect_names_any_commit_of_twelve(culprit, factor):
    """Wherever the change is and in whichever direction, its commit is named after at most five runs."""
    finding = bisect(COMMITS, runs_of(stepped((culprit, factor))))

    assert (finding.state, finding.commit) == ("confirmed", f"c{culprit}")
    assert (finding.good, finding.bad) == (f"c{culprit - 1}", f"c{culprit}")
    assert finding.verdict == ("slower" if factor > 1 else "faster")
    assert len(finding.compared) <= 5


def test_bisect_runs_neighbours_once():
    """Where the commits around a change are neighbours, confirming names the commit."""
    finding = bisect(COMMITS[6:8], runs_of(stepped((7, 1.1))))

    assert (finding.commit, finding.compared) == ("c7", (("c7", "slower"),))


def test_bisect_always_runs_against_the_same_base():
    """All comparisons are with the first commit, so that small differences do not add up."""
    bases = []
    bisect(COMMITS, lambda base, candidate: bases.append(base) or runs_of(stepped((5, 1.1)))(base, candidate))

    assert set(bases) == {"c0"}


def test_bisect_rejects_ends_that_are_the_same():
    """Ends that are the same end the matter after one run."""
    finding = bisect(COMMITS, runs_of(stepped()))

    assert (finding.state, finding.commit, len(finding.compared)) == ("rejected", None, 1)


def test_bisect_leaves_inconclusive_ends_unconfirmed():
    """Inconclusive is no pass and no confirmation."""
    finding = bisect(COMMITS, runs_of(stepped((7, 1.1)), open_at=["c12"]))

    assert (finding.state, finding.commit, finding.verdict) == ("unconfirmed", None, "inconclusive")
    assert "inconclusive" in finding.reason


def test_bisect_rejects_the_opposite_of_what_is_expected():
    """A slowdown that turns out a speed-up is not confirmed, and not searched."""
    finding = bisect(COMMITS, runs_of(stepped((7, 0.9))), expected="slower")

    assert (finding.state, finding.verdict, finding.commit, len(finding.compared)) == ("rejected", "faster", None, 1)
    assert "faster" in finding.reason


def test_bisect_keeps_the_smallest_range_around_an_inconclusive_middle():
    """Where a middle is inconclusive, the range is as small as runs could make it, and no commit is named."""
    finding = bisect(COMMITS, runs_of(stepped((8, 1.1)), open_at=["c9"]))

    assert (finding.state, finding.commit) == ("confirmed", None)
    assert (finding.good, finding.bad) == ("c6", "c12")
    assert "6 commits" in finding.reason


def test_bisect_names_one_of_two_slowdowns():
    """With two commits that slow down, the named one is one of them, and the range before it holds no other."""
    finding = bisect(COMMITS, runs_of(stepped((3, 1.1), (9, 1.1))))

    assert (finding.state, finding.commit) == ("confirmed", "c3")


def test_bisect_takes_a_speed_up_as_good():
    """A speed-up before the slowdown is on the good side."""
    finding = bisect(COMMITS, runs_of(stepped((4, 0.9), (10, 1.3))))

    assert (finding.verdict, finding.commit) == ("slower", "c10")


def test_bisect_reports_each_run():
    """Whoever waits hears which commit runs against which."""
    lines = []
    finding = bisect(COMMITS, runs_of(stepped((7, 1.1))), tell=lines.append)

    assert len(lines) == len(finding.compared)
    assert "c12 against c0" in lines[0]


def test_bisect_needs_two_commits():
    """A range needs the commit before the change, too."""
    with pytest.raises(InputError, match="before the change"):
        bisect(["c0"], runs_of(stepped()))
