"""Stall verdicts as tables and as plain values."""

from collections.abc import Sequence
from dataclasses import replace

from bench.input.stall import three_runs
from bench.input.stall.classify import CLOSE, COMPUTE_BOUND, FED
from bench.input.stall.three_runs import ThreeRuns
from bench.machine.facts import BUSY_SHARE
from bench.machine.own import user_code
from bench.results import format
from bench.results.cell import INPUT_OPTIONS, STEPS
from bench.results.table import Column, Table, Value

COLUMNS = (
    Column("model"),
    *(Column(name, "time", whole=True) for name in ("input", "step", "both")),
    Column("stall", "percent", whole=True),
    Column("waits", "percent", whole=True),
    Column("overlap", "ratio", whole=True),
    Column("verdict", whole=True),
)
# What makes a table of its own.
SETTING = ("pipeline", "mode", "device", "precision", "backend", "xla", "torch_compile", STEPS, *INPUT_OPTIONS)


def tables(groups: Sequence[ThreeRuns]) -> list[Table]:
    """A table for each pipeline and setting; the last explains the columns."""
    settings: dict[tuple, list[ThreeRuns]] = {}
    for runs in groups:
        settings.setdefault(tuple(getattr(runs.cell, field) for field in SETTING), []).append(runs)
    shown = [_table(same) for same in settings.values()]
    return [*shown[:-1], replace(shown[-1], notes=(*shown[-1].notes, *_legend(groups)))] if shown else []


def _table(groups: Sequence[ThreeRuns]) -> Table:
    cell = groups[0].cell
    data = next((runs.measurement.data for runs in groups if runs.measurement.data), {})
    same = [f"{data['images']:,} {data['photos']}"] if "images" in data else []
    same += [cell.mode, cell.device, cell.precision, cell.backend, *filter(None, [cell.chosen_compiler, cell.loop])]
    return Table(
        title=f"Fed by {' '.join((user_code.readable(cell.pipeline), *cell.input_words))} ({', '.join(same)})",
        columns=COLUMNS,
        rows=tuple(map(_row, groups)),
        notes=tuple(_notes(groups)),
    )


def name(runs: ThreeRuns) -> str:
    """Model, batch size, and the image size where it is not the usual one."""
    size = "" if runs.cell.image_size == 192 else f" {runs.cell.image_size} px"
    return f"{user_code.readable(runs.cell.model)} b{runs.cell.batch_size}{size}"


def _row(runs: ThreeRuns) -> tuple[Value, ...]:
    verdict, _ = runs.verdict
    facts = runs.facts
    if facts is None:
        return name(runs), *("",) * 6, verdict
    return (
        name(runs),
        *(facts.pipeline_seconds, facts.step_seconds, facts.both_seconds),
        share(facts.stall, runs.stalls),
        format.ABSENT if facts.waiting is None else f"{facts.waiting:.0%}",
        f"{facts.overlap:.2f}",
        verdict,
    )


def share(value: float, values: Sequence[float]) -> str:
    """Percent, with the range of several rounds."""
    if len(values) < 2:
        return f"{round(100 * value)} %"
    return f"{round(100 * value)} % [{round(100 * min(values))}, {round(100 * max(values))}]"


def _notes(groups: Sequence[ThreeRuns]) -> list[str]:
    notes = []
    names: dict[tuple[str, str], list[str]] = {}
    for runs in groups:
        names.setdefault(runs.verdict, []).append(name(runs))
    for (verdict, reason), same in names.items():
        if verdict != COMPUTE_BOUND or "explains" in reason:
            notes.append(f"{', '.join(same)}: {verdict}: {reason}")
    busy = [name(runs) for runs in groups if runs.foreign_cpu_share > BUSY_SHARE]
    if busy:
        notes.append(
            f"other programs used over {BUSY_SHARE:.0%} of the CPU meanwhile: stalls are doubtful ({', '.join(busy)})"
        )
    faster = [name(runs) for runs in groups if runs.facts and runs.facts.stall < FED - 1]
    if faster:
        notes.append(f"faster when fed than alone, so noise is larger than any stall: {', '.join(faster)}")
    return notes


def _legend(groups: Sequence[ThreeRuns]) -> list[str]:
    """What the columns mean, once for all tables."""
    counts = sorted({len(runs.rounds) for runs in groups if runs.rounds})
    rounds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else "".join(map(str, counts))
    return [
        "time per batch: input, the pipeline alone; step, alone; both, the step fed by the pipeline",
        f"stall: 1 - step / both, median [lowest, highest] of n = {rounds or 0} rounds of fresh processes; waits: "
        "share of both's time spent in next(); overlap: the slower of input and step / both",
        f"a stall up to {1 - FED:.0%} is fed: compute-bound, or balanced where the pipeline needs over {CLOSE:.0%} of "
        "the step's time; else input-bound where the loss is waiting, host-contended where both want the same cores",
    ]


def plain(groups: Sequence[ThreeRuns]) -> list[dict]:
    """One object of plain values for each."""
    return [
        {
            "kind": "stall",
            "cell_id": runs.cell.id,
            "cell": runs.cell.to_json(),
            "verdict": runs.verdict[0],
            "reason": runs.verdict[1],
            "rounds": len(runs.rounds),
            **three_runs.shares(runs),
        }
        for runs in groups
    ]
