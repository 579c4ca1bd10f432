"""Everything that stored results say of stalls on one machine: verdicts, plans, what-ifs, emulated accelerators."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.input.stall import plan_table, planner, stall_table, three_runs
from bench.input.stall.accelerators import PUBLISHED, Workload
from bench.input.stall.emulate import Emulation
from bench.input.stall.planner import Plan, Supply
from bench.input.stall.stages import Stages
from bench.input.stall.three_runs import ThreeRuns
from bench.results import result, store, summary
from bench.results.measurement import Measurement
from bench.results.summary import Summary
from bench.results.table import Table, markdown_code, markdown_text
from flowers_core.models import MODELS


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
        return [*shown, plan_table.emulated(self.emulations)] if self.emulations else shown

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
        measurements: Of one machine and one code.
        results: The store, for the costs of stages.
        stalls: Those to show.
        models: Those to plan for.
        workloads: Accelerators besides the models that were measured.
        emulations: Those to show.
    """
    measurements = list(measurements)
    summaries = _latest(summary.by_cell(measurements))
    supplies = planner.supplies(summaries)
    machine = measurements[-1].machine if measurements else {}
    costs = [stages for stages in store.load(Stages, results).results if stages.machine.get("id") == machine.get("id")]
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


def _latest(summaries: Iterable[Summary]) -> list[Summary]:
    """Of each cell with each data the summary of which a measurement came last."""
    ordered = sorted(summaries, key=lambda known: known.measurement.started)
    return list({(known.cell, known.measurement.data.get("photos")): known for known in ordered}.values())


def last(results: Path, measurements: Sequence[Measurement]) -> tuple[list[ThreeRuns], list[Emulation]]:
    """The latest stalls that measurements show, and the latest emulation of each workload on their machines."""
    machines = {measurement.machine.get("id") for measurement in measurements}
    stored = [run for run in store.load(Emulation, results).results if run.machine.get("id") in machines]
    newest = result.latest(stored, lambda run: (run.workload, run.pipeline))
    return three_runs.latest(three_runs.group(measurements)), list(newest.values())


def markdown(tables: Iterable[Table], title: str, *, origin: str, command: str) -> str:
    """Tables as Markdown, under where their figures come from and above the command that measures them again."""
    parts = (table.markdown(level=2) for table in tables)
    return "\n".join(
        [f"# {markdown_text(title)}\n", f"{markdown_text(origin)}\n", *parts, f"{markdown_code(command)}\n"]
    )
