"""Says how much identical pairs of processes differ here, and the smallest slowdown that can be found beside that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from statistics import median

from bench.compare import detectable, sequential_test
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Rule
from bench.machine.facts import BUSY_SHARE
from bench.results import format, identity, labels
from bench.results.cell import Cell
from bench.results.result import HARNESS_VERSION
from bench.results.table import Column, Table, Value

MIN_PAIRS = LOOKS[0]  # for a deviation as for the first look

TIMES = (60.0, 300.0, 1200.0)
THRESHOLD_SECONDS = 300.0  # what a gate may take for a cell
WANTED = 0.05  # the slowdown that it should find in that time
COLUMNS = (
    Column("cell"),
    Column("pairs", "count", whole=True),
    Column("noise, %", "ratio", whole=True),
    Column("a pair", "time", whole=True),
    *(Column(f"{minutes} min, %", "ratio", whole=True) for minutes in (1, 5, 20)),
)
REMEDY = "what to do: `python -m bench doctor` says what makes this machine noisy; mend it, then measure again"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """How the pair results of identical processes of a cell scatter.

    Attributes:
        measured: The cell.
        pairs: How many pair results it rests on.
        wall_deviation: Standard deviation of their logarithms on the wall clock; None where there are too few.
        cpu_deviation: The same on the CPU clock.
        correlation: Between the two clocks.
        pair_seconds: Median time that a pair takes, the start of both processes included.
        series: How many comparisons the pair results make, one after another.
        alarms: How many of them called the identical code slower or faster.
        foreign_cpu_share: Median share of the machine's CPU time that others used meanwhile.
        since: Date of the first pair.
        until: Date of the last.
        reason: Why there is no figure; empty where there is.
    """

    measured: Cell
    pairs: int
    wall_deviation: float | None = None
    cpu_deviation: float | None = None
    correlation: float = 0.0
    pair_seconds: float | None = None
    series: int = 0
    alarms: int = 0
    foreign_cpu_share: float | None = None
    since: str = ""
    until: str = ""
    reason: str = ""

    @property
    def cell(self) -> str:
        """Id of the cell."""
        return self.measured.id


def floors(results: Iterable[PairResult], *, machine_id: str, setting: Mapping | None = None) -> list[Floor]:
    """The floor of each cell that has pair results of identical code.

    Args:
        results: Whatever a store holds, in its order. Those of other code are left out, but say what a pair takes.
        machine_id: Of which machine.
        setting: A description of it, see `bench.machine.facts.fingerprint`, where the noise of its other settings
            should not count.

    Returns:
        A floor a cell; of several folders of data of that which was compared last.
    """
    started: dict[tuple[str, str], PairResult] = {}
    cells: dict[str, list[PairResult]] = {}
    for result in results:
        if (result.machine.get("id"), result.load, result.harness_version) != (machine_id, "", HARNESS_VERSION):
            continue
        if setting and not identity.agree(result.machine, setting, [Cell(**result.base["cell"])]):
            continue
        started.setdefault((result.comparison, result.pair), result)
        if result.status == "ok" and result.identical:
            cells.setdefault(result.cell, []).append(result)
    return [
        _floor(_of_same_data(identical, last), _of_same_data(started.values(), last))
        for identical in cells.values()
        for last in identical[-1:]
    ]


def _of_same_data(results: Iterable[PairResult], last: PairResult) -> list[PairResult]:
    """Those of the cell and the data of the last one."""
    read = identity.content(last.data)
    return [result for result in results if result.cell == last.cell and identity.content(result.data) == read]


def _floor(results: Sequence[PairResult], started: Sequence[PairResult]) -> Floor:
    """The floor of one cell.

    Args:
        results: Of identical code.
        started: Those of the cell that were the first of their pair: later ones lack the start of the processes.
    """
    days = sorted(result.started[:10] for result in results)
    measured = Cell(**results[-1].base["cell"])
    floor = Floor(measured=measured, pairs=len(results), since=days[0], until=days[-1])
    if len(results) < MIN_PAIRS:
        return replace(floor, reason=f"{len(results)} of the {MIN_PAIRS} identical pairs that a floor needs at least")
    values = {clock: [sequential_test.value(result, clock) for result in results] for clock in CLOCKS}
    deviations = {clock: sequential_test.estimate(numbers).deviation for clock, numbers in values.items()}
    started = [result for result in started if result.status == "ok"]
    seconds = [result.seconds for result in started if result.identical] or [result.seconds for result in started]
    shares = [result.foreign_cpu_share for result in results if result.foreign_cpu_share is not None]
    series, alarms = _alarms(values, Rule(clocks=sequential_test.clocks([measured])))
    return replace(
        floor,
        wall_deviation=deviations["wall"],
        cpu_deviation=deviations["cpu"],
        correlation=_correlation(*values.values()) if all(deviations.values()) else 0.0,
        pair_seconds=median(seconds) if seconds else None,
        series=series,
        alarms=alarms,
        foreign_cpu_share=median(shares) if shares else None,
    )


def _correlation(wall: Sequence[float], cpu: Sequence[float]) -> float:
    import numpy as np

    return float(np.corrcoef(wall, cpu)[0, 1])


def _alarms(values: Mapping[str, Sequence[float]], rule: Rule) -> tuple[int, int]:
    """How many comparisons the pair results make, and how many of those end slower or faster."""
    starts = range(0, len(values["wall"]) - MIN_PAIRS + 1, LOOKS[-1])
    verdicts = (
        sequential_test.follow({clock: numbers[start : start + LOOKS[-1]] for clock, numbers in values.items()}, rule)
        for start in starts
    )
    return len(starts), sum(verdict is not None and verdict.word in ("slower", "faster") for verdict in verdicts)


@cache
def minimum_effect(floor: Floor, seconds: float, *, waiting: bool = False, cells: int = 1) -> float | None:
    """The smallest slowdown of this cell that is found in so much time; with the upper limit of its noise.

    Args:
        floor: Of the cell.
        seconds: How long the cell may be compared.
        waiting: Whether the candidate waits longer, which the wall clock alone sees, rather than works longer.
        cells: How many cells are tested together.

    Returns:
        A share, e.g. 0.05; None where there is no time for the first look.
    """
    if floor.wall_deviation is None or floor.cpu_deviation is None or not floor.pair_seconds:
        return None
    limit = detectable.limit(floor.pairs)
    return detectable.minimum_effect(
        detectable.Noise(limit * floor.wall_deviation, limit * floor.cpu_deviation, floor.correlation),
        int(seconds // floor.pair_seconds),
        waiting=waiting,
        rule=partial(Rule.for_effect, cells=cells, clocks=sequential_test.clocks([floor.measured])),
    )


def threshold(floor: Floor, *, cells: int = 1) -> float | None:
    """What a gate can ask of this machine: the extra work that is found in 5 minutes a cell."""
    return minimum_effect(floor, THRESHOLD_SECONDS, cells=cells)


def to_json(floors: Iterable[Floor]) -> list[dict]:
    """One object of plain values a floor; `findable` has a share of work and of waiting for each time."""
    return [{"cell_id": floor.cell, **asdict(floor), "findable": _effects(floor)} for floor in floors]


def _effects(floor: Floor) -> list[dict[str, float | None]]:
    return [
        {"seconds": time, "work": minimum_effect(floor, time), "waiting": minimum_effect(floor, time, waiting=True)}
        for time in TIMES
    ]


def table(floors: Sequence[Floor]) -> Table:
    """The noise floor of each cell, and the smallest slowdown found beside it."""
    short, same = labels.apart([floor.measured for floor in floors]) if floors else ([], [])
    title = "Noise floor, and the smallest slowdown found"
    return Table(
        title=f"{title} ({', '.join(same)})" if same else title,
        columns=COLUMNS,
        rows=tuple((name, *_figures(floor)) for name, floor in zip(short, floors, strict=True)),
        notes=tuple(notes(floors)),
    )


def _figures(floor: Floor) -> tuple[Value, ...]:
    """A value for each of `COLUMNS` but the name."""
    effects = (f"{_percent(effect['work'])}/{_percent(effect['waiting'])}" for effect in _effects(floor))
    noise = f"{_percent(floor.wall_deviation)}/{_percent(floor.cpu_deviation)}"
    return (floor.pairs, noise, floor.pair_seconds, *effects)


def _percent(share: float | None) -> str:
    if share is None:
        return format.ABSENT
    return format.significant(100 * share, 2) if share < 1 else ">100"


def notes(floors: Sequence[Floor]) -> list[str]:
    """What the figures are, of when, what to doubt, and what to do about it."""
    known = [floor for floor in floors if not floor.reason]
    lines = []
    if known:
        days = " to ".join(sorted({min(floor.since for floor in known), max(floor.until for floor in known)}))
        lines = [
            f"noise: standard deviation of a pair of processes of the same code, wall/CPU; {days}",
            "1, 5, 20 min: the smallest slowdown found in 9 of 10 comparisons of this cell alone; first extra work, "
            "which both clocks see, then waiting, which only the wall clock sees; no comparison takes more than "
            f"{LOOKS[-1]} pairs",
            f"they allow for {_growth(known)} more noise than was seen: so few pairs may show too little of it",
        ]
    if any(minimum_effect(floor, TIMES[0]) is None for floor in known):
        lines.append(f"n/a: no time for the {MIN_PAIRS} pairs of the first look")
    lines += [f"{floor.cell}: n/a, {floor.reason}" for floor in floors if floor.reason]
    doubts = [f"{floor.cell}: {doubt}" for floor in known for doubt in _doubts(floor)]
    return [*lines, *doubts, *([REMEDY] if doubts else [])]


def _growth(floors: Sequence[Floor]) -> str:
    """By how much the limits of several floors exceed what was seen: `8 to 35 %`."""
    shares = sorted({round(100 * (detectable.limit(floor.pairs) - 1)) for floor in floors})
    return " to ".join(map(str, dict.fromkeys((shares[0], shares[-1])))) + " %"


def _doubts(floor: Floor) -> list[str]:
    """What is bad about a floor."""
    doubts, effect = [], threshold(floor)
    if floor.alarms:
        doubts.append(
            f"identical code was called different in {floor.alarms} of {floor.series} comparisons; by chance it is "
            "not 1 in 100: something favours one of the two, and this floor is too low"
        )
    share = floor.foreign_cpu_share or 0.0
    if share > BUSY_SHARE:
        doubts.append(f"others used {100 * share:.0f} % of the CPU meanwhile")
    if effect is None or effect > WANTED:
        doubts.append(f"a slowdown of {100 * WANTED:g} % is not found in {THRESHOLD_SECONDS / 60:g} minutes")
    return doubts
