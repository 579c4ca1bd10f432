"""Compares two stored sets of measurements cell by cell, by the rule that live comparisons follow."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import TypeVar

from bench.compare import sequential_test
from bench.compare.differences import differences
from bench.compare.partners import Pairs, pairs
from bench.compare.sequential_test import MIN_PROCESSES, SINGLE_LOOK_LEVEL, Estimate, Rule, Verdict
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.results.format import ABSENT
from bench.results.measurement import Measurement
from bench.results.result import DONE, FAILED, NOTHING_MEASURED, chronological
from flowers_core.errors import InputError

MIN_EFFECT = 0.05
GAP_SECONDS = 3600  # a pause that makes two sessions of one

# Standard deviation of log seconds between two sessions of one machine and one code. Measured, see the guide: shared
# machines differ by up to 20 % from day to day (20 % is the 95 % bound of a difference, 1.96 * sqrt(2) * sd, at 0.066)
# and a process drifts by 6 to 9 % between two blocks of one hour.
SESSION_SD = 0.07

FIELDS = {"wall": "step_seconds", "cpu": "step_cpu_seconds"}

Processes = list[tuple[str, float]]  # the session and the median seconds of each
Member = TypeVar("Member")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What two sets say of one cell.

    Attributes:
        cell: Cell of base, or of candidate where base lacks it.
        verdict: Its word is `n/a` where there is none, and its reason says why.
        over: In what candidate's cell differs throughout, e.g. `precision float32, mixed_bfloat16`; mostly empty.
        per: `image` or `step`: what the seconds are of.
        seconds: By clock, base's and candidate's: the median over processes of each one's median.
        processes: How many fresh processes of base and of candidate gave a figure.
        session_sd: Standard deviation of a log figure between sessions that the intervals hold; 0 if measured together.
    """

    cell: Cell
    verdict: Verdict
    over: str = ""
    per: str = "step"
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    processes: tuple[int, int] = (0, 0)
    session_sd: float = 0.0

    def ratio(self, clock: str = "wall") -> float | None:
        """Candidate over base: of geometric means over processes, or where these are too few, of medians."""
        if clock in self.verdict.estimates:
            return self.verdict.estimates[clock].ratio
        return self.seconds[clock][1] / self.seconds[clock][0] if clock in self.seconds else None

    def to_json(self) -> dict:
        """Plain values, flat but for the cell; those of the CPU clock begin with `cpu_`."""
        values = {"cell_id": self.cell.id, "cell": asdict(self.cell), "over": self.over, "per": self.per}
        for clock in FIELDS:
            prefix = "" if clock == "wall" else f"{clock}_"
            base, candidate = self.seconds.get(clock, (None, None))
            estimate = self.verdict.estimates.get(clock)
            values |= {f"base_{prefix}seconds": base, f"candidate_{prefix}seconds": candidate}
            values |= {f"{prefix}ratio": self.ratio(clock)}
            values |= {f"{prefix}{end}": getattr(estimate, end, None) for end in ("low", "high", "p")}
        return values | {
            "base_processes": self.processes[0],
            "candidate_processes": self.processes[1],
            "session_sd": self.session_sd,
            "verdict": self.verdict.word,
            "clock": self.verdict.clock,
            "reason": self.verdict.reason,
        }


