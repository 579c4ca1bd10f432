"""Two stored sets of measurements -> cell by cell a ratio and a verdict: slower, same, faster or inconclusive."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from statistics import median

from bench.compare import ratios
from bench.compare.differences import differences
from bench.compare.partners import Pairs, pairs
from bench.compare.ratios import Noise, Ratio, Side
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.results.format import ABSENT
from bench.results.measurement import Measurement
from flowers_core.errors import InputError

MARGIN = 0.03  # two sets are the same within it; the guide's margin for finding 5 %
GAP_SECONDS = 3600  # a pause that makes two sessions of one

CLOCKS = {"wall": "step_seconds", "cpu": "step_cpu_seconds"}
WORDS = {"wall": "wall clock", "cpu": "CPU clock"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What two sets say of one cell.

    Attributes:
        cell: Cell of base, or of candidate where base lacks it.
        over: In what candidate's cell differs throughout, e.g. `precision float32, mixed_bfloat16`; mostly empty.
        per: `image` or `step`: what the seconds are of.
        base_seconds: Median over processes of each one's median wall seconds.
        candidate_seconds: Likewise.
        base_cpu_seconds: The same on the CPU clock.
        candidate_cpu_seconds: Likewise.
        ratio: Candidate over base on the wall clock, of geometric means over processes; below 1 is faster.
        low: Lower end of its 95 % interval.
        high: Upper end.
        cpu_ratio: Candidate over base on the CPU clock.
        cpu_low: Lower end of its 95 % interval.
        cpu_high: Upper end.
        base_processes: Fresh processes that gave a figure.
        candidate_processes: Likewise.
        session_sd: Standard deviation of a log figure between sessions that the intervals hold; 0 if measured together.
        session_freedom: Degrees of freedom that the sets themselves gave to it; 0 where it is only stated.
        verdict: `slower`, `faster`, `same`, `inconclusive` or `n/a`.
        reason: Which clock decided, or why there is no verdict.
    """

    cell: Cell
    over: str = ""
    per: str = "step"
    base_seconds: float | None = None
    candidate_seconds: float | None = None
    base_cpu_seconds: float | None = None
    candidate_cpu_seconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    cpu_ratio: float | None = None
    cpu_low: float | None = None
    cpu_high: float | None = None
    base_processes: int = 0
    candidate_processes: int = 0
    session_sd: float = 0.0
    session_freedom: int = 0
    verdict: str = "n/a"
    reason: str = ""

    def to_json(self) -> dict:
        """Plain values, flat but for the cell."""
        return {"cell_id": self.cell.id, **asdict(self)}


