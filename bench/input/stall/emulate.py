"""An emulated accelerator: it sleeps for the time of its step between the batches of a real pipeline.

Nothing is computed and nothing is sent to a device: it shows whether this host could feed one, no more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import cycle
from time import perf_counter, sleep
from types import MappingProxyType

from bench.input.stall.accelerators import Workload
from bench.machine import facts
from bench.machine.cpu_time import ForeignLoad
from bench.machine.own import resources
from bench.results import format
from bench.results.cell import NO_MODEL, Cell
from bench.results.result import Result
from bench.run import child, corrupt_input, process, step_under_test, timing
from bench.run.data_source import Source
from bench.run.product import ReportedError, RunFailed

WARMUP_SECONDS = 1.0  # while AUTOTUNE looks for its settings; thrown away
LEAST_STEPS = 8
# What a batch may take of free memory: tf.data keeps some ahead.
AHEAD = 8


@dataclass(frozen=True, kw_only=True)
class Emulation(Result):
    """What one emulation gave.

    Attributes:
        workload: What was fed.
        pipeline: What fed it.
        compute_seconds: What the steps should have taken, the first one left out.
        total_seconds: What they took with their waiting, likewise.
        wait_seconds: Waiting of each step, the first one left out.
        images_per_second: That reached the accelerator, the first step left out.
        campaign: Marks those that belong together.
        foreign_cpu_share: Share of the machine's CPU time that other programs used meanwhile.
        machine: Fingerprint of the machine and its software: of the host that fed it.
    """

    KIND = "emulations"
    FORMAT = 1  # workload, pipeline, waits, machine, code (2026-11)
    KEYS = MappingProxyType({**Result.KEYS, "workload": "consumer"})

    workload: Workload
    pipeline: str
    compute_seconds: float | None = None
    total_seconds: float | None = None
    wait_seconds: tuple[float, ...] = ()
    images_per_second: float | None = None
    campaign: str = ""
    foreign_cpu_share: float | None = None

    @property
    def utilisation(self) -> float | None:
        """Accelerator utilisation as MLPerf Storage defines it: compute time / total time, without the first step."""
        if not self.compute_seconds or not self.total_seconds:
            return None
        return self.compute_seconds / self.total_seconds


def run(
    jobs: Sequence[tuple[Workload, str]], source: Source, *, seconds: float, campaign: str, timeout: float
) -> Iterator[Emulation]:
    """Emulates accelerators, each fed by a pipeline, one after another in a fresh process; gives each as it ends.

    Args:
        jobs: Workload and pipeline.
        source: The folders of photos and records.
        seconds: How long each is watched.
        campaign: Marks them.
        timeout: Seconds for all.

    Raises:
        RunFailed: If the process dies or takes too long.
    """
    fed = [{"workload": asdict(workload), "pipeline": pipeline} for workload, pipeline in jobs]
    origin = {"machine": facts.fingerprint(), "code": facts.code(), "campaign": campaign}
    job = {"jobs": fed, "source": asdict(source), "seconds": seconds}
    for answer in process.answers("bench.input.stall.emulate", job, timeout=timeout):
        yield Emulation.from_json({**answer, **origin})


def emulate(workload: Workload, pipeline: str, source: Source, *, seconds: float) -> Emulation:
    """Feeds one workload in this process; what cannot be fed is `n/a`, what fails `error`, each with the reason."""
    load, started = ForeignLoad(), datetime.now(UTC).isoformat(timespec="seconds")
    cell = Cell(model=NO_MODEL, pipeline=pipeline, batch_size=workload.batch_size, image_size=workload.image_size)
    source = source.with_image_size(cell.image_size)
    given = {"workload": workload, "pipeline": pipeline, "started": started}
    try:
        _check_memory(workload)
        data = source.describe(cell.reads)
        batches = step_under_test.build_dataset(cell, source)
        timing.fill_caches(batches, images=data.get("images", 0), batch_size=cell.batch_size)
        load.start()
        timed = consume(iter(batches), workload.step_seconds, seconds=seconds)
    except ReportedError as error:
        return Emulation(**given, status="n/a", reason=str(error))
    except Exception as error:  # whatever a framework raises is the reason, and the next workload is still emulated
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return Emulation(**given, status="error", reason=corrupt_input.find(cell, source, error) or reason)
    rate = workload.batch_size * len(timed["wait_seconds"]) / timed["total_seconds"]
    return Emulation(**given, **timed, status="ok", images_per_second=rate, data=data, foreign_cpu_share=load.share())


def _check_memory(workload: Workload) -> None:
    needed = AHEAD * workload.batch_size * workload.image_size**2 * 3 * 4
    free = resources.available_memory()
    if needed > free:
        raise RunFailed(
            f"{AHEAD} batches of float32 ahead would take {format.size(needed)}; {format.size(free)} are free"
        )


def consume(
    iterator: Iterator,
    step_seconds: Sequence[float],
    *,
    seconds: float,
    now: Callable[[], float] = perf_counter,
    rest: Callable[[float], None] = sleep,
) -> dict:
    """Takes a batch and sleeps for a step, over and over.

    Args:
        iterator: Gives batches for ever.
        step_seconds: Durations of steps, taken in turn.
        seconds: How long, after a warm-up of `WARMUP_SECONDS`.
        now: Clock in seconds.
        rest: Sleeps for some seconds.

    Returns:
        `compute_seconds`, `total_seconds` and `wait_seconds` of all steps but the first, whose waiting is the
        pipeline's start: MLPerf Storage leaves it out, too.
    """
    durations, warm = cycle(step_seconds), now()
    while now() - warm < WARMUP_SECONDS:
        next(iterator)
        rest(next(durations))
    next(iterator)
    rest(next(durations))
    begun, computed, waits = now(), 0.0, []
    while len(waits) < LEAST_STEPS or now() - begun < seconds:
        start = now()
        next(iterator)
        waits.append(now() - start)
        step = next(durations)
        rest(step)
        computed += step
    return {"compute_seconds": computed, "total_seconds": now() - begun, "wait_seconds": tuple(waits)}


def main() -> None:
    """Emulates the jobs that the parent gives."""
    orders, answer = child.connect()
    job = next(orders)
    source = Source(**job["source"])
    for fed in job["jobs"]:
        step_seconds = tuple(fed["workload"].pop("step_seconds"))
        workload = Workload(**fed["workload"], step_seconds=step_seconds)
        answer(emulate(workload, fed["pipeline"], source, seconds=job["seconds"]).to_json())


if __name__ == "__main__":
    main()
