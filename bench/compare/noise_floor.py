"""The noise floor: how much identical pairs of processes differ here, and what slowdown can be found beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from statistics import median

from bench.compare import detectable, sequential_test
from bench.compare.pair_result import CLOCKS, PairResult
from bench.compare.sequential_test import LOOKS, Rule
from bench.machine.facts import BUSY_SHARE
from bench.results import format, labels, table
from bench.results.cell import Cell
from bench.results.measurement import RULER

LEAST = LOOKS[0]  # units, for a deviation as for the first look

TIMES = (60.0, 300.0, 1200.0)
THRESHOLD_SECONDS = 300.0  # what a gate may take for a cell
WANTED = 0.05  # the slowdown that it should find in that time
COLUMNS = ("cell", "units", "noise, %", "a unit", "1 min, %", "5 min, %", "20 min, %")
REMEDY = "what to do: `python -m bench doctor` says what makes this machine noisy; mend it, then calibrate again"


@dataclass(frozen=True, kw_only=True)
class Floor:
    """How the units of identical processes of a cell scatter.

    Attributes:
        measured: The cell.
        units: How many whole units it rests on.
        wall_deviation: Standard deviation of their logarithms on the wall clock; None where there are too few.
        cpu_deviation: The same on the CPU clock.
        correlation: Between the two clocks.
        unit_seconds: Median time that a unit takes, the start of both processes included.
        series: How many comparisons the units make, one after another.
        alarms: How many of them called the identical sides slower or faster at some look.
        foreign_cpu_share: Median share of the machine's CPU time that others used meanwhile.
        since: Date of the first unit.
        until: Date of the last.
        load: Name of the load that ran beside it on purpose; empty for none.
        reason: Why there is no figure; empty where there is.
    """

    measured: Cell
    units: int
    wall_deviation: float | None = None
    cpu_deviation: float | None = None
    correlation: float = 0.0
    unit_seconds: float | None = None
    series: int = 0
    alarms: int = 0
    foreign_cpu_share: float | None = None
    since: str = ""
    until: str = ""
    load: str = ""
    reason: str = ""

    @property
    def cell(self) -> str:
        """Id of the cell."""
        return self.measured.id


def floors(units: Iterable[PairResult], *, machine_id: str | None = None, load: str = "") -> list[Floor]:
    """The floor of each cell that has units of identical sides.

    Args:
        units: Whatever a store holds, in its order: others are left out, but tell which unit started its pair.
        machine_id: Of which machine; None is that of the last unit.
        load: Name of the load that ran beside.
    """
    units = list(units)
    if machine_id is None and units:
        machine_id = max(units, key=lambda unit: unit.started).machine.get("id")
    mine = [unit for unit in units if (unit.machine.get("id"), unit.load, unit.ruler) == (machine_id, load, RULER)]
    begun: dict[tuple[str, str], PairResult] = {}
    cells: dict[str, list[PairResult]] = {}
    for unit in mine:
        begun.setdefault((unit.comparison, unit.pair), unit)
        if unit.status == "ok" and unit.identical:
            cells.setdefault(unit.cell, []).append(unit)
    return [_floor(some, [unit for unit in begun.values() if unit.cell == cell]) for cell, some in cells.items()]


def _floor(units: Sequence[PairResult], begun: Sequence[PairResult]) -> Floor:
    """The floor of one cell.

    Args:
        units: Of identical sides.
        begun: Units of the cell that began their pair, planted or not: the others lack the start of processes.
    """
    days = sorted(unit.started[:10] for unit in units)
    measured = Cell(**units[-1].base["cell"])
    known = {
        "measured": measured,
        "units": len(units),
        "since": days[0],
        "until": days[-1],
        "load": units[0].load,
    }
    if len(units) < LEAST:
        return Floor(**known, reason=f"{len(units)} of the {LEAST} identical pairs that a floor needs at least")
    values = {clock: [sequential_test.value(unit, clock) for unit in units] for clock in CLOCKS}
    deviations = {clock: sequential_test.estimate(some).deviation for clock, some in values.items()}
    begun = [unit for unit in begun if unit.status == "ok"]
    seconds = [unit.seconds for unit in begun if unit.identical] or [unit.seconds for unit in begun]
    shares = [unit.foreign_cpu_share for unit in units if unit.foreign_cpu_share is not None]
    series, alarms = _alarms(values, Rule(clocks=sequential_test.clocks([measured])))
    return Floor(
        **known,
        wall_deviation=deviations["wall"],
        cpu_deviation=deviations["cpu"],
        correlation=_correlation(*values.values()) if all(deviations.values()) else 0.0,
        unit_seconds=median(seconds) if seconds else None,
        series=series,
        alarms=alarms,
        foreign_cpu_share=median(shares) if shares else None,
    )


def _correlation(wall: Sequence[float], cpu: Sequence[float]) -> float:
    import numpy as np

    return float(np.corrcoef(wall, cpu)[0, 1])


def _alarms(values: dict[str, Sequence[float]], rule: Rule) -> tuple[int, int]:
    """How many comparisons the units make, and how many of those are slower or faster at any look."""
    count = len(values["wall"])
    starts = range(0, count - LEAST + 1, LOOKS[-1])
    alarms = 0
    for start in starts:
        some = {clock: one[start : start + LOOKS[-1]] for clock, one in values.items()}
        looks = (number for number in LOOKS if number <= len(some["wall"]))
        said = (sequential_test.look({clock: one[:number] for clock, one in some.items()}, rule) for number in looks)
        alarms += any(one is not None and one.word in ("slower", "faster") for one in said)
    return len(starts), alarms


@cache
def findable(
    floor: Floor,
    seconds: float,
    *,
    waiting: bool = False,
    cells: int = 1,
    rule: Rule | None = None,
    power_wanted: float = detectable.POWER,
) -> float | None:
    """The smallest slowdown of this cell that is found in so much time; with the upper limit of its noise.

    Args:
        floor: Of the cell.
        seconds: How long the cell may be compared.
        waiting: Whether the candidate waits longer, which the wall clock alone sees, rather than works longer.
        cells: How many cells are tested together.
        rule: How sure a verdict must be; None is the rule for finding just this slowdown.
        power_wanted: Share of comparisons that find it.

    Returns:
        A share, e.g. 0.05; None where there is no time for the first look.
    """
    if floor.wall_deviation is None or not floor.unit_seconds:
        return None
    limit = detectable.limit(floor.units)
    return detectable.smallest(
        detectable.Noise(limit * floor.wall_deviation, limit * floor.cpu_deviation, floor.correlation),
        int(seconds // floor.unit_seconds),
        waiting=waiting,
        rule=(lambda _: rule)
        if rule
        else partial(Rule.for_effect, cells=cells, clocks=sequential_test.clocks([floor.measured])),
        power=power_wanted,
    )


def threshold(floor: Floor, *, cells: int = 1) -> float | None:
    """What a gate can ask of this machine: the extra work that is found in 5 minutes a cell."""
    return findable(floor, THRESHOLD_SECONDS, cells=cells)


def to_json(rows: Iterable[Floor]) -> list[dict]:
    """One object of plain values a floor; `findable` has a share of work and of waiting for each time."""
    return [{"cell_id": floor.cell, **asdict(floor), "findable": _found(floor)} for floor in rows]


def _found(floor: Floor) -> list[dict[str, float | None]]:
    return [
        {"seconds": time, "work": findable(floor, time), "waiting": findable(floor, time, waiting=True)}
        for time in TIMES
    ]


def markdown(rows: Iterable[Floor]) -> str:
    """A Markdown table, notes below."""
    rows = list(rows)
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    lines += [f"| `{floor.cell}` | {' | '.join(_figures(floor))} |" for floor in rows]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(rows)), ""])


def show(rows: Iterable[Floor], console) -> None:
    """Draws floors on a rich console; fits 80 columns."""
    rows = list(rows)
    short, same = labels.apart([floor.measured for floor in rows]) if rows else ([], [])
    title = f"Noise floor, and the smallest slowdown found ({', '.join(same)})" if same else "Noise floor"
    told = [(name, *_figures(floor)) for name, floor in zip(short, rows, strict=True)]
    table.draw(title, COLUMNS, told, console, left=COLUMNS[:1], whole=COLUMNS[1:])
    table.say(notes(rows), console)


def _figures(floor: Floor) -> tuple[str, ...]:
    """A text for each of `COLUMNS` but the name."""
    found = (f"{_percent(one['work'])}/{_percent(one['waiting'])}" for one in _found(floor))
    noise = f"{_percent(floor.wall_deviation)}/{_percent(floor.cpu_deviation)}"
    return (str(floor.units), noise, format.duration(floor.unit_seconds), *found)


def _percent(share: float | None) -> str:
    if share is None:
        return format.ABSENT
    return format.significant(100 * share, 2) if share < 1 else ">100"


def notes(rows: Sequence[Floor]) -> list[str]:
    """What the figures are, of when, what to doubt, and what to do about it."""
    told = [floor for floor in rows if not floor.reason]
    found = []
    if told:
        days = " to ".join(sorted({min(floor.since for floor in told), max(floor.until for floor in told)}))
        beside = f", beside a load of {told[0].load}" if told[0].load else ""
        found = [
            f"noise: standard deviation of a unit (a pair of processes of the same code), wall/CPU; {days}{beside}",
            "1, 5, 20 min: the smallest slowdown found in 9 of 10 comparisons of this cell alone; first extra work, "
            "which both clocks see, then waiting, which only the wall clock sees; no comparison takes more than "
            f"{LOOKS[-1]} units",
            f"they allow for {_growth(told)} more noise than was seen: so few units may show too little of it",
        ]
    if any(findable(floor, TIMES[0]) is None for floor in told):
        found.append(f"n/a: no time for the {LEAST} units of the first look")
    found += [f"{floor.cell}: n/a, {floor.reason}" for floor in rows if floor.reason]
    doubts = [f"{floor.cell}: {doubt}" for floor in told for doubt in _doubts(floor)]
    return [*found, *doubts, *([REMEDY] if doubts else [])]


def _growth(rows: Sequence[Floor]) -> str:
    """By how much the limits of some floors exceed what was seen: `8 to 35 %`."""
    shares = sorted({round(100 * (detectable.limit(floor.units) - 1)) for floor in rows})
    return " to ".join(map(str, dict.fromkeys((shares[0], shares[-1])))) + " %"


def _doubts(floor: Floor) -> list[str]:
    """What is bad about a floor."""
    found, least = [], threshold(floor)
    if floor.alarms:
        found.append(
            f"identical code was called different in {floor.alarms} of {floor.series} comparisons; by chance it is "
            "not 1 in 100: something favours one side, and this floor is too low"
        )
    if (floor.foreign_cpu_share or 0.0) > BUSY_SHARE:
        found.append(f"others used {100 * floor.foreign_cpu_share:.0f} % of the CPU meanwhile")
    if least is None or least > WANTED:
        found.append(f"a slowdown of {100 * WANTED:g} % is not found in {THRESHOLD_SECONDS / 60:g} minutes")
    return found
