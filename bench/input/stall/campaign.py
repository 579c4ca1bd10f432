"""Runs what `stall` plans: three processes for each cell, then emulated accelerators; stores each result at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bench.input.stall import emulate, tables, three_runs, verdict
from bench.input.stall.accelerators import Workload
from bench.input.stall.emulate import Emulation
from bench.input.stall.tables import StallReport
from bench.machine import facts
from bench.results import identity, labels, store, summary
from bench.results.cell import INPUT_OPTIONS, Cell
from bench.results.measurement import Measurement
from bench.results.result import DONE, FAILED, NOTHING_MEASURED, folders, new_mark, quote
from bench.results.table import say
from bench.run import product, sweep, sweep_progress
from bench.run.data_source import Source
from bench.run.durations import forecast, rough
from bench.run.product import InputError, ReportedError
from bench.run.timing import Effort
from flowers_core import progress
from flowers_core.cli import entry

EMULATION_SECONDS = 3.0  # of one emulation, after its warm-up
MOST_EMULATION_SECONDS = 60.0  # of one emulation: a slow pipeline needs long for 8 steps


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What is to be measured.

    Attributes:
        sweep: The cells that can be measured.
        absent: Fed cells that cannot, each with the reason.
        emulations: Workload and pipeline of each.
        timeout_seconds: For one process.
    """

    sweep: sweep.Sweep
    absent: tuple[tuple[Cell, str], ...]
    emulations: tuple[tuple[Workload, str], ...]
    timeout_seconds: float


