"""Runs what `feed` was asked for: cells three times each, then emulated accelerators; each is stored as it ends."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.input.stall import emulate, tables, three_runs
from bench.input.stall.emulate import Consumer, Emulated
from bench.input.stall.tables import Account
from bench.machine import facts
from bench.results import store, summary, table
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.run import sweep, sweep_progress
from bench.run.data_source import Source
from bench.run.failures import InputError, ReportedError
from bench.run.timing import Effort
from flowers_core import progress
from flowers_core.cli import entry

EMULATION_SECONDS = 3.0  # of one emulation, after its warm-up
MOST_EMULATION_SECONDS = 60.0  # of one emulation: a slow pipeline needs long for 8 steps


@dataclass(frozen=True, kw_only=True)
class Feeding:
    """What is to be done.

    Attributes:
        sweep: The cells that can be measured.
        absent: Fed cells that cannot, each with the reason.
        emulations: Consumer and pipeline of each.
        timeout_seconds: For one process.
    """

    sweep: sweep.Sweep
    absent: tuple[tuple[Cell, str], ...]
    emulations: tuple[tuple[Consumer, str], ...]
    timeout_seconds: float


def plan(
    fed: Iterable[Cell],
    beside: Iterable[Cell],
    emulations: Iterable[tuple[Consumer, str]],
    source: Source,
    *,
    rounds: int,
    seconds: float,
    timeout: float,
) -> Feeding:
    """Sets apart what cannot be measured, such as models of 331 pixels where records have 192.

    Args:
        fed: Models fed by a pipeline.
        beside: Pipelines alone, measured for the planner where their data is there.
        emulations: Consumer and pipeline of each.
        source: Where photos and records lie.
        rounds: Of three fresh processes a cell.
        seconds: How long each is timed.
        timeout: Seconds for one process.

    Raises:
        InputError: If none can be measured; the message is the first one's.
    """
    reasons = {cell: _why_not(cell, source) for cell in fed}
    able = [cell for cell, reason in reasons.items() if not reason]
    if not able and (reasons or not emulations):
        raise InputError(
            next(iter(reasons.values()), "No published accelerator trains that model: give --step-times FILE")
        )
    source.classes(able)  # of photos and records, where both feed models
    others = [cell for cell in beside if not _why_not(cell, source)]
    return Feeding(
        sweep=sweep.Sweep(
            id=datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ"),
            cells=tuple(dict.fromkeys([*others, *three_runs.cells(able)])),
            rounds=rounds,
            effort=Effort(seconds=seconds),
            source=source,
            code=facts.code_digest(),
        ),
        absent=tuple((cell, reason) for cell, reason in reasons.items() if reason),
        emulations=tuple(emulations),
        timeout_seconds=timeout,
    )


def _why_not(cell: Cell, source: Source) -> str:
    try:
        sweep.check([cell], source.sized(cell.image_size))
    except InputError as error:
        beside = source.beside(cell.image_size) if cell.reads == "records" else ""
        return f"{error}{f'; those in a folder {Path(beside).name} beside them are found' if beside else ''}"
    return ""


def run(planned: Feeding, results: Path, *, tell: Callable[[str], None]) -> tuple[int, Account]:
    """Measures and emulates; Ctrl-C ends it with what there is.

    Returns:
        Exit code, as `sweep_progress.run` gives it or 130, and what is known now.
    """
    code, place = 0, {"machine": facts.fingerprint(), "code": facts.code()}
    for cell, reason in planned.absent:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        absent = Measurement(cell=cell, status="n/a", reason=reason, started=started, sweep=planned.sweep.id, **place)
        store.append(absent, results)
    limits = sweep.Limits(timeout_seconds=planned.timeout_seconds)
    try:
        if planned.sweep.cells:
            code = sweep_progress.run(planned.sweep, results, limits=limits, show=lambda *_: None)
        code = max(code, _emulate(planned, results, tell))
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
        tell("interrupted: what has ended is kept and shown; `python -m bench stall --show-last` shows it again")
    mark = planned.sweep.id
    ours = [one for one in store.load(Measurement, results).results if summary.is_current(one)]
    measured = [one for one in ours if one.sweep == mark]
    emulations = [one for one in store.load(Emulated, results).results if one.campaign == mark]
    consumers = dict.fromkeys(consumer for consumer, _ in planned.emulations)
    return code, tables.of(
        ours,
        results=results,
        trios=three_runs.trios(measured),
        models={one.cell.model for one in measured},
        consumers=consumers,
        emulations=emulations,
    )


def _emulate(planned: Feeding, results: Path, tell: Callable[[str], None]) -> int:
    """Emulates what is planned, and gives the exit code: what has ended is kept, whatever becomes of the others."""
    jobs, statuses = planned.emulations, []
    if not jobs:
        return sweep_progress.DONE
    found = emulate.run(
        jobs,
        planned.sweep.source,
        seconds=EMULATION_SECONDS,
        campaign=planned.sweep.id,
        timeout=MOST_EMULATION_SECONDS * len(jobs),
    )
    try:
        for one in progress.track(found, "emulated accelerators", len(jobs)):
            store.append(one, results)
            statuses.append(one.status)
    except ReportedError as error:
        tell(f"{error}: {len(jobs) - len(statuses)} accelerators were not emulated")
        return sweep_progress.SOME_FAILED
    if "ok" not in statuses and not planned.sweep.cells:
        return sweep_progress.NOTHING_MEASURED
    return sweep_progress.SOME_FAILED if "error" in statuses else sweep_progress.DONE


def stored(results: Path) -> Account:
    """What the store says of this machine and the code as it is.

    Raises:
        InputError: If that is nothing.
    """
    measured = [one for one in store.load(Measurement, results).results if summary.is_current(one)]
    trios, emulations = tables.last(results, measured)
    if not trios:
        raise InputError(
            f"{results} holds no verdict of this machine and this code. Leave out --show-last, and some are made"
        )
    return tables.of(measured, results=results, trios=trios, emulations=emulations)


def show(found: Account, results: Path) -> None:
    """Draws all tables, and keeps them as Markdown."""
    from rich import console

    views = found.views()
    if not (found.trios or found.emulations):
        return  # interrupted before there was a verdict
    tables.draw(views, console.Console())
    place = _place(found.trios, found.emulations)
    store.save_table(
        "stall.md", tables.markdown(views, "Feeding", place=place, command="python -m bench stall"), results
    )
    console.Console().print(place, style="dim", highlight=False, markup=False)


def _place(trios: Sequence[three_runs.Trio], emulations: Sequence[Emulated]) -> str:
    one = trios[-1].measurement if trios else emulations[-1]
    return table.place_line(one.machine, one.code, one.started)
