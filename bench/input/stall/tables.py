"""Everything that stored results say of stalls on one machine: verdicts, plans, what-ifs, emulated accelerators."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.input.stall import plan_table, planner, stall_table, three_runs, verdict
from bench.input.stall.accelerators import PUBLISHED, Workload
from bench.input.stall.emulate import Emulation
from bench.input.stall.planner import Plan, Supply
from bench.input.stall.stages import Stages
from bench.input.stall.three_runs import ThreeRuns
from bench.results import identity, result, store, summary
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import Result
from bench.results.summary import Summary
from bench.results.table import Table, markdown_code, markdown_text
from flowers_core.models import MODELS

FED = Cell(model="dense", pipeline="records_parallel")  # loads whatever a pipeline and a step load


@dataclass(frozen=True, kw_only=True)
class StallReport:
    """What is known.

    Attributes:
        stalls: Fed cells, each measured by three processes per round.
        plans: How each demand is met best.
        supplies: Pipelines alone.
        stages: Costs of stages by kind of data.
        emulations: Emulated accelerators.
        cores: Of the host.
    """

    stalls: tuple[ThreeRuns, ...]
    plans: tuple[Plan, ...]
    supplies: tuple[Supply, ...]
    stages: dict[str, Stages]
    emulations: tuple[Emulation, ...]
    cores: int

    def tables(self) -> list[Table]:
        """A table for everything that there is something to show of."""
        shown = stall_table.tables(self.stalls)
        if self.plans and self.supplies:
            shown.append(plan_table.plan(self.plans, cores=self.cores))
        if self.supplies:
            shown.append(plan_table.what_if(self.supplies))
        if self.supplies and self.stages:
            shown.append(plan_table.other_sizes(self.supplies, self.stages))
        return [*shown, plan_table.emulated_accelerators(self.emulations)] if self.emulations else shown

    def plain(self) -> list[dict]:
        """One object of plain values for each verdict, plan and emulation."""
        return [*stall_table.plain(self.stalls), *plan_table.plain(self.plans, self.emulations)]


def report(
    measurements: Iterable[Measurement],
    *,
    results: Path,
    stalls: Iterable[ThreeRuns],
    models: Container[str] = MODELS,
    workloads: Iterable[Workload] = PUBLISHED,
    emulations: Iterable[Emulation] = (),
) -> StallReport:
    """Puts together what the measurements of one machine say.

    Args:
        measurements: Of one machine and one code; those of other settings than that of the last are left out, and so
            are those of other data than what was read last.
        results: The store, for the costs of stages.
        stalls: Those to show.
        models: Those to plan for.
        workloads: Accelerators besides the models that were measured.
        emulations: Those to show.
    """
    measurements = list(measurements)
    machine = measurements[-1].machine if measurements else {}
    alike = [entry for entry in measurements if identity.agree(entry.machine, machine, [entry.cell])]
    read = _read_last(alike)
    summaries = [
        known for known in _latest(summary.by_cell(alike)) if _is_read(known.measurement, known.cell.reads, read)
    ]
    supplies = planner.supplies(summaries)
    stored = store.load(Stages, results).results
    costs = [stages for stages in stored if _is_of(machine, stages) and _is_read(stages, stages.kind, read)]
    stages = result.latest(costs, lambda stages: stages.kind)
    demands = planner.demands((known for known in summaries if known.cell.model in models), workloads)
    memory = machine.get("memory_bytes") or 0
    return StallReport(
        stalls=tuple(stalls),
        plans=tuple(planner.plan(demand, supplies, memory_bytes=memory, stages=stages) for demand in demands),
        supplies=tuple(supplies),
        stages=stages,
        emulations=tuple(emulations),
        cores=machine.get("usable_cores") or 1,
    )


def _is_of(machine: dict, measured: Stages | Emulation) -> bool:
    """Whether a result of a pipeline is of a machine in its setting."""
    return measured.machine.get("id") == machine.get("id") and identity.agree(measured.machine, machine, [FED])


def _read_last(measurements: Iterable[Measurement]) -> dict[str, dict]:
    """What was read last, by kind: the photos or records, and of the other kind what is of photos of the same name."""
    read: dict[str, dict] = {}
    for measured in sorted(measurements, key=lambda measured: measured.started, reverse=True):
        content = identity.content(measured.data)
        others = [other.get("photos") for other in read.values()]
        if content and (not others or content.get("photos") in others):
            read.setdefault(measured.cell.reads, content)
    return read


def _is_read(measured: Result, kind: str, read: Mapping[str, dict]) -> bool:
    """Whether a result is of the data that was read last; one that read nothing, or says nothing of it, is of any."""
    content = identity.content(measured.data)
    return not (kind and content and read) or content == read.get(kind)


def _latest(summaries: Iterable[Summary]) -> list[Summary]:
    """Of each cell in each setting the summary of which a measurement came last."""
    ordered = sorted(summaries, key=lambda known: known.measurement.started)
    return list({(known.cell, identity.setting_of_any_code(known.measurement)): known for known in ordered}.values())


def last(results: Path, measurements: Sequence[Measurement]) -> tuple[list[ThreeRuns], list[Emulation]]:
    """The latest stalls that measurements show, and the latest emulation of each workload on their machines."""
    machines = {measurement.machine.get("id"): measurement.machine for measurement in measurements}
    emulations = store.load(Emulation, results).results
    stored = [run for run in emulations if _is_of(machines.get(run.machine.get("id"), {"id": "none"}), run)]
    newest = result.latest(stored, lambda run: (run.workload, run.pipeline))
    return three_runs.latest(verdict.group(results, measurements)), list(newest.values())


def markdown(tables: Iterable[Table], title: str, *, origin: str, command: str) -> str:
    """Tables as Markdown, under where their figures come from and above the command that measures them again."""
    parts = (table.markdown(level=2) for table in tables)
    return "\n".join(
        [f"# {markdown_text(title)}\n", f"{markdown_text(origin)}\n", *parts, f"{markdown_code(command)}\n"]
    )
