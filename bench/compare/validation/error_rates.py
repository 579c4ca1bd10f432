"""Units -> how often the rule is right: false alarms, slowdowns found, minutes, beside what rivals say."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median

from bench.compare import sequential_test
from bench.compare.inject import KINDS
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Estimate, Rule
from bench.compare.validation import aa_runs, other_tests, resampling
from bench.compare.validation.aa_runs import Fresh
from bench.compare.validation.resampling import MOST, Outcome, Series
from flowers_core import progress
from flowers_core.errors import InputError

PROOF = "proof-"  # how the comparison of a unit begins that was recorded for a proof
COMPARISONS = 1000
HALVES, IN_HALF = 100, 100
SEED = 20261124

# By what `--min-effect` asks for.
RULES = {find: Rule.for_effect(find) for find in (0.05, 0.02)}
FINEST = 0.02  # of the planted slowdowns: only those, and none at all, are judged by the finer rule, too


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one plant in one cell beside one load, by one rule.

    Attributes:
        load: Name of the load beside; empty for none.
        foreign_cpu_share: Median over units of what others used of the machine's CPU time.
        cell: Id of the cell; empty for all cells together.
        kind: What was planted, see `bench.compare.inject`.
        share: How much.
        find: Which of `RULES`.
        units: How many were recorded.
        pairs: Of how many different pairs of processes.
        effects: By clock, what was really planted, with the noise of a unit; empty for all cells together.
        words: How many of the drawn comparisons came to each verdict.
        apart: How many of the comparisons one after another did.
        half_shares: Low and high end (95 %) of the share of hits over random halves of the units.
        spent: Median and 95th percentile of units and minutes of a drawn comparison.
        rivals: By name, how many of the drawn comparisons each rival called what.
        warning: Why there are no figures, or why to doubt them.
    """

    load: str
    foreign_cpu_share: float | None
    cell: str
    kind: str
    share: float
    find: float
    units: int
    pairs: int
    effects: dict[str, Estimate] = field(default_factory=dict)
    words: dict[str, int] = field(default_factory=dict)
    apart: dict[str, int] = field(default_factory=dict)
    half_shares: tuple[float, float] | None = None
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)
    rivals: dict[str, dict[str, int]] = field(default_factory=dict)
    warning: str = ""

    @property
    def hits(self) -> tuple[str, ...]:
        """Which verdicts the row counts: any alarm where nothing was planted, else that the slowdown was found."""
        return ("slower", "faster") if self.kind == "none" else ("slower",)

    def hit(self, words: dict[str, int]) -> tuple[int, int]:
        """How many of some verdicts are hits, and how many there are."""
        return sum(words.get(word, 0) for word in self.hits), sum(words.values())

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """All that the units of a store say about the rule.

    Attributes:
        rows: Each cell on its own.
        together: All cells together.
        fresh: Whole comparisons of a cell with itself, as they were run.
        units: The units that were used.
        left_out: How many units are of another machine or another ruler.
        died: How many pairs gave no figure because a process died.
    """

    rows: tuple[Row, ...]
    together: tuple[Row, ...]
    fresh: tuple[Fresh, ...]
    units: tuple[PairResult, ...]
    left_out: int
    died: int


def prove(
    units: Sequence[PairResult], *, comparisons: int = COMPARISONS, sets: int = HALVES, seed: int = SEED
) -> Proof:
    """Judges the rule by units of one machine and one ruler: those of which there are most.

    Args:
        units: Units of a store, in the order of recording.
        comparisons: How many to draw from the units of each plant in each cell.
        sets: How many halves of the units to try for the interval; 0 leaves it out, which is several times quicker.
        seed: Of the draws; the same figures come out again.

    Raises:
        InputError: If there are no units with a figure.
    """
    units = [unit for unit in units if unit.comparison.startswith(PROOF) or aa_runs.is_fresh(unit)]
    kinds = Counter(_where(unit) for unit in units if unit.status == "ok")
    if not kinds:
        raise InputError("There are no units to judge by: record some first")
    usable = [unit for unit in units if _where(unit) == kinds.most_common(1)[0][0]]
    whole = [unit for unit in usable if unit.status == "ok"]
    seconds = _own_seconds(whole)
    groups: dict[tuple, list[PairResult]] = {}
    for unit in whole:
        if unit.comparison.startswith(PROOF):
            groups.setdefault(_what(unit), []).append(unit)
    asked = [
        (what, some, find)
        for what, some in sorted(groups.items(), key=_order)
        for find in RULES
        if find > FINEST or what[-1] <= FINEST
    ]
    rows = []
    for what, some, find in progress.track(asked, "judging", len(asked)):
        found = resampling.series(some, [seconds[unit.pair] for unit in some])
        dice = random.Random(f"{seed} {what} {find}")
        rows.append(row(some, found, find, comparisons=comparisons, sets=sets, dice=dice))
    return Proof(
        rows=tuple(rows),
        together=tuple(together(rows)),
        fresh=tuple(aa_runs.replay(whole)),
        units=tuple(whole),
        left_out=len(units) - len(usable),
        died=len(usable) - len(whole),
    )


