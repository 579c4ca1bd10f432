"""Plans, what-if tables and emulated accelerators as tables and as plain values."""

from collections.abc import Sequence
from dataclasses import asdict

from bench.input.stall import planner
from bench.input.stall.classify import FED
from bench.input.stall.emulate import Emulated
from bench.input.stall.planner import Plan, Provider
from bench.input.stall.stages import Stages
from bench.machine.facts import BUSY_SHARE
from bench.results import format
from bench.results.table import View
from flowers_core.input import cache
from flowers_core.input.registry import PIPELINES

PLAN = ("model", "device", "eats", "pipeline", "delivers", "advice")
EMULATED = ("accelerator", "model", "pipeline", "reached", "wants", "AU", "fed")


def plan(plans: Sequence[Plan], *, cores: int) -> View:
    """What each eats, what this host delivers, and what to do."""
    notes = [
        "images/s: eats if it never waits, delivers by the pipeline alone on all "
        f"{cores} cores of this host; cores: eats times the pipeline's CPU seconds an image, computed",
        f"cache: images decoded, uint8, within {cache.MEMORY_SHARE:.0%} of the memory; px: the largest image size "
        "at which the pipeline would keep up, computed from the measured costs of stages (`python -m bench stages`)",
    ]
    if any(one.eater.origin == "published" for one in plans):
        notes.append("devices other than this host's: published step times, not measured here")
    return _view("Planner", PLAN, [_plan_row(one) for one in plans], notes)


def _plan_row(one: Plan) -> tuple[str, ...]:
    eater, provider = one.eater, one.provider
    named = f"{eater.model} b{eater.batch_size}", eater.device, format.rate(eater.images_per_second)
    if provider is None:
        return (*named, "", format.ABSENT, f"no pipeline was measured at {eater.image_size} px")
    return *named, provider.pipeline, format.rate(provider.images_per_second), advice(one)


def advice(one: Plan) -> str:
    """What to do, in a few words."""
    if one.fed >= 1:
        return f"fed {format.significant(one.fed, 2)}x, {format.significant(one.cores, 2)} cores"
    ways = []
    if one.provider.scales:
        ways.append(f"{format.significant(one.provider.cores / one.fed, 2)} such cores")
    if one.cache_fits:
        kept = f"{one.cache_bytes / 1e9:.2g} GB"
        after = f", {format.rate(one.cached.images_per_second)} images/s" if one.cached else ""
        ways.append(f"a cache, {kept}{after}")
    if one.image_size:
        ways.append(f"{one.image_size} px")
    return f"fed to {one.fed:.0%}: {' or '.join(ways) or 'a host of faster cores'}"


def what_if(found: Sequence[Provider]) -> View:
    """Images a second on other numbers of cores."""
    columns = ("pipeline", *map(str, planner.CORES))
    rows = [(_named(one), *(format.about(one.at(cores)) for cores in planner.CORES)) for one in found]
    return _view(
        "What if there were so many cores (images/s, computed from measured rates)",
        columns,
        rows,
        ["as if each core added what the present ones deliver; n/a: works one thing after another, cores do not help"],
    )


def other_sizes(found: Sequence[Provider], stages: dict[str, Stages]) -> View:
    """Images a second at other image sizes."""
    columns = ("pipeline", *map(str, planner.SIZES))
    rows = [
        (
            _named(one),
            *(
                format.rate(planner.resized(one, size, stages.get(PIPELINES[one.pipeline].reads)))
                for size in planner.SIZES
            ),
        )
        for one in found
        if not PIPELINES[one.pipeline].cached
    ]
    return _view(
        "What if images had so many pixels a side (images/s, computed from the costs of stages)",
        columns,
        rows,
        ["what grows by pixels (of records decoding, of photos resizing, then scaling and batching) grows by them"],
    )


def _named(one: Provider) -> str:
    return one.pipeline if one.image_size == 192 else f"{one.pipeline} {one.image_size} px"


def emulated(found: Sequence[Emulated]) -> View:
    """What reached each emulated accelerator."""
    notes = [
        "emulated: nothing is computed; a consumer sleeps for the time of a step between batches of a real pipeline",
        "AU: accelerator utilisation as MLPerf Storage defines it, compute time / total time without the first step; "
        f"fed from {FED:.0%}; published step times have waiting in them: the accelerator itself may eat more",
    ]
    sources = dict.fromkeys(f"{one.consumer.accelerator} {_model(one)}: {one.consumer.source}" for one in found)
    notes += sources
    reasons: dict[str, list[str]] = {}
    for one in found:
        if one.status != "ok":
            reasons.setdefault(f"{one.status}: {one.reason}", []).append(f"{_model(one)} by {one.pipeline}")
    notes += [f"{reason} ({', '.join(dict.fromkeys(names))})" for reason, names in reasons.items()]
    if any((one.foreign_cpu_share or 0.0) > BUSY_SHARE for one in found):
        notes.append(f"others used over {BUSY_SHARE:.0%} of the CPU meanwhile: AUs are too low")
    return _view("Emulated accelerators, fed by this host", EMULATED, [_emulated_row(one) for one in found], notes)


def _model(one: Emulated) -> str:
    return f"{one.consumer.model} b{one.consumer.batch_size}"


def _emulated_row(one: Emulated) -> tuple[str, ...]:
    consumer = one.consumer
    wants = consumer.images_per_second
    named = f"emulated {consumer.accelerator}", _model(one), one.pipeline
    if one.status != "ok":
        return (*named, one.status, format.rate(wants), "", "")
    fed = "yes" if one.utilisation >= FED else "no"
    return (*named, format.rate(one.images_per_second), format.rate(wants), f"{100 * one.utilisation:.1f} %", fed)


def _view(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], notes: Sequence[str]) -> View:
    return View(title=title, columns=columns, rows=tuple(rows), rates=(None,) * len(rows), notes=tuple(notes))


def plain(plans: Sequence[Plan], found: Sequence[Emulated]) -> list[dict]:
    """One object of plain values for each plan and each emulation."""
    planned = [{"kind": "plan", **asdict(one), "fed_share": one.fed, "advice": _plan_row(one)[-1]} for one in plans]
    return [*planned, *({"kind": "emulated", **one.to_json(), "utilisation": one.utilisation} for one in found)]
