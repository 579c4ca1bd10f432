"""Stall verdicts as tables and as plain values."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from bench.input.stall.classify import CLOSE, FED
from bench.input.stall.three_runs import Trio
from bench.machine.facts import BUSY_SHARE
from bench.results import format
from bench.results.table import View

COLUMNS = ("model", "input", "step", "both", "stall", "waits", "overlap", "verdict")
SETTING = ("pipeline", "mode", "device", "precision", "backend", "xla")  # makes a table of its own


def views(trios: Sequence[Trio]) -> list[View]:
    """A table for each pipeline and setting."""
    groups: dict[tuple, list[Trio]] = {}
    for one in trios:
        groups.setdefault(tuple(getattr(one.cell, field) for field in SETTING), []).append(one)
    made = [_view(some) for some in groups.values()]
    return [*made[:-1], replace(made[-1], notes=(*made[-1].notes, *_words(trios)))] if made else []


def _view(trios: list[Trio]) -> View:
    cell = trios[0].cell
    data = next((one.measurement.data for one in trios if one.measurement.data), {})
    same = [f"{data['images']:,} {data['photos']}"] if "images" in data else []
    same += [cell.mode, cell.device, cell.precision, cell.backend, *["XLA"] * cell.xla_chosen]
    return View(
        title=f"Fed by {cell.pipeline} ({', '.join(same)})",
        columns=COLUMNS,
        rows=tuple(_row(one) for one in trios),
        rates=(None,) * len(trios),
        notes=tuple(_notes(trios)),
    )


def name(trio: Trio) -> str:
    """Model, batch size, and the image size where it is not the usual one."""
    size = "" if trio.cell.image_size == 192 else f" {trio.cell.image_size} px"
    return f"{trio.cell.model} b{trio.cell.batch_size}{size}"


def _row(one: Trio) -> tuple[str, ...]:
    word, _ = one.verdict
    facts = one.facts
    if facts is None:
        return name(one), *("",) * 6, word
    return (
        name(one),
        *(format.duration(seconds) for seconds in (facts.pipeline_seconds, facts.step_seconds, facts.both_seconds)),
        share(facts.stall, one.stalls),
        format.ABSENT if facts.waiting is None else f"{facts.waiting:.0%}",
        f"{facts.overlap:.2f}",
        word,
    )


def share(value: float, values: Sequence[float]) -> str:
    """Percent, with the range of several rounds."""
    if len(values) < 2:
        return f"{round(100 * value)} %"
    return f"{round(100 * value)} % [{round(100 * min(values))}, {round(100 * max(values))}]"


def _notes(trios: Sequence[Trio]) -> list[str]:
    said = []
    reasons: dict[str, list[str]] = {}
    for one in trios:
        reasons.setdefault(one.verdict[1], []).append(name(one))
    for reason, names in reasons.items():
        word = next(one.verdict[0] for one in trios if one.verdict[1] == reason)
        if word != "compute-bound" or "explains" in reason:
            said.append(f"{', '.join(names)}: {word}: {reason}")
    busy = [name(one) for one in trios if one.foreign_cpu_share > BUSY_SHARE]
    if busy:
        said.append(f"others used over {BUSY_SHARE:.0%} of the CPU meanwhile: stalls are doubtful ({', '.join(busy)})")
    faster = [name(one) for one in trios if one.facts and one.facts.stall < FED - 1]
    if faster:
        said.append(f"faster when fed than alone, so noise is larger than any stall: {', '.join(faster)}")
    return said


def _words(trios: Sequence[Trio]) -> list[str]:
    """What the columns mean, once for all tables."""
    counts = sorted({len(one.rounds) for one in trios if one.rounds})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else "".join(map(str, counts))
    return [
        "time of a batch: input, the pipeline alone; step, alone; both, the one fed by the other",
        f"stall: 1 - step / both, median [lowest, highest] of n = {rounds or 0} rounds of fresh processes; waits: "
        "share of both's time spent in next(); overlap: the slower one / both",
        f"a stall up to {1 - FED:.0%} is fed: compute-bound, or balanced where the pipeline needs over {CLOSE:.0%} of "
        "the step's time; else input-bound where the loss is waiting, host-contended where both want the same cores",
    ]


def plain(trios: Sequence[Trio]) -> list[dict]:
    """One object of plain values for each."""
    return [
        {
            "kind": "stall",
            "cell_id": one.cell.id,
            "cell": one.cell.to_json(),
            "verdict": one.verdict[0],
            "reason": one.verdict[1],
            "rounds": len(one.rounds),
            **(_shares(one) if one.facts else {}),
        }
        for one in trios
    ]


def _shares(one: Trio) -> dict:
    facts = one.facts
    return {
        **asdict(facts),
        "stall_share": facts.stall,
        "stall_shares": one.stalls,
        "explained_share": facts.explained,
        "waiting_share": facts.waiting,
        "overlap": facts.overlap,
        "busy_share": facts.busy,
        "foreign_cpu_share": one.foreign_cpu_share,
    }
