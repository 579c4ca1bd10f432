"""What saving and restoring gave, as a table: the terminal at 80 columns, Markdown."""

from collections.abc import Sequence
from statistics import median

from bench.machine.facts import BUSY_SHARE
from bench.results.table import Column, Table, Value, page, spread
from bench.training.checkpoint import SAVES, CheckpointResult

COLUMNS = (
    *(Column("model"), Column("content"), Column("MB", "bytes"), Column("save", "time"), Column("MB/s", "rate")),
    *(Column("restore, cold", "time"), Column("restore, warm", "time")),
)


def tables(results: Sequence[CheckpointResult]) -> list[Table]:
    """One table; none of no results."""
    groups: dict[tuple, list[CheckpointResult]] = {}
    for result in results:
        groups.setdefault((result.cell, result.content), []).append(result)
    if not groups:
        return []
    cell = results[0].cell
    return [
        Table(
            title=f"Checkpoints ({cell.backend}, {cell.precision}, {cell.device})",
            columns=COLUMNS,
            rows=tuple(map(_row, groups.values())),
            notes=tuple(_notes(results)),
        )
    ]


def _row(group: Sequence[CheckpointResult]) -> tuple[Value, ...]:
    first, good = group[0], [result for result in group if result.status == "ok" and result.save_seconds]
    if not good:
        return first.cell.model, first.content, None, first.status, "", "", ""
    save = [median(result.save_seconds) for result in good]
    restores = ([median(times) for result in good if (times := getattr(result, name))] for name in _RESTORES)
    rate = good[-1].bytes / 1e6 / median(save)
    return first.cell.model, first.content, good[-1].bytes, spread(save), rate, *map(spread, restores)


_RESTORES = ("cold_seconds", "warm_seconds")


def _notes(results: Sequence[CheckpointResult]) -> list[str]:
    """How it was measured, on what, and what failed."""
    rounds = len({result.round for result in results})
    systems = sorted({result.file_system for result in results} - {""})
    notes = [
        f"median of {rounds} fresh processes of {SAVES} saves each [lowest, highest]; by Keras, until file and name "
        f"are on the disk (fsync), on {', '.join(systems) or 'an unknown file system'}; MB/s of saving",
        "cold: the page cache was emptied of the file, which was checked; warm: it held all of it",
    ]
    notes += [f"no cold restore: {reason}" for reason in sorted({result.cold_reason for result in results} - {""})]
    failed = {f"{result.cell.model}, {result.content}: {result.status}: {result.reason}" for result in results}
    notes += sorted(text for text in failed if not text.endswith(": ok: "))
    if any((result.foreign_cpu_share or 0.0) > BUSY_SHARE for result in results):
        notes.append(f"others used over {BUSY_SHARE:.0%} of the CPU meanwhile")
    return notes


def command(results: Sequence[CheckpointResult]) -> str:
    """What measures it again."""
    models, cell = dict.fromkeys(result.cell.model for result in results), results[0].cell
    rounds = 1 + max(result.round for result in results)
    return (
        f"python -m bench checkpoint --model {','.join(models)} --backend {cell.backend} --device {cell.device} "
        f"--precision {cell.precision} --rounds {rounds}"
    )


def markdown(results: Sequence[CheckpointResult], into: str = "") -> str:
    """Table, origin, and the command that measures it again, with the option of another store `into`."""
    return page("Checkpoints", tables(results), results[0].origin, command=command(results) + into)
