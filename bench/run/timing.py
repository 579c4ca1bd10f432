"""Durations of a step on two clocks, after a warm-up that ends when the step is steady."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean, median
from time import perf_counter

from bench.machine.cpu_time import cpu_seconds

QUICK_STEP_SECONDS = 0.03  # steps below it need more of them until caches and thread pools have settled
SLOW_STEP_SECONDS = 1.0  # steps above it are steady at once: what varies between them is not the start
STEADY_WITHIN = 0.1  # two windows of warm-up steps whose medians differ by less are one level
WINDOW = 3
MOST_WARMUP_STEPS = 30
MOST_STEPS = 200  # beyond it more steps of one process say nothing new, and the record grows


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
    """What the clock saw.

    Attributes:
        first_step_seconds: Wall time of the first step, which compiles.
        warmup_steps: How many steps were thrown away, the first one among them.
        steady: Whether the warm-up ended because the step had become steady, not because it had lasted enough.
        step_seconds: Wall time of each step after the warm-up, or of several in a row their mean.
        step_cpu_seconds: CPU time of the same steps, see `cpu_time.cpu_seconds`.
    """

    first_step_seconds: float
    warmup_steps: int
    steady: bool
    step_seconds: tuple[float, ...]
    step_cpu_seconds: tuple[float, ...]

    def over(self, several: int) -> "Timing":
        """The same with each time the mean of several steps: see `means`."""
        wall, cpu = means(self.step_seconds, several), means(self.step_cpu_seconds, several)
        return replace(self, step_seconds=wall, step_cpu_seconds=cpu)


def means(seconds: tuple[float, ...], several: int) -> tuple[float, ...]:
    """Means of so many steps in a row: the median of single ones would lie where they wait for bursts of input.

    Args:
        seconds: Of each step.
        several: Steps of a mean, all where there are fewer; what is left over at the end is not counted.
    """
    several = min(several, len(seconds)) or 1
    whole = range(0, len(seconds) - several + 1, several)
    return tuple(fmean(seconds[start : start + several]) for start in whole)


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


def watch(
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

    def timed() -> tuple[float, float]:
        cpu_start, start = cpu(), wall()
        step()
        return wall() - start, cpu() - cpu_start

    first, _ = timed()
    after_first()
    warmup = [timed()[0]]
    while len(warmup) < 2 or (len(warmup) < MOST_WARMUP_STEPS and sum(warmup) < 2 * effort.seconds + 2):
        if len(warmup) >= least_warmup(median(warmup)) and is_steady(warmup):
            break
        warmup.append(timed()[0])

    at_start()
    samples: list[tuple[float, float]] = []
    elapsed = 0.0
    while len(samples) < effort.least_steps or (elapsed < effort.seconds and len(samples) < MOST_STEPS):
        samples.append(timed())
        elapsed += samples[-1][0]
    return Timing(
        first_step_seconds=first,
        warmup_steps=1 + len(warmup),
        steady=is_steady(warmup),
        step_seconds=tuple(seconds for seconds, _ in samples),
        step_cpu_seconds=tuple(seconds for _, seconds in samples),
    )