def plan(
    fed: Iterable[Cell],
    alone: Iterable[Cell],
    emulations: Iterable[tuple[Workload, str]],
    source: Source,
    *,
    rounds: int,
    seconds: float,
    timeout: float,
) -> Campaign:
    """Plans a campaign; sets apart what cannot be measured, such as models of 331 pixels where records have 192.

    Args:
        fed: Models fed by a pipeline.
        alone: Pipelines alone, measured for the planner where their data is there.
        emulations: Workload and pipeline of each.
        source: The folders of photos and records.
        rounds: Of three fresh processes per cell.
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
    readable = [cell for cell in alone if not _why_not(cell, source)]
    return Campaign(
        sweep=sweep.Sweep(
            id=new_mark(),
            cells=tuple(dict.fromkeys([*readable, *three_runs.cells(able)])),
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
    if reason := product.why_not_input(cell.pipeline, cell.input_options):
        return reason
    try:
        sweep.check([cell], source.with_image_size(cell.image_size))
    except InputError as error:
        wanted = source.records_of_size(cell.image_size) if cell.reads == "records" else ""
        return f"{error}{f'; those in a folder {Path(wanted).name} beside them are found' if wanted else ''}"
    return ""


def run(campaign: Campaign, results: Path, *, tell: Callable[[str], object]) -> tuple[int, StallReport]:
    """Measures and emulates; Ctrl-C ends it with what there is.

    Returns:
        Exit code, as `sweep_progress.run` gives it or 130, and what is known now; nothing is known, and a cell counts
        as failed, where the code changed meanwhile.
    """
    code = 0
    for cell, reason in campaign.absent:
        store.append(replace(sweep.not_tried(cell, reason), sweep=campaign.sweep.id), results)
    limits = sweep.Limits(timeout_seconds=campaign.timeout_seconds)
    try:
        if campaign.sweep.cells:
            code = sweep_progress.run(campaign.sweep, results, limits=limits, show=lambda *_: None)
        code = max(code, _emulate(campaign, results, tell))
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
        again = f"python -m bench stall --show-last{store.option(results)}"
        tell(f"interrupted: what has ended is kept and shown; `{again}` shows it again")
    if campaign.sweep.cells and campaign.sweep.code != facts.code_digest():
        tell("flowers_core changed while it was measured, and no verdict mixes two codes: measure again")
        code = max(code, FAILED)
    mark, ours = campaign.sweep.id, _ours(results)
    measured = [measurement for measurement in ours if measurement.sweep == mark]
    stalls = three_runs.group(measured)
    verdict.keep(stalls, results)
    return code, tables.report(
        ours,
        results=results,
        stalls=stalls,
        models={measurement.cell.model for measurement in measured},
        workloads=dict.fromkeys(workload for workload, _ in campaign.emulations),
        emulations=[run for run in store.load(Emulation, results).results if run.campaign == mark],
    )


def _emulate(campaign: Campaign, results: Path, tell: Callable[[str], object]) -> int:
    """Emulates what is planned, and gives the exit code: what has ended is kept, whatever becomes of the others."""
    jobs, statuses = campaign.emulations, []
    if not jobs:
        return DONE
    by = f"and what warming up takes; {rough(MOST_EMULATION_SECONDS)} each at most"
    tell(forecast(f"{len(jobs)} emulated accelerators", EMULATION_SECONDS * len(jobs), by=by))
    emulations = emulate.run(
        jobs,
        campaign.sweep.source,
        seconds=EMULATION_SECONDS,
        campaign=campaign.sweep.id,
        timeout=MOST_EMULATION_SECONDS * len(jobs),
    )
    try:
        for emulation in progress.track(emulations, "emulated accelerators", len(jobs)):
            store.append(emulation, results)
            statuses.append(emulation.status)
    except ReportedError as error:
        tell(f"{error}: {len(jobs) - len(statuses)} accelerators were not emulated")
        return FAILED
    if "ok" not in statuses and not campaign.sweep.cells:
        return NOTHING_MEASURED
    return FAILED if "error" in statuses else DONE


def _ours(results: Path) -> list[Measurement]:
    """Stored measurements of this machine and the current code."""
    stored = store.load(Measurement, results).results
    return summary.current(stored)


def load_last(results: Path) -> StallReport:
    """What the store says of this machine as it is now and the current code.

    Raises:
        InputError: If that is nothing.
    """
    now = facts.fingerprint()
    measured = [entry for entry in _ours(results) if identity.agree(entry.machine, now, [entry.cell])]
    stalls, emulations = tables.last(results, measured)
    if not stalls:
        raise InputError(f"{results} holds no verdict of this machine and this code. Leave out --show-last to measure")
    return tables.report(measured, results=results, stalls=stalls, emulations=emulations)


def command(known: StallReport, results: Path) -> str:
    """What measures and emulates again what is known."""
    cells = [runs.cell for runs in known.stalls]
    chosen = {"model": {cell.model for cell in cells}, "pipeline": {cell.pipeline for cell in cells}}
    options = "".join(f" --{name} {quote(','.join(sorted(names)))}" for name, names in chosen.items() if names)
    for name, usual in (("batch_size", None), ("precision", "float32")):
        values = {getattr(cell, name) for cell in cells}
        if len(values) == 1 and values != {usual}:
            options += f" --{name.replace('_', '-')} {values.pop()}"
    for name in INPUT_OPTIONS:
        texts = sorted({str(labels.input_value(cell, name)) for cell in cells})
        if any(name in cell.input_options for cell in cells):
            options += f" --{name.replace('_', '-')} {','.join(texts)}"
    options += " --emulated" * (not cells)
    read = [runs.measurement.data for runs in known.stalls] + [run.data for run in known.emulations]
    return f"python -m bench stall{options}{folders(*read)}{store.option(results)}"


def show(known: StallReport, results: Path) -> None:
    """Draws all tables, and keeps them as Markdown."""
    from rich import console

    if not (known.stalls or known.emulations):
        return  # interrupted before there was a verdict
    terminal, shown = console.Console(), known.tables()
    for table in shown:
        table.draw(terminal)
    origin = (known.stalls[-1].measurement if known.stalls else known.emulations[-1]).origin
    text = tables.markdown(shown, "Input stalls", origin=origin, command=command(known, results))
    store.save_table("stall.md", text, results)
    say(terminal, origin, style="dim")
