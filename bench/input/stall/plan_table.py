"""Plans, what-if tables and emulated accelerators as tables and as plain values."""

from collections.abc import Sequence
from dataclasses import asdict

from bench.input.stall import planner
from bench.input.stall.classify import FED
from bench.input.stall.emulate import Emulation
from bench.input.stall.planner import Plan, Supply
from bench.input.stall.stages import Stages
from bench.machine.facts import BUSY_SHARE
from bench.machine.own import user_code
from bench.results import format
from bench.results.table import Column, Table, Value
from flowers_core.input import cache

PLAN = (
    *(Column("model", whole=True), Column("device", whole=True), Column("demand", "rate", whole=True)),
    *(Column("pipeline", whole=True), Column("supply", "rate", whole=True), Column("advice")),
)
EMULATED = (
    *(Column("accelerator"), Column("model", whole=True), Column("pipeline", whole=True)),
    *(Column("reached", "rate", whole=True), Column("demand", "rate", whole=True)),
    *(Column("AU", "percent", whole=True), Column("fed", whole=True)),
)


def plan(plans: Sequence[Plan], *, cores: int) -> Table:
    """Demand and supply of each plan, and what to do."""
    notes = [
        "demand: images/s if it never waits; supply: images/s of the pipeline alone on all "
        f"{cores} cores of this host; cores: demand times the pipeline's CPU seconds per image, computed",
        f"cache: images decoded, uint8, within {cache.MEMORY_SHARE:.0%} of the memory; px: the largest image size "
        "at which the pipeline would keep up, computed from the measured costs of stages (`python -m bench stages`)",
    ]
    if any(plan.demand.origin == "published" for plan in plans):
        notes.append("devices other than this host's: published step times, not measured here")
    return Table(title="Demand and supply", columns=PLAN, rows=tuple(map(_plan_row, plans)), notes=tuple(notes))


def _plan_row(plan: Plan) -> tuple[Value, ...]:
    demand, supply = plan.demand, plan.supply
    delivered = (user_code.readable(supply.pipeline), supply.images_per_second) if supply else ("", None)
    name = f"{user_code.readable(demand.model)} b{demand.batch_size}"
    return name, demand.device, demand.images_per_second, *delivered, advice(plan)


def advice(plan: Plan) -> str:
    """What to do, in a few words."""
    if plan.supply is None or plan.coverage is None or plan.cores is None:
        return f"no pipeline was measured at {plan.demand.image_size} px"
    if plan.coverage >= 1:
        return f"met {format.significant(plan.coverage, 2)}x, {format.significant(plan.cores, 2)} cores"
    remedies = []
    if plan.supply.scales:
        remedies.append(f"{format.significant(plan.supply.cores / plan.coverage, 2)} such cores")
    if plan.cache_fits and plan.cache_bytes:
        after = f", {format.rate(plan.cached.images_per_second)} images/s" if plan.cached else ""
        remedies.append(f"a cache, {plan.cache_bytes / 1e9:.2g} GB{after}")
    if plan.image_size:
        remedies.append(f"{plan.image_size} px")
    return f"met to {plan.coverage:.0%}: {' or '.join(remedies) or 'a host with faster cores'}"


def what_if(supplies: Sequence[Supply]) -> Table:
    """Images/s on other numbers of cores."""
    note = "as if each core added what the present ones deliver; n/a: works serially, so more cores do not help"
    return Table(
        title="What if there were so many cores (images/s, computed from measured rates)",
        columns=_columns(planner.CORES),
        rows=tuple(
            (_name(supply), *(format.about(supply.at(cores)) for cores in planner.CORES)) for supply in supplies
        ),
        notes=(note,),
    )


def other_sizes(supplies: Sequence[Supply], stages: dict[str, Stages]) -> Table:
    """Images/s at other image sizes."""
    rows = []
    for supply in supplies:
        costs = stages.get(supply.row.reads)
        if not supply.row.cached:
            rows.append((_name(supply), *(planner.resize(supply, size, costs) for size in planner.SIZES)))
    note = "what grows by pixels (of records decoding, of photos resizing, then scaling and batching) grows by them"
    return Table(
        title="What if images had so many pixels a side (images/s, computed from the costs of stages)",
        columns=_columns(planner.SIZES),
        rows=tuple(rows),
        notes=(note,),
    )


def _columns(numbers: Sequence[int]) -> tuple[Column, ...]:
    return Column("pipeline", whole=True), *(Column(str(number), "rate", whole=True) for number in numbers)


def _name(supply: Supply) -> str:
    name = user_code.readable(supply.pipeline)
    return name if supply.image_size == 192 else f"{name} {supply.image_size} px"


def emulated_accelerators(emulations: Sequence[Emulation]) -> Table:
    """What reached each emulated accelerator."""
    notes = [
        "emulated: nothing is computed; a process sleeps for the time of a step between batches of a real pipeline",
        "AU: accelerator utilisation as MLPerf Storage defines it, compute time / total time without the first step; "
        f"fed from {FED:.0%}; published step times include waiting: the demand itself may be higher",
    ]
    sources = (f"{run.workload.accelerator} {_model(run)}: {run.workload.source}" for run in emulations)
    notes += dict.fromkeys(sources)
    reasons: dict[str, list[str]] = {}
    for run in emulations:
        if run.status != "ok":
            reasons.setdefault(f"{run.status}: {run.reason}", []).append(
                f"{_model(run)} by {user_code.readable(run.pipeline)}"
            )
    notes += [f"{reason} ({', '.join(dict.fromkeys(names))})" for reason, names in reasons.items()]
    if any((run.foreign_cpu_share or 0.0) > BUSY_SHARE for run in emulations):
        notes.append(f"other programs used over {BUSY_SHARE:.0%} of the CPU meanwhile: AUs are too low")
    return Table(
        title="Emulated accelerators, fed by this host",
        columns=EMULATED,
        rows=tuple(map(_emulated_row, emulations)),
        notes=tuple(notes),
    )


def _model(emulation: Emulation) -> str:
    return f"{user_code.readable(emulation.workload.model)} b{emulation.workload.batch_size}"


def _emulated_row(emulation: Emulation) -> tuple[Value, ...]:
    demand = emulation.workload.images_per_second
    named = f"emulated {emulation.workload.accelerator}", _model(emulation), user_code.readable(emulation.pipeline)
    if emulation.utilisation is None:
        return (*named, emulation.status, demand, "", "")
    fed = "yes" if emulation.utilisation >= FED else "no"
    return *named, emulation.images_per_second, demand, emulation.utilisation, fed


def plain(plans: Sequence[Plan], emulations: Sequence[Emulation]) -> list[dict]:
    """One object of plain values for each plan and each emulation."""
    planned = [{"kind": "plan", **asdict(plan), "coverage": plan.coverage, "advice": advice(plan)} for plan in plans]
    return [*planned, *({"kind": "emulated", **run.to_json(), "utilisation": run.utilisation} for run in emulations)]
