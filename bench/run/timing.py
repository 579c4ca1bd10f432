"""When a figure counts: caches that are full, a warm-up that ends when steps are steady, whole bursts of input.

Everything that times steps does so by this one policy: single measurements, pairs, loaders over a service.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from statistics import fmean, median
from time import perf_counter

from bench.machine.cpu_time import cpu_seconds
from bench.results.cell import Cell
from bench.run import product

QUICK_STEP_SECONDS = 0.03  # steps below it need more of them until caches and thread pools have settled
SLOW_STEP_SECONDS = 1.0  # steps above it are steady at once: what varies between them is not the start
STEADY_WITHIN = 0.1  # two windows of warm-up steps whose medians differ by less are one level
WINDOW = 3
MOST_WARMUP_STEPS = 30
MOST_STEPS = 200  # beyond it more steps of one process say nothing new, and the result grows

PIPELINE_STEP_SECONDS = 0.25  # one draw is too short and too bursty (prefetching) to be timed on its own
MOST_FILLING_SECONDS = 30.0  # a slow disk would take longer than a process may live


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure in one process.

    Attributes:
        seconds: Steps are timed until they add up to so many seconds …
        least_steps: … and there are at least so many of them.
    """

    seconds: float = 3.0
    least_steps: int = 5


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of the steps of one process.

    Attributes:
        first_step_seconds: Wall time of the first step, which compiles.
        warmup_steps: How many steps were thrown away, the first one among them.
        steady: Whether the warm-up ended because the step was steady, not because it had lasted long enough.
        step_seconds: Wall time of each step after the warm-up, or of several in a row their mean.
        step_cpu_seconds: CPU time of the same steps, see `cpu_time.cpu_seconds`.
    """

    first_step_seconds: float
    warmup_steps: int
    steady: bool
    step_seconds: tuple[float, ...]
    step_cpu_seconds: tuple[float, ...]

    def averaged_over(self, steps: int) -> "Timing":
        """The same with each time the mean of several steps: see `means`."""
        wall, cpu = means(self.step_seconds, steps), means(self.step_cpu_seconds, steps)
        return replace(self, step_seconds=wall, step_cpu_seconds=cpu)

    def of_one_step(self, steps: int) -> "Timing":
        """The same where each time is of a call that runs several steps: what one of them took on average."""
        if steps == 1:
            return self
        wall, cpu = (
            tuple(seconds / steps for seconds in clock) for clock in (self.step_seconds, self.step_cpu_seconds)
        )
        return replace(self, step_seconds=wall, step_cpu_seconds=cpu)


def means(seconds: tuple[float, ...], steps: int) -> tuple[float, ...]:
    """Means of steps in a row. The median of single steps would say nothing where a few of them wait for all others.

    Args:
        seconds: Of each step.
        steps: Of a mean, or all where there are fewer; a rest at the end is not counted.
    """
    steps = min(steps, len(seconds)) or 1
    return tuple(fmean(seconds[start : start + steps]) for start in range(0, len(seconds) - steps + 1, steps))


def least_warmup(step_seconds: float) -> int:
    """How many steps to throw away at least, given what one takes.

    Source: measured; a step is steady after 3, one under 30 ms after 8.
    """
    if step_seconds > SLOW_STEP_SECONDS:
        return 1
    return 8 if step_seconds < QUICK_STEP_SECONDS else WINDOW


def is_steady(seconds: list[float]) -> bool:
    """Whether the last steps are on the level of those before them; of slow steps the last one on that before it."""
    window = 1 if median(seconds[-WINDOW:]) > SLOW_STEP_SECONDS else WINDOW
    if len(seconds) < 2 * window:
        return False
    before, after = median(seconds[-2 * window : -window]), median(seconds[-window:])
    return abs(after - before) <= STEADY_WITHIN * before


def warm_up(
    step: Callable[[], object], effort: Effort, *, wall: Callable[[], float] = perf_counter
) -> tuple[int, bool]:
    """Runs steps, of which the one that compiles was the last before, until they are steady or have lasted long enough.

    Returns:
        How many it ran, and whether they were steady in the end.
    """
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) < MOST_WARMUP_STEPS and sum(seconds) < 2 * effort.seconds + 2):
        if seconds and len(seconds) >= least_warmup(median(seconds)) and is_steady(seconds):
            break
        start = wall()
        step()
        seconds.append(wall() - start)
    return len(seconds), is_steady(seconds)


def clock_steps(
    step: Callable[[], object],
    effort: Effort,
    *,
    after_first: Callable[[], object] = lambda: None,
    at_start: Callable[[], object] = lambda: None,
    wall: Callable[[], float] = perf_counter,
    cpu: Callable[[], float] = cpu_seconds,
) -> Timing:
    """Times `step`, which must block until the device is done.

    Args:
        step: What is measured.
        effort: How long to measure.
        after_first: Called when the first step has ended, which compiles.
        at_start: Called when the warm-up is over and the timed steps begin.
        wall: Clock for elapsed seconds.
        cpu: Clock for CPU seconds.
    """

    def clock_step() -> tuple[float, float]:
        cpu_start, start = cpu(), wall()
        step()
        return wall() - start, cpu() - cpu_start

    first, _ = clock_step()
    after_first()
    steps, steady = warm_up(step, effort, wall=wall)
    at_start()
    samples: list[tuple[float, float]] = []
    elapsed = 0.0
    while len(samples) < effort.least_steps or (elapsed < effort.seconds and len(samples) < MOST_STEPS):
        samples.append(clock_step())
        elapsed += samples[-1][0]
    return Timing(
        first_step_seconds=first,
        warmup_steps=1 + steps,
        steady=steady,
        step_seconds=tuple(seconds for seconds, _ in samples),
        step_cpu_seconds=tuple(seconds for _, seconds in samples),
    )


def median_seconds(work: Callable[[], object], *, rounds: int) -> float:
    """What some work takes, the median of some rounds after a first one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        start = perf_counter()
        work()
        seconds.append(perf_counter() - start)
    return median(seconds[1:])