def load(path: Path, tell: Callable[[str], None] = lambda _: None) -> list[Measurement]:
    """Reads a set: a file of JSON lines, or a store, which is a folder.

    Args:
        path: Where it lies.
        tell: Is told in a sentence of lines that were left out because they are damaged.

    Raises:
        InputError: If nothing is there, nothing can be read, or a newer program wrote any of it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no {path}: give a .jsonl file of measurements, or a store such as results")
    loaded = store.load(Measurement, path) if path.is_dir() else store.read(Measurement, [path])
    damaged = loaded.damaged
    newer = [line for line in damaged if f"this program reads up to {Measurement.FORMAT}" in line]
    if newer:
        raise InputError(f"{path} was written by a newer program, update this one ({newer[0]})")
    if not loaded.results:
        said = f"{len(damaged)} damaged lines, the first: {damaged[0]}" if damaged else "it is empty"
        place = "measurements/*.jsonl of the folder" if path.is_dir() else "the file"
        raise InputError(f"{path} holds no measurement ({said}): expected JSON lines of `bench sweep` in {place}")
    if damaged:
        tell(f"{path}: left out {len(damaged)} damaged lines, the first: {damaged[0]}")
    return list(loaded.results)


def compare(
    base: Iterable[Measurement],
    candidate: Iterable[Measurement],
    *,
    margin: float = MARGIN,
    allow_mismatch: bool = False,
) -> list[Row]:
    """Compares two sets cell by cell; cells without a partner or a figure have a row that says so.

    Slower or faster is what the 99 % interval says on either clock, by Holm's method over all cells and clocks; the
    same is what lies inside the margin with its 90 % interval on both. On an accelerator the wall clock alone decides.

    Args:
        base: Measurements of the one.
        candidate: Of the other.
        margin: The share within which two figures are the same.
        allow_mismatch: Whether to give figures, without a verdict, of sets that are no fair pair.

    Raises:
        InputError: If the sets differ in what matters and `allow_mismatch` is not given, or if no cell is in both.
    """
    if not 0 < margin < 1:
        raise InputError(f"`margin` must be a share between 0 and 1, e.g. 0.03. Received: margin={margin!r}")
    base, candidate = list(base), list(candidate)
    found = pairs(base, candidate)
    said = _unlike(found, base, candidate)
    if said and not allow_mismatch:
        raise InputError(
            f"No verdict, the sets differ in what matters (base, candidate): {'; '.join(said)}. "
            "Measure both alike, or see the figures without a verdict by `--allow-mismatch`"
        )
    sides = _sides(found, base, candidate)
    common = {clock: ratios.noise(pair[clock] for pair in sides if all(pair[clock])) for clock in CLOCKS}
    results = [
        {clock: ratios.ratio(*pair[clock], common[clock]) for clock in CLOCKS if all(pair["wall"]) and all(pair[clock])}
        for pair in sides
    ]
    rows = []
    for pair, seconds, result, sure in zip(found.both, sides, results, _sure(found, results), strict=True):
        if not result:
            verdict, reason = ABSENT, _failure(pair, base, candidate)
        else:
            verdict, reason = (ABSENT, f"no verdict: {'; '.join(said)}") if said else _verdict(result, sure, margin)
        figures = _figures(seconds, result, common["wall"]) if result else {}
        names = {"cell": pair[0], "over": _over_words(found, pair), "per": _per(found, pair[0])}
        rows.append(Row(**names, verdict=verdict, reason=reason, **figures))
    rows += [Row(cell=cell, reason="candidate lacks it") for cell in found.only_base]
    return rows + [Row(cell=cell, reason="base lacks it") for cell in found.only_candidate]


def exit_code(rows: Iterable[Row]) -> int:
    """0 nothing slower, 1 something slower, 3 no cell has a verdict; inconclusive is one, though it clears nobody."""
    verdicts = {row.verdict for row in rows}
    if "slower" in verdicts:
        return 1
    return 3 if verdicts <= {ABSENT} else 0


def _unlike(found: Pairs, base: list[Measurement], candidate: list[Measurement]) -> list[str]:
    """What differs between the figures that have a partner."""
    mine, theirs = (
        [one for one in side if one.status == "ok" and one.cell in {pair[number] for pair in found.both}]
        for number, side in enumerate((base, candidate))
    )
    return differences(mine, theirs) if mine and theirs else []


def _sessions(base: list[Measurement], candidate: list[Measurement]) -> list[list[tuple[str, Measurement]]]:
    """The measurements of each side with their sessions: one sweep, unless it paused; else what ran without a pause.

    Only a sweep takes turns between its cells, so only a sweep can be a session that both sides share.
    """
    runs: dict[tuple, list[tuple[float, int, Measurement]]] = {}
    for number, side in enumerate((base, candidate)):
        for one in side:
            run = one.machine.get("id"), one.sweep or f"side {number}"
            runs.setdefault(run, []).append((_moment(one.started), number, one))
    found, last = ([], []), 0.0
    for run, members in runs.items():
        session = 0
        for moment, number, one in sorted(members, key=itemgetter(0)):
            session += moment - last > GAP_SECONDS
            found[number].append((f"{run} {session}", one))
            last = moment
    return list(found)


def _moment(started: str) -> float:
    """Seconds since 1970; 0 where the record does not say."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except ValueError:
        return 0.0


