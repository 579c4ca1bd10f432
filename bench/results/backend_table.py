"""Which backend trains each model fastest in each precision, and by how much, from steps on a resident batch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.machine.own import user_code
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.summary import Summary
from bench.results.table import Column, Interval, Table, Value

ALL = ("model", "px", "batch", "device", "precision")  # of a row where tables are one: CSV and JSON


@dataclass(frozen=True, kw_only=True)
class BackendComparison:
    """One step on several backends.

    Attributes:
        cell: What all of them trained; its backend is any of theirs.
        steps: By backend; at least two have a figure.
    """

    cell: Cell
    steps: dict[str, Summary]

    @property
    def ordered(self) -> list[str]:
        """The backends that have a figure, the fastest first."""
        timed = [name for name, step in self.steps.items() if step.batch_time]
        return sorted(timed, key=lambda name: -self.steps[name].rate)

    def ratio(self, name: str) -> Interval:
        """Images/s of the fastest over those of another; from the nearest to the farthest ends of both intervals."""
        first, other = self.steps[self.ordered[0]].batch_time, self.steps[name].batch_time
        if first is None or other is None:
            raise ValueError(f"{name} has no figure")
        return Interval(other.centre / first.centre, other.low / first.high, other.high / first.low)

    @property
    def fastest(self) -> list[str]:
        """The fastest, and those whose intervals do not tell them apart from it."""
        first, *others = self.ordered
        return [first, *(name for name in others if self.ratio(name).low <= 1)]


def comparisons(summaries: Iterable[Summary]) -> list[BackendComparison]:
    """Training steps of each model in each precision at the largest batch that most backends trained.

    A compiler that the backend could do without is left out.
    """
    steps: dict[tuple, dict[str, Summary]] = {}  # by what is the same on all backends
    for entry in summaries:
        cell = entry.cell
        alone = cell.model != NO_MODEL and cell.pipeline == RESIDENT and cell.mode == "train"
        if alone and not cell.chosen_compiler:
            steps.setdefault(cell.alike, {})[cell.backend] = entry
    timed = {key: sum(bool(entry.batch_time) for entry in each.values()) for key, each in steps.items()}
    most = max(timed.values(), default=0)
    largest: dict[Cell, BackendComparison] = {}
    for key, each in steps.items():
        if most > 1 and timed[key] == most:
            first = next(iter(each.values())).cell
            place = replace(first.on("tensorflow"), batch_size=1)
            known = largest.get(place)
            if known is None or known.cell.batch_size < first.batch_size:
                largest[place] = BackendComparison(cell=first, steps=each)
    return list(largest.values())


def tables(summaries: Iterable[Summary]) -> list[Table]:
    """A table for each device and precision: models as rows, backends as columns."""
    groups: dict[tuple[str, str], list[BackendComparison]] = {}
    for comparison in comparisons(summaries):
        groups.setdefault((comparison.cell.device, comparison.cell.precision), []).append(comparison)
    return [_table(group, f"Images/s of a training step ({device}, {precision})")
            for (device, precision), group in groups.items()]  # fmt: skip


def facts(groups: Iterable[Iterable[Summary]]) -> Table:
    """The same as one table, for programs; each group is of one machine and code."""
    return _table([comparison for group in groups for comparison in comparisons(group)], "", ALL)


def _table(group: Sequence[BackendComparison], title: str, fields: Sequence[str] = ALL[:3]) -> Table:
    names = list(dict.fromkeys(name for comparison in group for name in comparison.steps))
    doubts: dict[str, list[str]] = {}
    for comparison in group:
        for name, step in comparison.steps.items():
            for text in step.warnings if step.batch_time else (f"{step.status}: {step.reason}",):
                doubts.setdefault(text, []).append(f"{user_code.readable(comparison.cell.model)} on {name}")
    spreads = sorted({step.spread for comparison in group for step in comparison.steps.values() if step.spread})
    kinds = {"px": "count", "batch": "count"}
    return Table(
        title=title,
        columns=(
            *(Column(field, kinds.get(field, "text")) for field in fields),
            *(Column(name, "rate") for name in names),
            Column("fastest"),
            Column("over the next", "ratio"),
        ),
        rows=tuple(_row(comparison, names, fields) for comparison in group),
        notes=(
            f"largest batch that all of them trained; over the next: images/s over those of the next backend, from the "
            f"nearest to the farthest ends of both intervals ({' or '.join(spreads)}); two fastest: these touch",
            *(f"{text} ({', '.join(where)})" for text, where in doubts.items()),
        ),
    )


def _row(comparison: BackendComparison, names: Sequence[str], fields: Sequence[str]) -> tuple[Value, ...]:
    cell = comparison.cell
    known: dict[str, Value] = {
        "model": user_code.readable(cell.model),
        "px": cell.image_size,
        "batch": cell.batch_size,
        "device": cell.device,
        "precision": cell.precision,
    }
    return (
        *(known[field] for field in fields),
        *(_rate(comparison, name) for name in names),
        " or ".join(comparison.fastest),
        comparison.ratio(comparison.ordered[1]),
    )


def _rate(comparison: BackendComparison, name: str) -> Value:
    """Images/s on a backend; what became of it where it has none."""
    step = comparison.steps.get(name)
    return None if step is None else step.images_per_second if step.batch_time else step.status
