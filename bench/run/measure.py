"""Cell -> Measurement, in this process, which should be fresh.

`python -m bench.run.measure` is a child of `process.spawn`, see `bench.run.child`.
"""

import math
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from time import CLOCK_BOOTTIME, clock_gettime, perf_counter, time
from typing import Any

from bench.machine import cpu_time, facts, nvml
from bench.machine.own import resources
from bench.results.cell import NO_MODEL, RESIDENT, Cell, is_cached
from bench.results.measurement import Measurement, rate
from bench.run import child, corrupt_input, input_wait, product, profiler_trace, step_parts, step_under_test, timing
from bench.run.data_source import CLASSES, Source
from bench.run.product import ReportedError, Unsuitable

# As TensorFlow, XLA, torch and CUDA's libraries say it.
OUT_OF_MEMORY = re.compile(
    r"RESOURCE_EXHAUSTED|OOM when allocating|out of memory|OUT_OF_MEMORY|can't allocate memory|_ALLOC_FAILED",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process measures, for how long, and with what data.

    Attributes:
        cell: What is measured.
        effort: For how long.
        source: Where photos and records lie.
        classes: How many classes a model on a resident batch has; with a pipeline it has those of the data. Models
            that are compared have equally many, see `Source.classes`.
        trace: Log directory for a profiler trace of further steps, when all have been timed.
        detail: Whether forward, backward and optimizer of the step are timed apart then.
    """

    cell: Cell
    effort: timing.Effort = field(default_factory=timing.Effort)
    source: Source = field(default_factory=Source)
    classes: int = CLASSES
    trace: str = ""
    detail: bool = False

    def describe(self) -> dict:
        """What a measurement keeps of the data; of a resident batch the classes, where they are not the usual ones."""
        if self.cell.pipeline == RESIDENT:
            unusual = {"classes": self.classes, **self.source.folders("photos", "records")}
            return unusual if self.classes != CLASSES else {}
        return self.source.describe(self.cell.reads)

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)


def job_from_json(values: dict) -> Job:
    """Reads what `Job.to_json` gave."""
    return Job(
        cell=Cell(**values["cell"]),
        effort=timing.Effort(**values["effort"]),
        source=Source(**values["source"]),
        classes=values["classes"],
        trace=values["trace"],
        detail=values["detail"],
    )


def measure(job: Job) -> Measurement:
    """Measures one cell.

    A device or package that is missing, or a precision that makes no sense, gives the status `n/a`; running out of
    memory gives `oom`, any other failure `error`; each with its reason. The process should be fresh: kernels,
    allocators and thread pools that another cell has warmed up would be measured, too.
    """
    begin, load_before = time(), os.getloadavg()[0]
    resources.limit_threads(os.environ)  # for asv, which starts this process without `process.environment`
    base = Measurement(
        cell=job.cell,
        status="error",
        started=datetime.fromtimestamp(begin, UTC).isoformat(timespec="seconds"),
        machine={**facts.fingerprint(), "load_before": load_before},
        code=facts.code(),
    )
    try:
        job = replace(job, source=job.source.with_image_size(job.cell.image_size))
        base = replace(base, data=job.describe())
        done = _measure_input(job, base) if job.cell.model == NO_MODEL else _measure_step(job, base)
    except Unsuitable as unsuitable:
        done = replace(base, status="n/a", reason=str(unsuitable))
    except ImportError as error:
        done = replace(base, status="n/a", reason=f"{error}. {product.INSTALL}")
    except ReportedError as error:
        done = replace(base, status="error", reason=str(error))
    except Exception as error:  # whatever a framework throws is this cell's reason, and the next cell still runs
        done = _failure(job, base, error)
    in_force = facts.keras_settings() if job.cell.model != NO_MODEL else {}
    if in_force:
        done = replace(done, machine={**done.machine, "keras": in_force})
    if in_force.get("backend", job.cell.backend) != job.cell.backend:
        reason = f"Keras runs on {in_force['backend']}, not on {job.cell.backend}: set KERAS_BACKEND={job.cell.backend}"
        done = replace(base, machine=done.machine, status="error", reason=reason)
    return replace(done, process_seconds=_age(), peak_bytes=done.peak_bytes or _peak_bytes())


def _failure(job: Job, base: Measurement, error: Exception) -> Measurement:
    """The measurement of a cell whose framework raised an error, with a reason that a user can act on."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(text):
        return replace(base, status="oom", reason=text[:500])
    damaged = corrupt_input.find(job.cell, job.source, error)
    return replace(base, status="error", reason=damaged or text[:500])


def _age() -> float:
    """Seconds since this process started, by a clock that nobody sets."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return clock_gettime(CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # `starttime`, see proc(5)


def _peak_bytes() -> int:
    """Most memory that this process has held, plus what its decode workers hold now."""
    import resource

    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return own + sum(map(_held_bytes, cpu_time.worker_ids()))


def _held_bytes(pid: int) -> int:
    """Memory that a process shares with no other; 0 when it has ended."""
    import psutil

    with suppress(psutil.Error):
        return psutil.Process(pid).memory_full_info().uss
    return 0


def _measure_input(job: Job, base: Measurement) -> Measurement:
    """Draws batches and throws them away: the rate of the pipeline when nothing else uses the machine."""
    if product.has_tensorflow():
        _ = product.pipeline_code  # importing it takes seconds that are not those of building
    start = perf_counter()
    batches = step_under_test.build_dataset(job.cell, job.source)
    built = perf_counter()
    next(iter(batches))
    first_batch = perf_counter()
    if is_cached(job.cell.pipeline) or not product.is_bucket(getattr(job.source, job.cell.reads, "")):
        timing.fill_caches(batches, images=base.data.get("images", 0), batch_size=job.cell.batch_size)
    iterator = iter(batches)
    count = timing.batches_per_step(iterator, timing.burst(job.cell))
    return replace(
        _time(
            timing.draw_step(iterator, count),
            job,
            base,
            images_per_step=count * job.cell.batch_size,
            traced=timing.draw_step(iterator, 1),
        ),
        build_seconds=built - start,
        first_step_seconds=first_batch - built,
    )


def _measure_step(job: Job, base: Measurement) -> Measurement:
    """Trains or predicts, on a resident batch or on those of a pipeline."""
    cell, watch = job.cell, nvml.watch(job.cell.device)
    device = step_under_test.find_device(cell)
    classes = base.data.get("classes", job.classes)
    batches = step_under_test.build_batches(cell, job.source, images=base.data.get("images", 0), classes=classes)
    batches = input_wait.clock_draws(cell, batches, replicas=device.replicas)
    start = perf_counter()
    model = step_under_test.build_model(cell, batches, device, classes=classes, source=job.source)
    programs, why_whole = _programs(job, model, batches, device)
    step = programs["step"]
    built = perf_counter()
    last: dict[str, Any] = {}

    def keep_outputs() -> None:
        last["outputs"] = step()

    timed = _time(keep_outputs, job, base, images_per_step=cell.batch_size, batches=batches, watch=watch)
    done = replace(
        timed,
        build_seconds=built - start,
        device_peak_bytes=(
            product.get_backend(cell.backend).peak_device_bytes(cell.device) or timed.accelerator.get("memory_bytes")
        ),
        copy_seconds=step_under_test.copy_seconds(cell, batches),
        cost=step_under_test.cost(model, cell),
        **(_loss(last["outputs"]) if cell.mode == "train" else {}),
    )
    if not job.detail:
        return done
    return replace(done, detail={"reason": why_whole} if why_whole else step_parts.measure(programs, job.effort))


def _programs(job: Job, model: Any, batches: Iterable, device: Any) -> tuple[dict[str, Callable[[], object]], str]:
    """The step, and where its parts are asked for the programs that stop earlier; else why there are none."""
    if job.detail:
        try:
            return step_under_test.parts_of(model, job.cell, batches, device), ""
        except Unsuitable as unsuitable:
            return {"step": step_under_test.step_of(model, job.cell, batches, device)}, str(unsuitable)
    return {"step": step_under_test.step_of(model, job.cell, batches, device)}, ""


def _time(
    step: Callable[[], None],
    job: Job,
    base: Measurement,
    *,
    images_per_step: int,
    batches: Iterable | None = None,
    watch: nvml.Watch | None = None,
    traced: Callable[[], None] | None = None,
) -> Measurement:
    """Times a step, fed by `batches` if given, and adds how busy the machine was meanwhile, and how its GPU ran.

    A step of a pipeline alone draws several batches, more the faster it is; `traced` draws one, so that the
    operations of two traces are those of equally many images.
    """
    load, watch = cpu_time.ForeignLoad(), watch or nvml.Watch()

    def start() -> None:
        load.start()
        watch.start()

    drain = partial(input_wait.drain, batches, timing.backlog(job.cell))
    times, steps = timing.clock_steps(step, job.effort, after_first=drain, at_start=start), job.cell.steps_per_execution
    # Read before a trace adds to both.
    seen: dict[str, Any] = {"foreign_cpu_share": load.share(), "peak_bytes": _peak_bytes()}
    seen["accelerator"] = watch.stop(images=images_per_step * steps * len(times.step_seconds))
    waits = input_wait.last_waits(batches, len(times.step_seconds))
    if batches is not None and input_wait.may_wait(waits, times.step_seconds):
        # Steps that wait for bursts are averaged over whole ones; those of a pipeline alone draw whole ones anyway.
        burst = timing.calls_a_burst(job.cell)
        times, waits = times.averaged_over(burst), timing.means(waits, burst)
    seen["step_wait_seconds"] = waits
    if job.trace:
        seen["trace"] = profiler_trace.take(
            traced or step,
            Path(job.trace),
            backend=job.cell.backend,
            step_seconds=median(times.step_seconds) * job.cell.batch_size / images_per_step,
            most_steps=profiler_trace.MOST_DRAWS if traced else profiler_trace.MOST_STEPS,
        )
    times = times.of_one_step(steps)
    return replace(
        base,
        **seen,
        status="ok",
        first_step_seconds=times.first_step_seconds,
        warmup_steps=times.warmup_steps,
        steady=times.steady,
        step_seconds=times.step_seconds,
        step_cpu_seconds=times.step_cpu_seconds,
        images_per_step=images_per_step,
        images_per_second=rate(images_per_step, times.step_seconds),
    )


def _loss(logs: dict) -> dict:
    """The loss, if it is a number."""
    loss = float(logs["loss"])
    finite = math.isfinite(loss)
    return {"loss": loss if finite else None, "loss_finite": finite}


def main() -> None:
    """Measures the job that the parent gives."""
    orders, answer = child.connect()
    answer(measure(job_from_json(next(orders))).to_json())


if __name__ == "__main__":
    main()
