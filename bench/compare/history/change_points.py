"""Where a series steps, by apache-otava; each step is a candidate, until a paired run confirms it."""

import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare import venvs
from bench.compare.history.asv_series import Series
from bench.run.failures import RunFailed

OTAVA = "0.8.0"
SCRIPT = Path(__file__).with_name("otava_script.py")

# otava's own. In simulated series of 12 commits with 2 % noise it finds a step of 10 % in 9 of 10 and alarms in 2 of
# 100 without a step; 0.01 finds no more and alarms in 20. Where the machine drifts (3 %, lasting some commits) it
# alarms in 20 of 100, and 65 for 60 commits: so its word is no verdict.
MAX_PVALUE = 0.001

# The whole of a usual history at once: at 60 commits windows of 12 to 50 values find no more steps, and alarm in
# 65 % of drifting series against 43 %.
WINDOW = 100

# A step of 10 % at 1 % noise is found in 8 of 10 series of 6 commits, in half of those of 5, in 1 of 10 of those of 4.
LEAST_POINTS = 6

TIMEOUT_SECONDS = 300

Detect = Callable[[list[list[float]]], list[list[dict]]]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A step in a series, not confirmed.

    Attributes:
        series: Where.
        before: The last measured commit before it.
        after: The first measured commit after it.
        ratio: Typical seconds of the stretch after it over those of the stretch before; above 1 is slower.
        p: That chance makes such a step, by otava's t-test, which takes the points as independent: they are not.
    """

    series: Series
    before: str
    after: str
    ratio: float
    p: float | None


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """A series of which nothing can be said, and why."""

    series: Series
    reason: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What was found in some series."""

    candidates: tuple[Candidate, ...]
    unjudged: tuple[Unjudged, ...]


def find(
    series: Sequence[Series], *, tell: Callable[[str], object] = lambda _: None, detect: Detect | None = None
) -> Changes:
    """Finds the steps of series.

    Args:
        series: What asv measured.
        tell: Is called with one line for each thing that takes time.
        detect: Gives the change points of lists of numbers; otava in its own environment if left out.

    Raises:
        InputError: If otava can be neither found nor installed, or fails.
    """
    judged = [one for one in series if len(one.points) >= LEAST_POINTS]
    logs = [[math.log(point.value_seconds) for point in one.points] for one in judged]
    found = (detect or (lambda values: otava(values, tell=tell)))(logs) if judged else []
    return Changes(
        candidates=tuple(_candidate(one, change) for one, some in zip(judged, found, strict=True) for change in some),
        unjudged=tuple(
            Unjudged(series=one, reason=f"{len(one.points)} commits measured: a step shows from {LEAST_POINTS}")
            for one in series
            if len(one.points) < LEAST_POINTS
        ),
    )


def _candidate(series: Series, change: dict) -> Candidate:
    """A change point in words of commits; a difference of logarithms is a ratio."""
    index = change["index"]
    return Candidate(
        series=series,
        before=series.points[index - 1].commit,
        after=series.points[index].commit,
        ratio=math.exp(change["after"] - change["before"]),
        p=change["p"],
    )


def otava(values: list[list[float]], *, tell: Callable[[str], object] = lambda _: None) -> list[list[dict]]:
    """Asks apache-otava in an environment of its own: it wants another numpy and scipy than the house.

    Returns:
        For each list its change points, as `otava_script.py` says them.

    Raises:
        RunFailed: If it can be neither found nor installed, or fails.
    """
    python = venvs.ensure(f"otava-{OTAVA}", [f"apache-otava=={OTAVA}"], tell=tell)
    asked = json.dumps({"window": WINDOW, "max_pvalue": MAX_PVALUE, "series": values})
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        # -I: or rooms beside the script, `bisect` among them, would stand before the standard library's.
        command = [python, "-I", SCRIPT, answer]
        try:
            done = subprocess.run(
                command, input=asked, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise RunFailed(f"apache-otava gave no answer in {TIMEOUT_SECONDS} s: ask for fewer commits") from None
        if done.returncode or not answer.exists():
            said = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise RunFailed(
                f"apache-otava {OTAVA} failed ({said}): remove {Path(python).parents[1]}, it is then installed anew"
            )
        return json.loads(answer.read_text())
