"""How long things take here, as far as the store tells: what a command says first, and how it keeps its budget."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Protocol, Self, TypeVar

from bench.machine import facts
from bench.results.cell import Cell
from bench.results.measurement import Measurement

# What a cell is taken to cost until one like it has been measured: import, compilation and some seconds of steps.
UNKNOWN_SECONDS = 12.0
LAST = 5  # of those that are known: whose median is what the next should take
PAUSE_SECONDS = 3600.0  # between two results of a campaign: it was interrupted, and resumed later

EARLIER = "as earlier ones took here"

Keys = Sequence[object]
"""What things that take alike have in common, from what tells most to what tells least."""


class _OfCampaign(Protocol):
    @property
    def campaign(self) -> str: ...
    @property
    def started(self) -> str: ...
    @property
    def machine(self) -> dict: ...


OfCampaign = TypeVar("OfCampaign", bound=_OfCampaign)


class Durations:
    """How long processes took on this machine, to say how long others should take."""

    def __init__(self, measurements: Iterable[Measurement] = ()):
        """Remembers some measurements, in their order."""
        self._here = facts.hardware_id()
        self._lasted: dict[object, list[float]] = {}
        for measurement in measurements:
            self.add(measurement)

    def add(self, measurement: Measurement) -> None:
        """Remembers a measurement."""
        self.note(alike(measurement.cell), measurement.process_seconds, measurement.machine)

    def note(self, keys: Keys, seconds: float | None, machine: dict) -> None:
        """Remembers how long something took, unless that was elsewhere."""
        if seconds and machine.get("id") == self._here:
            for key in keys:
                self._lasted.setdefault(key, []).append(seconds)

    def note_campaigns(self, results: Iterable[OfCampaign], keys: Callable[[OfCampaign], Keys]) -> Self:
        """Remembers of each process of campaigns how long it was until the next one began.

        Args:
            results: Of one kind; those of one process have begun together.
            keys: Of a result.
        """
        begun: dict[tuple[str, str], OfCampaign] = {}
        for result in sorted(results, key=lambda result: result.started):
            begun.setdefault((result.campaign, result.started), result)
        campaigns: dict[str, list[OfCampaign]] = {}
        for result in begun.values():
            campaigns.setdefault(result.campaign, []).append(result)
        for campaign in campaigns.values():
            for result, following in pairwise(campaign):
                seconds = (_begin(following) - _begin(result)).total_seconds()
                if seconds < PAUSE_SECONDS:
                    self.note(keys(result), seconds, result.machine)
        return self

    def expected(self, keys: Keys) -> float | None:
        """What something should take, by what it has most in common with; None where nothing like it is known."""
        return next((median(self._lasted[key][-LAST:]) for key in keys if key in self._lasted), None)

    def expected_seconds(self, cell: Cell) -> float:
        """What a process for a cell should take, from earlier ones: of the cell, else of its model or pipeline."""
        return self.expected(alike(cell)) or UNKNOWN_SECONDS

    def total(self, each: Iterable[Keys]) -> float | None:
        """What several things should take; None where of one of them nothing is known."""
        return total_of(self.expected(keys) for keys in each)


def total_of(each: Iterable[float | None]) -> float | None:
    """The sum of some seconds; None where some of them are not known."""
    seconds = list(each)
    known = [second for second in seconds if second is not None]
    return sum(known) if len(known) == len(seconds) else None


def alike(cell: Cell) -> Keys:
    """What processes that take about as long as one for this cell have in common."""
    return cell, (cell.model, cell.batch_size), (cell.model, cell.pipeline)


def rough(seconds: float) -> str:
    """Seconds as one says them of what is to come: `40 s`, `27 min`, `3.5 h`."""
    if seconds < 180:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def forecast(what: str, seconds: float | None = None, *, by: str = EARLIER, budget: float | None = None) -> str:
    """The line that a command says first if it may take minutes: what it does, and how long.

    Args:
        what: What is done, with its number, e.g. "9 groups of processes".
        seconds: How long that should take; None where nothing tells.
        by: What tells it.
        budget: Seconds after which nothing more is begun; None for no limit.
    """
    said = [f"about {rough(seconds)}, {by}"] if seconds is not None else []
    said += [f"until {rough(budget)} are over (`--budget`)"] if budget is not None else []
    return f"{what}: {'; '.join(said) or 'how long is known when the first has ended'}"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What a campaign is going to measure.

    Attributes:
        what: What its results are called, e.g. "groups of processes".
        rounds: The round of each result, in their order.
        seconds: How long all of them should take; None where nothing tells.
        by: What tells it.
        budget_seconds: How long it may take; None for no limit.
        is_whole: Whether the first round, too, is measured whole, however long that takes.
    """

    what: str
    rounds: Sequence[int]
    seconds: float | None = None
    by: str = EARLIER
    budget_seconds: float | None = None
    is_whole: bool = False

    def __str__(self) -> str:
        rounds = len(set(self.rounds))
        each = f" in {rounds} rounds" if rounds > 1 else ""
        return forecast(f"{len(self.rounds)} {self.what}{each}", self.seconds, by=self.by, budget=self.budget_seconds)


class Budget:
    """The time of a campaign: whole rounds, and of the first one as many results as fit.

    Part of a later round would give some of what is compared more results than others, of another time; of the first
    it is all there is.

    Attributes:
        left_out: What there was no time for, in a sentence without its end; empty as long as there is.
    """

    def __init__(self, planned: Planned, *, now: Callable[[], float] = perf_counter):
        """Begins now."""
        self._planned, self._rounds, self._now = planned, planned.rounds, now
        self._begun = self._round_begun = self._last = now()
        self._done, self._longest, self._longest_round = 0, 0.0, 0.0
        self.left_out = ""

    def has_time(self) -> bool:
        """Whether there is time for what is next, if it takes as long as the longest before; called after a result."""
        now = self._now()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._done += 1
        seconds = self._planned.budget_seconds
        if seconds is None or self._done >= len(self._rounds):
            return True
        before, after = self._rounds[self._done - 1], self._rounds[self._done]
        if before != after:
            self._longest_round, self._round_begun = max(self._longest_round, now - self._round_begun), now
            needed = self._longest_round
        else:
            needed = self._longest if before == self._rounds[0] and not self._planned.is_whole else 0.0
        if needed and now - self._begun + needed > seconds:
            self.left_out = self._describe_rest(seconds)
        return not self.left_out

    def _describe_rest(self, seconds: float) -> str:
        rounds, whole = set(self._rounds), set(self._rounds) - set(self._rounds[self._done :])
        left = f"{len(self._rounds) - self._done} of {len(self._rounds)} left out"
        of_rounds = f"; {len(whole)} of {len(rounds)} rounds are whole" if len(rounds) > 1 else ""
        return f"{left}, for which the {rough(seconds)} of `--budget` are too short{of_rounds}"


def _begin(result: _OfCampaign) -> datetime:
    return datetime.fromisoformat(result.started)
