"""An emulated accelerator: a consumer that sleeps for the time of its step between the batches of a real pipeline.

Nothing is computed and nothing is sent to a device: it says whether this host could feed one, no more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import cycle
from time import perf_counter, sleep

from bench.machine import facts
from bench.results.cell import NO_MODEL, Cell
from bench.results.result import Result
from bench.run import child, corrupt_input, process, step_under_test
from bench.run.data_source import Source
from bench.run.failures import InputError, ReportedError, RunFailed
from flowers_core.errors import one_of

ORIGINS = ("published", "measured")
WARMUP_SECONDS = 1.0  # AUTOTUNE looks for its settings; as everywhere here, what comes before is thrown away
LEAST_STEPS = 8
# What a batch may take of free memory: tf.data keeps some ahead.
AHEAD = 8


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """An accelerator that trains a model, as far as a pipeline sees it.

    Attributes:
        accelerator: Its name.
        model: What it trains.
        batch_size: Images a step.
        image_size: Side of the images in pixels.
        step_seconds: Durations of its steps, taken in turn, again and again.
        origin: One of `ORIGINS`: nobody measured a published figure here.
        source: Where they come from.
    """

    accelerator: str
    model: str
    batch_size: int
    image_size: int
    step_seconds: tuple[float, ...]
    origin: str
    source: str

    def __post_init__(self):
        one_of("origin", self.origin, ORIGINS)
        if not self.step_seconds or min(self.step_seconds) <= 0:
            raise InputError(f"`step_seconds` must be numbers above 0. Received: {self.step_seconds!r}")

    @property
    def images_per_second(self) -> float:
        """What it eats when it never waits."""
        return self.batch_size * len(self.step_seconds) / sum(self.step_seconds)


@dataclass(frozen=True, kw_only=True)
class Emulated(Result):
    """What one emulation gave.

    Attributes:
        consumer: What it fed.
        pipeline: What fed it.
        compute_seconds: What the steps should have taken, the first one left out.
        total_seconds: What they took with their waiting, likewise.
        wait_seconds: Waiting of each step, the first one left out.
        images_per_second: That reached the consumer, the first step left out.
        campaign: Marks those that belong together.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
        machine: Fingerprint of the machine and its software: of the host that fed it.
    """

    KIND = "emulations"
    FORMAT = 1  # consumer, pipeline, waits, machine, code (2026-11)

    consumer: Consumer
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
        return self.compute_seconds / self.total_seconds if self.total_seconds else None


def run(
    jobs: Sequence[tuple[Consumer, str]], source: Source, *, seconds: float, campaign: str, timeout: float
) -> Iterator[Emulated]:
    """Emulates consumers, each fed by a pipeline, one after another in one fresh process; gives each as it ends.

    Args:
        jobs: Consumer and pipeline.
        source: Where photos and records lie.
        seconds: How long each is watched.
        campaign: Marks them.
        timeout: Seconds for all.

    Raises:
        RunFailed: If the process dies or takes too long.
    """
    asked = [{"consumer": asdict(consumer), "pipeline": pipeline} for consumer, pipeline in jobs]
    place = {"machine": facts.fingerprint(), "code": facts.code(), "campaign": campaign}
    job = {"jobs": asked, "source": asdict(source), "seconds": seconds}
    for answer in process.answers("bench.input.stall.emulate", job, timeout=timeout):
        yield Emulated.from_json({**answer, **place})


def emulate(consumer: Consumer, pipeline: str, source: Source, *, seconds: float) -> Emulated:
    """Feeds one consumer in this process; what cannot be fed is `n/a`, what fails `error`, each with the reason."""
    load, started = facts.ForeignLoad(), datetime.now(UTC).isoformat(timespec="seconds")
    cell = Cell(model=NO_MODEL, pipeline=pipeline, batch_size=consumer.batch_size, image_size=consumer.image_size)
    source = source.sized(cell.image_size)
    given = {"consumer": consumer, "pipeline": pipeline, "started": started}
    try:
        _check_memory(consumer)
        data = source.describe(cell.reads)
        batches = step_under_test.dataset(cell, source)
        step_under_test.fill_caches(batches, images=data["images"], batch_size=cell.batch_size)
        load.start()
        found = consume(iter(batches), consumer.step_seconds, seconds=seconds)
    except ReportedError as error:
        return Emulated(**given, status="n/a", reason=str(error))
    except Exception as error:  # whatever a framework throws is this one's reason, and the next one is still emulated
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        return Emulated(**given, status="error", reason=corrupt_input.find(cell, source, error) or reason)
    steps = len(found["wait_seconds"])
    rate = consumer.batch_size * steps / found["total_seconds"]
    return Emulated(**given, **found, status="ok", images_per_second=rate, data=data, foreign_cpu_share=load.share())


def _check_memory(consumer: Consumer) -> None:
    import psutil

    needed = AHEAD * consumer.batch_size * consumer.image_size**2 * 3 * 4
    free = psutil.virtual_memory().available
    if needed > free:
        raise RunFailed(f"{AHEAD} batches of float32 ahead would take {needed:,} bytes; {free:,} are free")


def consume(
    iterator,
    step_seconds: Sequence[float],
    *,
    seconds: float,
    now: Callable[[], float] = perf_counter,
    rest: Callable[[float], None] = sleep,
) -> dict:
    """Draws a batch, sleeps for a step, and so on.

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
    for one in job["jobs"]:
        consumer = Consumer(**{**one["consumer"], "step_seconds": tuple(one["consumer"]["step_seconds"])})
        answer(emulate(consumer, one["pipeline"], source, seconds=job["seconds"]).to_json())


if __name__ == "__main__":
    main()
