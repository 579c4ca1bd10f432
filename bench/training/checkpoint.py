"""What it costs to save a model and to restore it, in a fresh process: seconds, bytes, with the disk's part in them.

`python -m bench.training.checkpoint` is a child of `measure`, see `bench.run.child`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.machine import page_cache
from bench.machine.cpu_time import ForeignLoad
from bench.machine.own import durable
from bench.results import store
from bench.results.cell import Cell
from bench.results.result import Result, new_mark, stamp
from bench.run import child, process, step_under_test
from bench.run.data_source import CLASSES
from bench.run.durations import Durations, Planned
from bench.run.product import RunFailed, Unsuitable

WEIGHTS, WHOLE = "weights", "weights and optimizer"
FILES = {WEIGHTS: "checkpoint.weights.h5", WHOLE: "checkpoint.keras"}
SAVES = 5  # in one process, after one that is not timed


@dataclass(frozen=True, kw_only=True)
class CheckpointResult(Result):
    """Saving and restoring one model in one process.

    Attributes:
        cell: The model with its backend, precision and device.
        content: What is saved: `WEIGHTS` or `WHOLE`.
        bytes: Size of the file.
        save_seconds: Of each save, until the file and its name are on the disk (fsync).
        cold_seconds: Of each restore from the disk, the page cache emptied of the file; empty where that is impossible.
        warm_seconds: Of each restore from the page cache.
        file_system: Kind of the file system that held it.
        cold_reason: Why there is no cold restore.
        campaign: Marks results of one command.
        round: Which of its rounds of fresh processes, from 0.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
    """

    KIND = "checkpoints"

    cell: Cell
    content: str
    bytes: int = 0
    save_seconds: tuple[float, ...] = ()
    cold_seconds: tuple[float, ...] = ()
    warm_seconds: tuple[float, ...] = ()
    file_system: str = ""
    cold_reason: str = ""
    campaign: str = ""
    round: int = 0
    foreign_cpu_share: float | None = None


Schedule = Sequence[tuple[int, Cell, str]]
"""Round, model and content of each process; rounds outermost, so that a drift of the disk hits all."""


def planned(schedule: Schedule, results: Path, *, budget_seconds: float | None = None) -> Planned:
    """The processes that save and restore, and how long they should take: as earlier ones did here."""
    known = Durations().note_campaigns(
        store.load(CheckpointResult, results).results, lambda saved: [_alike(saved.cell, saved.content)]
    )
    return Planned(
        what="processes that save and restore",
        rounds=[number for number, *_ in schedule],
        seconds=known.total([_alike(cell, content)] for _, cell, content in schedule),
        budget_seconds=budget_seconds,
    )


def _alike(cell: Cell, content: str) -> tuple:
    """What processes that take about as long have in common."""
    return CheckpointResult.KIND, cell, content


def run(schedule: Schedule, folder: Path, *, timeout: float) -> Iterator[CheckpointResult]:
    """Measures all that is planned; gives each result as its process ends.

    Args:
        schedule: What to measure.
        folder: On the disk that is to be measured; nothing is left there.
        timeout: Seconds after which a process is ended.
    """
    mark = new_mark()
    for number, cell, content in schedule:
        yield measure(cell, content, folder, timeout=timeout, campaign=mark, round=number)


def measure(
    cell: Cell, content: str, folder: Path, *, timeout: float, campaign: str = "", round: int = 0
) -> CheckpointResult:
    """Measures in a fresh process.

    Args:
        cell: The model.
        content: `WEIGHTS` or `WHOLE`.
        folder: On the disk that is to be measured; nothing is left there.
        timeout: Seconds after which the process is ended.
        campaign: Mark of the command.
        round: Which round.
    """
    started, load = datetime.now(UTC), ForeignLoad()
    job = {"cell": cell.to_json(), "content": content, "folder": str(folder)}
    try:
        answer = process.ask("bench.training.checkpoint", job, timeout=timeout, cell=cell)
    except process.Died as died:
        answer = {"status": died.status, "reason": died.reason}
    figures: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in answer.items()
    }
    return CheckpointResult(
        cell=cell,
        content=content,
        campaign=campaign,
        round=round,
        foreign_cpu_share=load.share(),
        **stamp(started),
        **figures,
    )


def measure_here(cell: Cell, content: str, folder: Path, *, saves: int = SAVES) -> dict[str, Any]:
    """Saves and restores a model in this process; gives the figures of a `CheckpointResult`.

    Raises:
        Unsuitable: If the device is unavailable.
        RunFailed: If what is restored is not what was saved.
    """
    import keras

    model = _filled_model(cell)
    if content == WEIGHTS:  # a compiled model would save its optimizer's state with them
        model = keras.Model(model.inputs, model.outputs)
    path = folder / FILES[content]

    def save() -> None:
        if content == WEIGHTS:
            model.save_weights(path)
        else:
            model.save(path)
        durable.sync(path)
        durable.sync(path.parent)

    def restore() -> Any:
        if content == WEIGHTS:
            model.load_weights(path)
            return model
        return keras.saving.load_model(path)

    times: dict[str, list[float]] = {"save_seconds": [], "cold_seconds": [], "warm_seconds": []}
    before, size, evicted = _sum(model), 0, page_cache.Eviction(before=None, after=None)
    for number in range(saves + 1):
        seconds = {"save_seconds": _seconds(save)[0]}
        size, evicted = path.stat().st_size, page_cache.evict([path])
        for name in ("warm_seconds",) if evicted.reason else ("cold_seconds", "warm_seconds"):
            seconds[name], restored = _seconds(restore)
            if _sum(restored) != before:
                raise RunFailed(f"{path.name} gives back other weights than were saved")
        path.unlink()
        for name, value in seconds.items() if number else ():
            times[name].append(value)
    return {"bytes": size, **times, "file_system": page_cache.file_system(folder), "cold_reason": evicted.reason}


def _filled_model(cell: Cell) -> Any:
    """A model whose optimizer has as much to remember as after a step: zeros could be saved faster."""
    import numpy as np

    device, draw = step_under_test.find_device(cell), np.random.default_rng(0)
    model = step_under_test.build_model(cell, (), device, classes=CLASSES)
    with device.scope():
        model.optimizer.build(model.trainable_variables)
        for variable in model.optimizer.variables:
            if "float" in str(variable.dtype) and len(variable.shape):
                variable.assign(draw.random(variable.shape, dtype=np.float32))
    return model


def _sum(model: Any) -> float:
    """Sum over all weights, which is another if one of them is; by the bit, for the order of adding is the same."""
    import numpy as np

    return float(sum(np.asarray(weight, np.float64).sum() for weight in model.get_weights()))


def _seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    begin = perf_counter()
    made = work()
    return perf_counter() - begin, made


def main() -> None:
    """Measures the job that the parent gives."""
    orders, answer = child.connect()
    job = next(orders)
    try:
        answer(measure_here(Cell(**job["cell"]), job["content"], Path(job["folder"])))
    except Unsuitable as unsuitable:
        answer({"status": "n/a", "reason": str(unsuitable)})
    except (RunFailed, OSError) as error:
        answer({"status": "error", "reason": str(error)})


if __name__ == "__main__":
    main()