def load(path: Path) -> list[Measurement]:
    """Reads a set: a file of JSON lines, or a store, which is a folder.

    Args:
        path: Where it is.

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
        reason = f"{len(damaged)} damaged lines, the first: {damaged[0]}" if damaged else "it is empty"
        place = "measurements/*.jsonl of the folder" if path.is_dir() else "the file"
        raise InputError(f"{path} holds no measurement ({reason}): expected JSON lines of `bench sweep` in {place}")
    return list(loaded.results)


def compare(
    base: Iterable[Measurement],
    candidate: Iterable[Measurement],
    *,
    min_effect: float = MIN_EFFECT,
    allow_mismatch: bool = False,
) -> list[Row]:
    """Compares two sets cell by cell; cells without a partner or a figure have a row that says so.

    The processes of a cell are compared by Welch's test on the logarithms of their medians, and the estimates decided
    by `sequential_test`: the same levels and margins as for live pairs, with all cells and clocks tested together.

    Args:
        base: Measurements of one set.
        candidate: Of the other.
        min_effect: The smallest slowdown that matters, see `Rule.for_effect`.
        allow_mismatch: Whether to give figures, without a verdict, of sets that are no fair pair.

    Raises:
        InputError: If the sets differ in what matters and `allow_mismatch` is not given, or if no cell is in both.
    """
    if not 0 < min_effect < 1:
        raise InputError(f"`min_effect` must be a share between 0 and 1, e.g. 0.05. Received: min_effect={min_effect}")
    base, candidate = chronological(base), chronological(candidate)
    partners = pairs(base, candidate)
    mismatch = _mismatch(partners, base, candidate)
    if mismatch and not allow_mismatch:
        raise InputError(
            f"No verdict, for base and candidate differ in {mismatch[0]}{'; also in ' * bool(mismatch[1:])}"
            f"{'; '.join(mismatch[1:])}. "
            "Measure both alike, or see the figures without a verdict by `--allow-mismatch`"
        )
    clocks = sequential_test.clocks(cell for pair in partners.both for cell in pair)
    rule = Rule.for_effect(min_effect, cells=len(partners.both), clocks=clocks, look_level=SINGLE_LOOK_LEVEL)
    processes = _processes(partners, base, candidate)
    by_cell = [_by_cell((stored.cell, stored) for stored in side) for side in (base, candidate)]
    verdicts = [
        _verdict(by_clock, rule) if by_clock else _no_verdict(_failure(pair, by_cell))
        for pair, by_clock in zip(partners.both, processes, strict=True)
    ]
    verdicts = sequential_test.holm(verdicts, rule)
    rows = [
        Row(
            cell=pair[0],
            verdict=_no_verdict(f"no verdict: {'; '.join(mismatch)}", verdict) if mismatch and by_clock else verdict,
            over=_over_text(partners, pair),
            per=_per(partners, pair[0]),
            seconds={clock: (_median(mine), _median(other)) for clock, (mine, other) in by_clock.items()},
            processes=(len(by_clock["wall"][0]), len(by_clock["wall"][1])) if by_clock else (0, 0),
            session_sd=SESSION_SD if by_clock and _apart(*by_clock["wall"]) else 0.0,
        )
        for pair, by_clock, verdict in zip(partners.both, processes, verdicts, strict=True)
    ]
    rows += [Row(cell=cell, verdict=_no_verdict("candidate lacks it")) for cell in partners.only_base]
    return rows + [Row(cell=cell, verdict=_no_verdict("base lacks it")) for cell in partners.only_candidate]


def exit_code(rows: Iterable[Row]) -> int:
    """0 nothing slower, 1 something slower, 3 no cell has a verdict; inconclusive is one, though it is no pass."""
    words = {row.verdict.word for row in rows}
    if "slower" in words:
        return FAILED
    return NOTHING_MEASURED if words <= {ABSENT} else DONE


def _verdict(by_clock: dict[str, tuple[Processes, Processes]], rule: Rule) -> Verdict:
    """The verdict on one cell."""
    counts = tuple(map(len, by_clock["wall"]))
    if min(counts) < MIN_PROCESSES:
        wanted = f"a verdict needs {MIN_PROCESSES} on both sides, `python -m bench sweep --rounds {MIN_PROCESSES}`"
        reason = "too few processes ({} and {}): {}".format(*counts, wanted)
        return Verdict(word="inconclusive", estimates={}, reason=reason)
    estimates = {clock: _estimate(*by_clock[clock]) for clock in FIELDS if clock in by_clock}
    deciding = {clock: estimates[clock] for clock in rule.clocks if clock in estimates}
    decision = sequential_test.decide(deciding, rule)
    if decision is None:
        reason = "neither sure nor within the margin; more processes and sessions narrow the intervals"
        return Verdict(word="inconclusive", estimates=deciding, reason=reason)
    word, clock = decision
    return Verdict(word=word, clock=clock, estimates=deciding)


def _median(processes: Processes) -> float:
    return median(seconds for _, seconds in processes)


def _no_verdict(reason: str, verdict: Verdict | None = None) -> Verdict:
    return Verdict(word=ABSENT, estimates=verdict.estimates if verdict else {}, reason=reason)


def _estimate(base: Processes, candidate: Processes) -> Estimate:
    """What two sides say on one clock."""
    sides = ([math.log(seconds) for _, seconds in side] for side in (base, candidate))
    return sequential_test.welch(*sides, extra_variance=_apart(base, candidate) * SESSION_SD**2)


def _apart(base: Processes, candidate: Processes) -> float:
    """How often the variance between sessions is in the difference of two sides.

    Each session weighs by its share of a side's processes. One that both sides share alike drifts for both: it cancels.
    """
    shares = []
    for side in (base, candidate):
        counts = Counter(session for session, _ in side)
        shares.append({session: count / len(side) for session, count in counts.items()})
    mine, other = shares
    return sum((mine.get(session, 0.0) - other.get(session, 0.0)) ** 2 for session in {*mine, *other})


def _mismatch(partners: Pairs, base: list[Measurement], candidate: list[Measurement]) -> list[str]:
    """What differs between the figures that have a partner."""
    cells = [{pair[number] for pair in partners.both} for number in (0, 1)]
    mine, theirs = (
        [stored for stored in side if stored.status == "ok" and stored.cell in compared]
        for side, compared in zip((base, candidate), cells, strict=True)
    )
    return differences(mine, theirs) if mine and theirs else []


def _sessions(base: Sequence[Measurement], candidate: Sequence[Measurement]) -> list[list[tuple[str, Measurement]]]:
    """The measurements of each side with their sessions: one sweep, unless it paused; else what ran without a pause.

    Only a sweep lets its cells take turns, so only a sweep can be a session that both sides share.
    """
    runs: dict[tuple, list[tuple[float, int, Measurement]]] = {}
    for number, side in enumerate((base, candidate)):
        for measurement in side:
            run = measurement.machine.get("id"), measurement.sweep or f"set {number}"
            runs.setdefault(run, []).append((_moment(measurement.started), number, measurement))
    by_side, last = ([], []), 0.0
    for run, members in runs.items():
        session = 0
        for moment, number, measurement in sorted(members, key=itemgetter(0)):
            session += moment - last > GAP_SECONDS
            by_side[number].append((f"{run} {session}", measurement))
            last = moment
    return list(by_side)


def _moment(started: str) -> float:
    """Seconds since 1970; 0 where the measurement does not say."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except ValueError:
        return 0.0


