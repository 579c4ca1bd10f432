"""Forward, backward and optimizer of a training step: differences between programs that stop one after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.results.measurement import PROGRAMS
from bench.results.summary import median_interval
from bench.results.table import Column, Interval, Table, Value

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
        seconds: Median over rounds; of several processes that of their medians.
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


def differences(rounds: Rounds) -> dict[str, list[float]]:
    """What each program of a round took more than the one before it; of a round they add up to the step."""
    forward, gradients, step = (rounds[name] for name in PROGRAMS)
    return {
        "forward": list(forward),
        "backward": [more - less for more, less in zip(gradients, forward, strict=True)],
        "optimizer": [more - less for more, less in zip(step, gradients, strict=True)],
        "step": list(step),
    }


def split(processes: Sequence[Rounds]) -> list[Part]:
    """The parts of a step and, last, the step itself.

    Args:
        processes: The rounds of each process.

    Returns:
        Parts whose intervals are those of the median over the rounds of one process, in which a drift of the machine
        cancels, or over the medians of several: 95 % from 6 values on, else their range.
    """
    found = [differences(rounds) for rounds in processes]
    whole = _centre([process["step"] for process in found])
    return [_part(name, [process[name] for process in found], whole) for name in (*PARTS, "step")]


def _part(name: str, processes: Sequence[Sequence[float]], whole: float) -> Part:
    values = list(processes[0]) if len(processes) == 1 else [median(rounds) for rounds in processes]
    low, high = median_interval(values) or (min(values), max(values))
    seconds = _centre(processes)
    return Part(name=name, seconds=seconds, low=low, high=high, share=seconds / whole)


def _centre(processes: Sequence[Sequence[float]]) -> float:
    return median(median(rounds) for rounds in processes)


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
    over = "; of several processes that of their medians, of fewer than 6 their range" if several else ""
    return (
        f"median of {rounds} rounds a process [95 % of it{over}]; in each round the parts add up to the step, their "
        "medians to within the intervals"
    )


def facts(processes: Sequence[Rounds]) -> dict[str, Value]:
    """The parts of a step, plain and by name, for CSV and JSON; None where they were not timed."""
    known = {part.name: part for part in split(processes)} if processes else {}
    ends: dict[str, Callable[[Part], float]] = {
        "seconds": lambda part: part.seconds,
        "low": lambda part: part.low,
        "high": lambda part: part.high,
    }
    values: dict[str, Value] = {
        f"{name}_{end}": value(known[name]) if name in known else None for name in PARTS for end, value in ends.items()
    }
    return {**values, "below_noise": ", ".join(name for name in PARTS if name in known and known[name].below_noise)}