def _where(unit: PairResult) -> tuple[str, str]:
    return unit.machine.get("id", ""), unit.ruler


def _what(unit: PairResult) -> tuple[str, str, str, float]:
    return unit.load, unit.cell, unit.plant["kind"], unit.plant["share"]


def _order(group: tuple[tuple, list[PairResult]]) -> tuple:
    (load, cell, kind, share), _ = group
    return load, cell, KINDS.index(kind), share


def _own_seconds(units: Iterable[PairResult]) -> dict[str, float]:
    """By pair, what its first unit took: the others of a pair are spared the start of its processes."""
    seconds: dict[str, float] = {}
    for unit in units:
        seconds.setdefault(unit.pair, unit.seconds)
    return seconds


def row(
    units: Sequence[PairResult], found: Series, find: float, *, comparisons: int, sets: int, dice: random.Random
) -> Row:
    """Draws comparisons from the units of one plant in one cell, and counts verdicts."""
    load, cell, kind, share = _what(units[0])
    foreign = [unit.foreign_cpu_share for unit in units if unit.foreign_cpu_share is not None]
    pairs = len({unit.pair for unit in units})
    bare = Row(
        load=load, foreign_cpu_share=median(foreign) if foreign else None, cell=cell, kind=kind, share=share,
        find=find, units=len(units), pairs=pairs,
    )  # fmt: skip
    if len(units) < LOOKS[0]:
        return replace(bare, warning=f"n/a: {len(units)} of at least {LOOKS[0]} units")
    rule = RULES[find]
    drawn = resampling.resample(found, rule, comparisons=comparisons, dice=dice)
    outcomes = [outcome for _, outcome in drawn]
    said = other_tests.judge([one.turns for one, _ in drawn], [outcome.units for outcome in outcomes])
    half = resampling.halves(found, rule, bare.hits, sets=sets, comparisons=IN_HALF, dice=dice) if sets else []
    return replace(
        bare,
        effects={clock: sequential_test.estimate(found.values[clock]) for clock in CLOCKS},
        words=_count(outcomes),
        apart=_count(resampling.apart(found, rule)),
        half_shares=(quantile(half, 0.025), quantile(half, 0.975)) if half else None,
        spent={name: spent([getattr(outcome, name) for outcome in outcomes]) for name in ("units", "minutes")},
        rivals={name: dict(Counter(words)) for name, words in said.items()},
        warning=f"{len(units)} units: a whole comparison may need {MOST}" if len(units) < MOST else "",
    )


def _count(outcomes: Iterable[Outcome]) -> dict[str, int]:
    return dict(Counter(outcome.word for outcome in outcomes))


def spent(values: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return median(values), quantile(sorted(values), 0.95)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of ordered ones lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def together(rows: Iterable[Row]) -> list[Row]:
    """All cells together: as many comparisons of each."""
    alike: dict[tuple, list[Row]] = {}
    for one in rows:
        if one.words:
            alike.setdefault((one.load, one.kind, one.share, one.find), []).append(one)
    return [_sum(some) for some in alike.values()]


def _sum(rows: list[Row]) -> Row:
    """Counts of some rows added up; of what comparisons took, the middle of the medians and the most of the rest."""
    foreign = [one.foreign_cpu_share for one in rows if one.foreign_cpu_share is not None]
    return replace(
        rows[0],
        cell="",
        foreign_cpu_share=median(foreign) if foreign else None,
        units=sum(one.units for one in rows),
        pairs=sum(one.pairs for one in rows),
        effects={},
        words=_added(one.words for one in rows),
        apart=_added(one.apart for one in rows),
        half_shares=None,
        spent={
            name: (median(one.spent[name][0] for one in rows), max(one.spent[name][1] for one in rows))
            for name in ("units", "minutes")
        },
        rivals={name: _added(one.rivals[name] for one in rows) for name in other_tests.NAMES},
        warning="; ".join(sorted({one.warning for one in rows} - {""})),
    )


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    return dict(sum(map(Counter, counts), Counter()))


def interval(hits: int, of: int) -> tuple[float, float]:
    """Exact 95 % interval of a share, by Clopper and Pearson."""
    from scipy import stats

    found = stats.binomtest(hits, of).proportion_ci(sequential_test.CONFIDENCE)
    return float(found.low), float(found.high)
