"""All that is known of feeding on one machine: stalls, plans, what would help, emulated accelerators; as views."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.input.stall import plan_table, planner, published, stall_table, three_runs
from bench.input.stall.emulate import Consumer, Emulated
from bench.input.stall.planner import Plan, Provider
from bench.input.stall.stages import Stages
from bench.input.stall.three_runs import Trio
from bench.results import result, store, summary, table
from bench.results.measurement import Measurement
from bench.results.summary import Summary
from bench.results.table import View
from flowers_core import models as names

LEFT = ("model", "pipeline", "device", "accelerator", "verdict", "advice", "stage", "page cache", "grows")
LEFT += ("chosen, from the source on",)
BROKEN = ("chosen, from the source on", "advice", "accelerator", "model")  # the first that a table has, if it is wide


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is known.

    Attributes:
        trios: Cells measured three times.
        plans: How each eater is fed best.
        providers: Pipelines alone.
        stages: Costs of stages by kind of data.
        emulations: Emulated accelerators.
        cores: Of the host.
    """

    trios: tuple[Trio, ...]
    plans: tuple[Plan, ...]
    providers: tuple[Provider, ...]
    stages: dict[str, Stages]
    emulations: tuple[Emulated, ...]
    cores: int

    def views(self) -> list[View]:
        """Everything that there is something to show of, as tables."""
        made = stall_table.views(self.trios)
        if self.plans and self.providers:
            made.append(plan_table.plan(self.plans, cores=self.cores))
        if self.providers:
            made.append(plan_table.what_if(self.providers))
        if self.providers and self.stages:
            made.append(plan_table.other_sizes(self.providers, self.stages))
        return [*made, plan_table.emulated(self.emulations)] if self.emulations else made

    def plain(self) -> list[dict]:
        """One object of plain values for each verdict, plan and emulation."""
        return [*stall_table.plain(self.trios), *plan_table.plain(self.plans, self.emulations)]


def of(
    measurements: Iterable[Measurement],
    *,
    results: Path,
    trios: Iterable[Trio],
    models: Container[str] = names.MODELS,
    consumers: Iterable[Consumer] = published.CONSUMERS,
    emulations: Iterable[Emulated] = (),
) -> Account:
    """Puts together what measurements of one machine say.

    Args:
        measurements: Of one machine and one code.
        results: The store, for the costs of stages.
        trios: Those to show.
        models: Those to plan for.
        consumers: Accelerators besides the models that were measured.
        emulations: Those to show.
    """
    measurements = list(measurements)
    summaries = _latest(summary.by_cell(measurements))
    found = planner.providers(summaries)
    machine = measurements[-1].machine if measurements else {}
    kept = [one for one in store.load(Stages, results).results if one.machine.get("id") == machine.get("id")]
    stages = result.latest(kept, lambda one: one.kind)
    memory = machine.get("memory_bytes") or 0
    return Account(
        trios=tuple(trios),
        plans=tuple(
            planner.plan(eater, found, memory_bytes=memory, stages=stages)
            for eater in planner.eaters((one for one in summaries if one.cell.model in models), consumers)
        ),
        providers=tuple(found),
        stages=stages,
        emulations=tuple(emulations),
        cores=machine.get("usable_cores") or 1,
    )


def _latest(summaries: Iterable[Summary]) -> list[Summary]:
    """Of each cell with each data the one of which a measurement came last."""
    ordered = sorted(summaries, key=lambda one: one.measurement.started)
    return list({(one.cell, one.measurement.data.get("photos")): one for one in ordered}.values())


def last(results: Path, measurements: Sequence[Measurement]) -> tuple[list[Trio], list[Emulated]]:
    """The latest verdicts that measurements allow, and the latest emulation of each on their machines."""
    places = {one.machine.get("id") for one in measurements}
    kept = [one for one in store.load(Emulated, results).results if one.machine.get("id") in places]
    newest = result.latest(kept, lambda one: (one.consumer, one.pipeline))
    return three_runs.latest(three_runs.trios(measurements)), list(newest.values())


def markdown(views: Iterable[View], title: str, *, place: str, command: str) -> str:
    """Views as Markdown, under the machine and above the command that makes them again."""
    lines = [f"# {title}", "", place, ""]
    for view in views:
        lines += [f"## {view.title}", "", *table.grid(view.columns, view.rows, left=LEFT), ""]
        lines += [*(f"- {note}" for note in view.notes), ""]
    return "\n".join([*lines, f"`{command}`", ""])


def draw(views: Iterable[View], console) -> None:
    """Draws views on a rich console."""
    for view in views:
        broken = next((column for column in BROKEN if column in view.columns), "")
        whole = [column for column in view.columns if column != broken]
        table.draw(view.title, view.columns, view.rows, console, left=LEFT, whole=whole)
        table.say(view.notes, console)