def mean_seconds(step: Callable[[], object], *, seconds: float) -> float:
    """What a step takes on average, run for so many seconds."""
    start, count = perf_counter(), 0
    while perf_counter() - start < seconds:
        step()
        count += 1
    return (perf_counter() - start) / count


def fill_caches(batches: Iterable, *, images: int, batch_size: int) -> None:
    """Draws a whole epoch, which fills the page cache and the pipeline's own cache, shared by all its iterators."""
    iterator, start = iter(batches), perf_counter()
    for _ in range(math.ceil(images / batch_size) + 1):  # one more, so that the pipeline sees the end of the epoch
        next(iterator)
        if perf_counter() - start > MOST_FILLING_SECONDS:
            break


def draw_step(iterator: Iterator, count: int) -> Callable[[], None]:
    """A step of a pipeline alone: `count` batches, drawn and thrown away."""

    def draw() -> None:
        for _ in range(count):
            next(iterator)

    return draw


def batches_per_step(iterator: Iterator, burst: int = 1) -> int:
    """How many batches make a step long enough to time; whole bursts, see `burst`."""
    next(iterator)  # waits for processes and threads to start, which must not count
    start, count = perf_counter(), 0
    while perf_counter() - start < PIPELINE_STEP_SECONDS or count % burst:
        next(iterator)
        count += 1
    return count


def burst(cell: Cell) -> int:
    """How many batches of a cell's pipeline come at once, from all decode workers together, which keep step.

    1 where no decode workers make several, or the commit under test has none.
    """
    pipeline = product.pipelines().get(cell.pipeline)
    if not pipeline or not pipeline.by_processes:
        return 1
    by_one_worker = pipeline.batches_at_once(image_size=cell.image_size, batch_size=cell.batch_size)
    return by_one_worker * (cell.parallel_calls or product.decode_workers())


def calls_a_burst(cell: Cell) -> int:
    """How many calls of a step take whole bursts, where each draws a batch or more."""
    batches = burst(cell)
    return batches // math.gcd(batches, cell.steps_per_execution)


def backlog(cell: Cell) -> int:
    """Batches that decode workers prepare while nobody draws, on which no step may be timed; 0 for other pipelines."""
    at_once = burst(cell)
    return product.BATCHES_AHEAD * at_once if at_once > 1 else 0