def _sides(found: Pairs, base: list[Measurement], candidate: list[Measurement]) -> list[dict[str, tuple[Side, Side]]]:
    """For each pair of cells and each clock the seconds of both sides' processes, by session."""
    sessions = _sessions(base, candidate)
    return [
        {
            clock: tuple(_side(some, cell, field, _per(found, cell)) for some, cell in zip(sessions, pair, strict=True))
            for clock, field in CLOCKS.items()
        }
        for pair in found.both
    ]


def _side(some: list[tuple[str, Measurement]], cell: Cell, field: str, per: str) -> Side:
    """Median seconds of each process of a cell, by session; a clock that stood still gives none."""
    side: Side = {}
    for session, one in some:
        if one.cell == cell and one.status == "ok" and getattr(one, field):
            seconds = median(getattr(one, field)) / (one.images_per_step if per == "image" else 1)
            if seconds > 0:
                side.setdefault(session, []).append(seconds)
    return side


def _per(found: Pairs, cell: Cell) -> str:
    """What seconds are of: a step only where a step is the same work on both sides."""
    return "image" if cell.model == NO_MODEL or found.over == "batch_size" else "step"


def _over_words(found: Pairs, pair: tuple[Cell, Cell]) -> str:
    """In what the two cells differ."""
    if pair[0] == pair[1]:
        return ""
    return f"{found.over} {', '.join(str(getattr(cell, found.over)) for cell in pair)}"


def _sure(found: Pairs, results: list[dict[str, Ratio]]) -> list[dict[str, bool]]:
    """For each pair which clocks judge it, and whether they are sure; an accelerator is judged by the wall clock."""
    judged = [
        (number, clock)
        for number, (pair, result) in enumerate(zip(found.both, results, strict=True))
        for clock in result
        if clock == "wall" or all(cell.device == "cpu" for cell in pair)
    ]
    sure: list[dict[str, bool]] = [{} for _ in results]
    chances = [results[number][clock].chance() for number, clock in judged]
    for (number, clock), is_sure in zip(judged, ratios.holm(chances), strict=True):
        sure[number][clock] = is_sure
    return sure


def _verdict(result: dict[str, Ratio], sure: dict[str, bool], margin: float) -> tuple[str, str]:
    """The verdict on a cell and which clock decided; the wall clock goes first, for it is what a user waits for."""
    said = {clock: "slower" if result[clock].log > 0 else "faster" for clock in sure if sure[clock]}
    if len(set(said.values())) == 2:
        return said["wall"], f"wall clock; by the CPU clock {said['cpu']}"
    if said:
        return next(iter(said.values())), " and ".join(WORDS[clock] for clock in said)
    if all(result[clock].is_same(margin) for clock in sure):
        return "same", f"within {100 * margin:g} % by {' and '.join(WORDS[clock] for clock in sure)}"
    return "inconclusive", f"neither sure nor within {100 * margin:g} %; more rounds and sessions narrow the intervals"


def _figures(seconds: dict[str, tuple[Side, Side]], result: dict[str, Ratio], common: Noise) -> dict:
    """The figures of a row."""
    figures = (
        {"session_sd": common.session_sd, "session_freedom": common.session_freedom} if result["wall"].apart else {}
    )
    for clock, ratio in result.items():
        prefix = "" if clock == "wall" else f"{clock}_"
        low, high = ratio.interval()
        figures |= {f"{prefix}ratio": ratio.centre, f"{prefix}low": low, f"{prefix}high": high}
        for name, side in zip(("base", "candidate"), seconds[clock], strict=True):
            figures[f"{name}_{prefix}seconds"] = median(value for values in side.values() for value in values)
            figures[f"{name}_processes"] = max(figures.get(f"{name}_processes", 0), sum(map(len, side.values())))
    return figures


def _failure(pair: tuple[Cell, Cell], base: list[Measurement], candidate: list[Measurement]) -> str:
    """Why there is nothing to compare: how the last measurement of each side without a figure ended."""
    said = []
    for name, cell, side in zip(("base", "candidate"), pair, (base, candidate), strict=True):
        mine = [one for one in side if one.cell == cell]
        if not any(one.status == "ok" for one in mine):
            said.append(f"{name} {mine[-1].status}: {mine[-1].reason}")
    return "; ".join(said) or "no step was timed"
