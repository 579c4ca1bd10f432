"""What other rules say of the same pair results."""

import pytest

from bench.compare.validation import other_tests
from bench.compare.validation.other_tests import StepSeconds

EVEN = StepSeconds(
    base=(1.0, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07), candidate=(1.005, 1.0, 1.03, 1.02, 1.05, 1.04, 1.07, 1.06)
)


def slowed(pair, factor):
    return StepSeconds(base=pair.base, candidate=tuple(factor * seconds for seconds in pair.candidate))


def verdicts(pairs, *, comparisons, each):
    """What other tests say of comparisons of so many pairs, none in two of them."""
    seen = list(map(StepSeconds.of, pairs))
    drawn = [seen[each * number : each * (number + 1)] for number in range(comparisons)]
    return other_tests.decide(drawn, [each] * comparisons)


@pytest.mark.parametrize(("factor", "word"), [(1.3, "slower"), (1.0, "no change"), (0.7, "faster")])
def test_large_changes_have_a_direction(factor, word):
    """Every test calls 30 % more slower, 30 % less faster, and the same no change."""
    assert other_tests.decide([[slowed(EVEN, factor)] * 5], [5]) == {name: [word] for name in other_tests.NAMES}


def test_asv_needs_its_factor():
    """A clear change of 8 % is none to `asv compare`; its test alone sees it."""
    pairs = [slowed(EVEN, 1.08)] * 5

    assert other_tests.asv(pairs) == other_tests.asv_suite(pairs) == "no change"
    assert other_tests.asv(pairs, factor=1.0) == "slower"


def test_asv_takes_two_processes():
    """By its defaults asv keeps 5 blocks of the first 2 processes a variant; the suites here keep 5 medians."""
    late = [EVEN, EVEN, *[slowed(EVEN, 9.0)] * 3]
    tail = StepSeconds(base=EVEN.base, candidate=(*EVEN.candidate[:5], 9.0, 9.0, 9.0))

    assert other_tests.asv(late) == "no change"
    assert other_tests.asv([tail, tail], factor=1.0) == "no change"
    assert other_tests.asv_suite(late) == "no change"
    assert other_tests.asv_suite([slowed(EVEN, 9.0)] * 5) == "slower"


def test_pooled_tests_raise_false_alarms(recorded):
    """Where processes differ by 3 %, tests over blocks flag a third of all comparisons of identical variants."""
    said = verdicts(recorded(300, processes=0.03), comparisons=50, each=6)

    for name in ("mann_whitney", "welch"):
        assert sum(word != "no change" for word in said[name]) > 17


def test_asv_misses_five_percent(recorded):
    """Of 50 comparisons with 5 % more work, `asv compare` flags one at most."""
    said = verdicts(recorded(300, wall=1.05, cpu=1.05), comparisons=50, each=6)

    assert sum(word == "slower" for word in said["asv"]) <= 1


def test_pooled_tests_take_the_pairs_needed(recorded):
    """Comparisons of different lengths are tested each on its own pairs."""
    seen = list(map(StepSeconds.of, recorded(12, processes=0.03)))
    lengths = [4, 12, 6, 4]

    together = other_tests.decide([seen] * 4, lengths)["welch"]

    assert together == [other_tests.decide([seen], [length])["welch"][0] for length in lengths]