def _processes(
    partners: Pairs, base: Sequence[Measurement], candidate: Sequence[Measurement]
) -> list[dict[str, tuple[Processes, Processes]]]:
    """For each pair of cells and each clock the processes of both sides; empty where a side has no wall time."""
    base_sessions, candidate_sessions = (
        _by_cell((stored.cell, (session, stored)) for session, stored in side) for side in _sessions(base, candidate)
    )
    processes = []
    for mine, other in partners.both:
        by_clock = {}
        for clock, name in FIELDS.items():
            sides = (
                _medians(base_sessions.get(mine, ()), name, _per(partners, mine)),
                _medians(candidate_sessions.get(other, ()), name, _per(partners, other)),
            )
            if all(sides):
                by_clock[clock] = sides
        processes.append(by_clock if "wall" in by_clock else {})
    return processes


def _by_cell(members: Iterable[tuple[Cell, Member]]) -> dict[Cell, list[Member]]:
    """What belongs to each cell, found once: to look through a set for each of its cells is quadratic."""
    cells: dict[Cell, list[Member]] = {}
    for cell, member in members:
        cells.setdefault(cell, []).append(member)
    return cells


def _medians(of_cell: Iterable[tuple[str, Measurement]], name: str, per: str) -> Processes:
    """The median seconds of each process of a cell, with its session; a clock that stood still gives none."""
    medians = [
        (session, median(getattr(stored, name)) / (stored.images_per_step if per == "image" else 1))
        for session, stored in of_cell
        if stored.status == "ok" and getattr(stored, name)
    ]
    return [(session, seconds) for session, seconds in medians if seconds > 0]


def _per(partners: Pairs, cell: Cell) -> str:
    """What seconds are of: a step only where a step is the same work on both sides."""
    return "image" if cell.model == NO_MODEL or partners.over == "batch_size" else "step"


def _over_text(partners: Pairs, pair: tuple[Cell, Cell]) -> str:
    """In what the two cells differ."""
    if pair[0] == pair[1]:
        return ""
    return f"{partners.over} {', '.join(str(getattr(cell, partners.over)) for cell in pair)}"


def _failure(pair: tuple[Cell, Cell], sides: Sequence[Mapping[Cell, Sequence[Measurement]]]) -> str:
    """Why there is nothing to compare: how the last measurement of each side without a figure ended."""
    reasons = []
    for name, cell, side in zip(("base", "candidate"), pair, sides, strict=True):
        measured = side[cell]
        if not any(stored.status == "ok" for stored in measured):
            reasons.append(f"{name} {measured[-1].status}: {measured[-1].reason}")
    return "; ".join(reasons) or "no step was timed"
