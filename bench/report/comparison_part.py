"""A comparison on the page: its verdict in a sentence, its picture, its figures, how sure it is, how to repeat it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

from bench.compare import comparison_report
from bench.compare.comparison import CONTROL
from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.pair_result import CLOCKS
from bench.compare.sequential_test import Rule
from bench.report import bars, comparison_chart, machines, two_sets
from bench.report.gather import Gathered
from bench.report.two_sets import TwoSets
from bench.results.table import Column, Interval, Table

CAPTION = (
    "Each dot is a fresh process, the base above the candidate, the two of a pair joined; below them the ratio with "
    "its 95 % interval. 1 is the base's median; within the grey band two count as the same."
)
CAPTION_OF_SETS = "Images a second of what differs most; the dark bar below each is the candidate's"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A comparison on the page: a verdict over pairs, or two machines.

    Attributes:
        anchor: By which a link leads to it, as long as the page holds it.
        title: What was compared, and when.
        sentence: The verdict.
        picture: SVG; empty where nothing could be compared.
        caption: What the picture shows.
        tables: The figures; where the time went, of cells that were explained.
        certain: How sure it is, a sentence each.
        origin: Machine, software, code and day.
        command: What repeats it; empty where that is not known.
    """

    anchor: str
    title: str
    sentence: str
    picture: str
    caption: str
    tables: Sequence[Table]
    certain: Sequence[str]
    origin: str
    command: str


def of(compared: Comparison, gathered: Gathered) -> Part:
    """What the page shows of a comparison."""
    rule, mark = comparison_report.rule_of(compared), compared.comparison
    pairs, control = (gathered.pairs.get(f"{kind}{mark}", []) for kind in ("", CONTROL))
    short = {cell.cell: cell.short for cell in compared.cells}
    explained = [kept.explanation for kept in gathered.explanations.get(mark, [])]
    return Part(
        anchor=f"comparison-{mark}",
        title=f"{compared.described}, {compared.started[:16].replace('T', ' ')} UTC",
        sentence=comparison_report.sentence(compared),
        picture=comparison_chart.svg(compared, pairs, control, rule),
        caption=CAPTION,
        tables=[
            _table(compared, rule),
            *(replace(entry, cell=short.get(entry.cell, entry.cell)).table() for entry in explained),
        ],
        certain=comparison_report.certainty(compared),
        origin=compared.origin,
        command=comparison_report.again(compared),
    )


def of_machines(sets: TwoSets) -> Part:
    """What the page shows of two machines: the answer, what differs, then both times of each cell."""
    base, candidate = sets.names
    origins = zip(("base", "candidate"), sets.origins, strict=True)
    return Part(
        anchor=f"machines-{blake2b(' '.join(sets.names).encode(), digest_size=4).hexdigest()}",
        title=f"{base} (base) beside {candidate} (candidate)",
        sentence=machines.sentence(sets),
        picture=bars.svg(sets.picture),
        caption=CAPTION_OF_SETS,
        tables=[two_sets.differing_table(sets), *sets.tables],
        certain=["figures side by side, and no verdict: more than the code differs."],
        origin="; ".join(f"{side}: {origin}" for side, origin in origins),
        command="python -m bench report BASE.jsonl CANDIDATE.jsonl",
    )


def _table(compared: Comparison, rule: Rule) -> Table:
    """The figures on both clocks, what is slower first."""
    cells = compared.ordered
    shared = f" ({', '.join(compared.shared)})" if compared.shared else ""
    return Table(
        title=f"Figures{shared}",
        columns=(
            Column("cell"),
            Column("verdict", "verdict"),
            Column("wall ratio [95 %]", "ratio"),
            Column("CPU ratio [95 %]", "ratio"),
            Column("base", "time"),
            Column("candidate", "time"),
            Column("pairs", "count"),
            Column("finds from", "percent"),
        ),
        rows=tuple(_row(cell, rule) for cell in cells),
        notes=(
            "ratio: candidate over base, above 1 is slower; base and candidate: median time of a step, wall clock; "
            "finds from: the minimum detectable effect, see How sure",
            *(f"{cell.short}: {note}" for cell in cells for note in cell.notes),
        ),
    )


def _row(cell: CellVerdict, rule: Rule) -> tuple:
    estimates = [cell.verdict.estimates.get(clock) for clock in CLOCKS]
    ratios = [Interval(estimate.ratio, estimate.low, estimate.high) if estimate else None for estimate in estimates]
    times = cell.step_seconds.get("wall", (None, None))
    found = comparison_report.minimum_effect(cell, rule)
    return cell.short, cell.verdict.word, *ratios, *times, cell.verdict.pairs, found
