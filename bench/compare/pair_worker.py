"""One process of a pair: prepares a cell, then times a block whenever the parent asks.

`python -m bench.compare.pair_worker` follows a job and then orders, see `bench.run.child`.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from bench.compare import inject
from bench.compare.pair_result import Sample
from bench.machine import instructions
from bench.machine.cpu_time import cpu_seconds, worker_ids
from bench.machine.own import user_code
from bench.results.cell import NO_MODEL, RESIDENT, Cell, is_users
from bench.run import child, product, step_under_test, timing
from bench.run.data_source import CLASSES, Source

CALIBRATION_SECONDS = 0.5  # the mean step over so long says how many make a block
# At the start of a block caches are cold, and a pipeline may hold a batch that was ready before: neither its wall nor
# its CPU time is that of a batch. Steps are thrown away until those are gone.
DROP_SECONDS = 0.05


def measure_block(
    step: Callable[[], object], calls: int, counter: instructions.Counter | None = None, *, steps: int = 1
) -> Sample:
    """Times calls of a step in a row, and counts their instructions where there is a counter.

    Args:
        step: Has done its work when it returns.
        calls: How many.
        counter: Of instructions.
        steps: How many steps of the cell a call runs.
    """
    start = perf_counter()
    step()
    while perf_counter() - start < DROP_SECONDS:
        step()
    delay = run_delay_seconds()
    executed = counter.read() if counter else 0
    cpu_start, start = cpu_seconds(), perf_counter()
    for _ in range(calls):
        step()
    wall, cpu = perf_counter() - start, cpu_seconds() - cpu_start
    executed = counter.read() - executed if counter else 0
    return Sample(calls * steps, wall, cpu, run_delay_seconds() - delay, executed)


def run_delay_seconds() -> float:
    """How long all threads whose CPU seconds count have waited for a core so far; 0 where the kernel does not tell."""
    total = 0
    for process in ("self", *worker_ids()):
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                with suppress(OSError, IndexError, ValueError):  # a thread that has just ended
                    total += int((task / "schedstat").read_text(encoding="utf-8").split()[1])
    return total / 1e9


def prepare(cell: Cell, source: Source, *, injectable: bool, classes: int = CLASSES) -> Callable[[], object]:
    """Builds the cell and warms it up.

    Args:
        cell: What is measured.
        source: What it reads.
        injectable: Whether something will be injected; then both processes prepare a place for it.
        classes: How many the model tells apart on a resident batch; one that is fed has those of what it reads.

    Returns:
        A step, which has done its work when it returns; with `inject(Injection)` if `injectable`.
    """
    data = source.describe(cell.reads)
    if cell.model == NO_MODEL:
        step = _drawing(cell, source, images=data.get("images", 0), injectable=injectable)
    else:
        step = _stepping(cell, source, {"classes": classes, **data})
        step = inject.StepInjector(step) if injectable else step
    step()
    timing.warm_up(step, timing.Effort())
    return step


def _stepping(cell: Cell, source: Source, data: dict) -> Callable[[], object]:
    """One step of a model."""
    device = step_under_test.find_device(cell)
    batches = step_under_test.build_batches(cell, source, images=data.get("images", 0), classes=data["classes"])
    return step_under_test.build_step(cell, batches, device, classes=data["classes"], source=source)


def _drawing(cell: Cell, source: Source, *, images: int, injectable: bool) -> Callable[[], object]:
    """One batch drawn from a pipeline alone."""
    injector = inject.PipelineInjector() if injectable else None
    batches = step_under_test.build_dataset(cell, source)
    timing.fill_caches(batches, images=images, batch_size=cell.batch_size)
    step = timing.draw_step(iter(batches), 1)
    if injector is None:
        return step
    injector.draw, injector.images_per_draw = step, cell.batch_size
    injector.jpegs = _sample_jpegs(cell, source)
    return injector


def _sample_jpegs(cell: Cell, source: Source, count: int = 32) -> list[bytes]:
    """A few of the photos that the pipeline decodes."""
    if cell.reads == "photos":
        paths = source.load_photos().paths
        return [Path(path).read_bytes() for path in paths[:: max(1, len(paths) // count)][:count]]
    source.check_jpegs("an injected slowdown, which decodes some of them again")
    import tensorflow as tf

    paths = product.record_paths(source.records, source.manifest())
    name = product.image_feature(paths)
    image = {name: tf.io.FixedLenFeature([], tf.string)}
    records = tf.data.TFRecordDataset(list(paths), num_parallel_reads=1).take(count)
    return [tf.io.parse_single_example(record, image)[name].numpy() for record in records]


def serve(
    orders: Iterator[dict], answer: Callable[[dict], object], counter: instructions.Counter | None = None
) -> None:
    """Follows orders until there are no more; a counter is of this process and all that it starts."""
    job = next(orders)
    try:
        names = {name: job["cell"][name] for name in ("model", "pipeline", "backend")}
        product.require(
            **{
                kind: name
                for kind, name in names.items()
                if not (name in (NO_MODEL, RESIDENT) or is_users(name) or user_code.peer(name))
            }
        )
        cell = Cell(**job["cell"])
        step = prepare(cell, Source(**job["source"]), injectable=job["injectable"], classes=job["classes"])
    except Exception as error:  # whatever stops it is the result's reason
        answer({"error": " ".join(f"{error or type(error).__name__}".split())[:500]})
        return
    answer({"ready": True})
    for order in orders:
        if order["do"] == "inject" and isinstance(step, inject.StepInjector | inject.PipelineInjector):
            step.inject(inject.Injection(**order["injection"]))
            measure_block(step, 1)
            answer({"injected": order["injection"]})
        elif order["do"] == "calibrate":
            answer(
                {
                    "call_seconds": timing.mean_seconds(step, seconds=CALIBRATION_SECONDS),
                    "burst": timing.calls_a_burst(cell),
                    "alone": cell.model == NO_MODEL,
                }
            )
        else:
            answer({"sample": measure_block(step, order["calls"], counter, steps=cell.steps_per_execution)})


def main() -> None:
    """Serves the parent."""
    # Before any thread is started: what was there already would not be counted.
    counter = None if instructions.why_absent() else instructions.Counter()
    serve(*child.connect(), counter)


if __name__ == "__main__":
    main()
