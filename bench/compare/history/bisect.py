"""Narrows a range of commits to the one that changed the time, by paired runs against the same base."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.compare.history.asv_series import short
from flowers_core.errors import InputError

PairedRun = Callable[[str, str], str]  # base, candidate -> one of `sequential_test.WORDS`


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What paired runs say of a range of commits.

    Attributes:
        state: `confirmed` if its ends differ, `rejected` if they are the same or differ the other way than expected,
            `unconfirmed` if that stayed open.
        verdict: Of the last commit against the first.
        good: The last commit known to lie before the change.
        bad: The first commit known to lie at or after it.
        commit: The commit that did it; None where only the range from `good` to `bad` is known, or nothing changed.
        compared: Each commit that was compared with the base and its verdict, in the order of the runs.
        reason: Why it is not confirmed, or why no commit is named; empty otherwise.
    """

    state: str
    verdict: str
    good: str
    bad: str
    commit: str | None
    compared: tuple[tuple[str, str], ...]
    reason: str = ""


def bisect(
    commits: Sequence[str], paired_run: PairedRun, *, expected: str = "", tell: Callable[[str], object] = lambda _: None
) -> Finding:
    """Names the commit after which the time differs from that of the first one.

    The ends are confirmed first. Then the range is halved, and each middle is compared with the same base, so that
    small differences do not add up. If several commits changed the time the same way, one of them is named: the one
    before it does not differ from the base that way, it does. Twelve commits need 5 paired runs at most.

    Args:
        commits: All commits of the range in their order; the first is the base, the last may be the culprit.
        paired_run: Compares two commits, `paired_run(base, candidate)`; gives one of `sequential_test.WORDS`,
            `inconclusive` for what could not be run.
        expected: `slower` or `faster`, where that is what is to be confirmed: its opposite rejects it then.
        tell: Reports one line before each run.

    Raises:
        InputError: If the range holds fewer than two commits.
    """
    if len(commits) < 2:
        raise InputError(f"`commits` must hold the commit before the change and one after. Received: {list(commits)}")
    compared: list[tuple[str, str]] = []

    def compare(number: int) -> str:
        names = short(commits[number]), short(commits[0])
        tell(f"run {len(compared) + 1}: {names[0]} against {names[1]}, {number} of {len(commits) - 1} commits on")
        verdict = paired_run(commits[0], commits[number])
        compared.append((commits[number], verdict))
        return verdict

    good, bad = 0, len(commits) - 1
    sought = compare(bad)
    if sought not in ("slower", "faster") or sought != (expected or sought):
        return Finding(
            state="unconfirmed" if sought == "inconclusive" else "rejected",
            verdict=sought,
            good=commits[good],
            bad=commits[bad],
            commit=None,
            compared=tuple(compared),
            reason=f"the paired run says {sought}",
        )
    good, bad, reason = _halve(good, bad, sought, compare)
    return Finding(
        state="confirmed",
        verdict=sought,
        good=commits[good],
        bad=commits[bad],
        commit=None if reason else commits[bad],
        compared=tuple(compared),
        reason=reason,
    )


def _halve(good: int, bad: int, sought: str, compare: Callable[[int], str]) -> tuple[int, int, str]:
    """Moves the ends of a range towards each other until they are neighbours or a run is inconclusive.

    `good` never differs from the base the way that is sought, `bad` always does; what differs the other way is good.

    Returns:
        Both ends, and why they are no neighbours, or nothing.
    """
    while bad - good > 1:
        middle = (good + bad) // 2
        verdict = compare(middle)
        if verdict == "inconclusive":
            return good, bad, f"one of {bad - good} commits: the paired run of their middle was inconclusive"
        good, bad = (good, middle) if verdict == sought else (middle, bad)
    return good, bad, ""
