"""Forward, backward and optimizer of a training step: differences between programs that stop one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.results.measurement import PROGRAMS
from bench.results.summary import CONFIDENCE, median_interval
from bench.results.table import Column, Interval, Table, Value

RESAMPLES = 500  # of rounds
PARTS = ("forward", "backward", "optimizer")  # what each of `PROGRAMS` adds

Rounds = Mapping[str, Sequence[float]]
"""Seconds of each program by round; those of a round are neighbours in time."""

MEANING = (
    "forward: the model and its loss in training; backward: what a program that goes on to the gradients takes more; "
    "optimizer: what the whole step takes more, the update of weights and metrics. Compiled apart, timed in turn"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a step.

    Attributes:
        name: One of `PARTS`, or `step`.
        seconds: By the medians over rounds; of several processes by the medians of these.
        low: Lower end of the interval, see `split`; may be below 0.
        high: Its upper end.
        share: Of the step.
    """

    name: str
    seconds: float
    low: float
    high: float
    share: float

    @property
    def below_noise(self) -> bool:
        """Whether it may be nothing: its interval reaches 0."""
        return self.low <= 0

    @property
    def time(self) -> Interval:
        """Seconds with the interval."""
        return Interval(self.seconds, self.low, self.high)


def split(processes: Sequence[Rounds]) -> list[Part]:
    """The parts of a step and, last, the step itself, to which they add up.

    Each is the difference of two programs' medians. Medians of differences would add up to something else where
    noise is lopsided, as that of a busy machine is.

    Args:
        processes: The rounds of each process.

    Returns:
        Parts with intervals of 95 %: over the rounds of one process, drawn again and again whole, so that what hits
        all programs of a round cancels; or over several processes, of fewer than 6 their range.
    """
    found = [_steps_between(*(median(rounds[name]) for name in PROGRAMS)) for rounds in processes]
    typical = (median(median(rounds[name]) for rounds in processes) for name in PROGRAMS)
    if len(processes) == 1:
        ends = _ends_over_rounds(processes[0])
    else:
        ends = [median_interval(list(values)) or (min(values), max(values)) for values in zip(*found, strict=True)]
    centres = _steps_between(*typical)
    return [
        Part(name=name, seconds=centre, low=min(low, centre), high=max(high, centre), share=centre / centres[-1])
        for name, centre, (low, high) in zip((*PARTS, "step"), centres, ends, strict=True)
    ]


def _steps_between(forward: Any, gradients: Any, step: Any) -> tuple[Any, ...]:
    """What each program takes more than the one before it, and the last of them."""
    return forward, gradients - forward, step - gradients, step


def _ends_over_rounds(rounds: Rounds) -> list[tuple[float, float]]:
    """Intervals of the parts by the bootstrap: rounds are drawn whole, with replacement."""
    import numpy as np

    times = np.array([rounds[name] for name in PROGRAMS])
    count = times.shape[1]
    drawn = np.random.default_rng(0).integers(0, count, (RESAMPLES, count))
    medians = np.median(times[:, drawn], axis=2)
    outside = (1 - CONFIDENCE) / 2
    return [
        (float(low), float(high))
        for low, high in (np.quantile(part, (outside, 1 - outside)) for part in _steps_between(*medians))
    ]


def table(figures: Sequence[tuple[str, Sequence[Rounds], str]], described: str) -> Table | None:
    """The parts of some steps; None where none was timed in parts, nor to be.

    Args:
        figures: A name for each cell, the rounds of its processes, and why there are none.
        described: What is the same in all cells.
    """
    shown = [figure for figure in figures if figure[1] or figure[2]]
    if not shown:
        return None
    rows: list[tuple[Value, ...]] = []
    doubts: list[str] = []
    for name, processes, _ in shown:
        for part in split(processes) if processes else ():
            rows.append((name, part.name, part.time, part.share))
            doubts += [f"{part.name} ({name})"] * part.below_noise
    return Table(
        title=f"Parts of a training step ({described})",
        columns=(Column("model"), Column("part"), Column("time", "time"), Column("of the step", "percent")),
        rows=tuple(rows),
        notes=(
            *([MEANING, _intervals([processes for _, processes, _ in shown if processes])] if rows else []),
            *([f"below the noise, their intervals reach 0: {', '.join(doubts)}"] if doubts else []),
            *(f"{name}: n/a: {reason}" for name, processes, reason in shown if not processes),
        ),
    )


def _intervals(cells: Sequence[Sequence[Rounds]]) -> str:
    """What the intervals are, and how the parts add up."""
    counts = sorted({len(rounds["step"]) for processes in cells for rounds in processes})
    rounds = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    several = any(len(processes) > 1 for processes in cells)
    over = "; of several processes over these, of fewer than 6 their range" if several else ""
    return (
        f"differences of medians over {rounds} rounds a process, which add up to the step [95 % by bootstrap over "
        f"rounds{over}]"
    )


def facts(processes: Sequence[Rounds]) -> dict[str, Value]:
    """The parts of a step, plain and by name, for CSV and JSON; None where they were not timed."""
    known = {part.name: part for part in split(processes)} if processes else {}
    values: dict[str, Value] = {
        f"{name}_{end}": getattr(known[name], end) if name in known else None
        for name in PARTS
        for end in ("seconds", "low", "high")
    }
    return {**values, "below_noise": ", ".join(name for name in PARTS if name in known and known[name].below_noise)}
