"""Durations -> summary: the median with an interval, and how certain that is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

from bench.machine import facts
from bench.results import format
from bench.results.cell import Cell
from bench.results.identity import setting
from bench.results.measurement import Measurement
from bench.results.result import Kind, chronological
from bench.results.table import Interval

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What all measurements of one cell, on one machine and of one code, say together.

    Attributes:
        cell: What was measured.
        status: `ok` if any process gave a figure, else the status of the last one.
        reason: Why, where the status is not `ok`.
        processes: How many fresh processes gave a figure.
        steps: How many timed steps they hold.
        batch_seconds: Median over processes of each one's median wall seconds for a batch: a step's batch, or one
            batch drawn from a pipeline alone.
        low: Lower end of the interval, in seconds; see `spread`.
        high: Its upper end.
        spread: What the interval is: `95 % of the median` from at least 6 processes, `range of processes` from 2 to
            5, `quartiles of steps` from one, where steps are not independent and no interval of the median is honest.
        cpu_seconds: Median CPU seconds for a batch.
        images_per_second: Batch size over `batch_seconds`.
        first_step_seconds: Median over processes.
        peak_bytes: Most of any process.
        device_peak_bytes: Most of any process, None on a CPU.
        warnings: What makes the figure doubtful, in words.
        detail: Of each process that timed the parts of its step the rounds, see `bench.results.parts`.
        measurement: The last measurement, for what is the same in all: machine, code, data.
    """

    cell: Cell
    status: str = "ok"
    reason: str = ""
    processes: int = 0
    steps: int = 0
    batch_seconds: float | None = None
    low: float | None = None
    high: float | None = None
    spread: str = ""
    cpu_seconds: float | None = None
    images_per_second: float | None = None
    first_step_seconds: float | None = None
    peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    warnings: tuple[str, ...] = ()
    detail: tuple[dict[str, list[float]], ...] = ()
    measurement: Measurement

    @property
    def batch_time(self) -> Interval | None:
        """Seconds for a batch with their interval; None where there is no figure."""
        if self.batch_seconds is None or self.low is None or self.high is None:
            return None
        return Interval(self.batch_seconds, self.low, self.high)

    @property
    def rate(self) -> float:
        """Images a second; 0 where there is no figure."""
        return self.images_per_second or 0.0


def median_interval(values: list[float], confidence: float = CONFIDENCE) -> tuple[float, float] | None:
    """Interval of the median by order statistics, which assumes nothing of the distribution.

    Returns:
        The narrowest symmetric pair of order statistics that covers the median with `confidence`; None where even
        the extremes do not, as with fewer than 6 values at 95 %.
    """
    ordered, count = sorted(values), len(values)
    outside = 0.0  # probability that the median lies below the k-th smallest value
    best = None
    for k in range(count // 2):
        outside += comb(count, k) / 2**count
        if 2 * outside > 1 - confidence:
            break
        best = (ordered[k], ordered[count - 1 - k])
    return best


def quartiles(values: Iterable[float]) -> tuple[float, float]:
    """Lower and upper quartile, as medians of the halves."""
    ordered = sorted(values)
    half = max(1, len(ordered) // 2)
    return median(ordered[:half]), median(ordered[-half:])


def _spread(processes: list[list[float]]) -> tuple[float, float, str]:
    """The interval that so many processes allow, and its name."""
    medians = [median(steps) for steps in processes]
    if len(medians) == 1:
        return *quartiles(processes[0]), "quartiles of steps"
    interval = median_interval(medians)
    if interval:
        return *interval, "95 % of the median"
    return min(medians), max(medians), "range of processes"


def _warnings(measurements: Sequence[Measurement]) -> tuple[str, ...]:
    """What a reader should know before believing the figure."""
    warnings = {
        f"others used over {100 * facts.BUSY_SHARE:.0f} % of the CPU meanwhile": any(
            (measurement.foreign_cpu_share or 0.0) > facts.BUSY_SHARE for measurement in measurements
        ),
        "not steady after the warm-up": any(measurement.steady is False for measurement in measurements),
        "the loss was not a number": any(measurement.loss_finite is False for measurement in measurements),
    }
    return (*(warning for warning, holds in warnings.items() if holds), *_gpu_warnings(measurements))


def _gpu_warnings(measurements: Sequence[Measurement]) -> list[str]:
    """Whether others used the GPU, and by what it was slowed."""
    seen = [measurement.accelerator for measurement in measurements]
    others = {other["pid"]: other["bytes"] for accelerator in seen for other in accelerator.get("others", ())}
    users = ", ".join(f"process {pid} ({format.size(held)})" for pid, held in sorted(others.items()))
    slowed = sorted({reason for accelerator in seen for reason in accelerator.get("slowed_by", ())})
    busy = [f"the GPU was busy with another process before this began: {users}"] if others else []
    return busy + ([f"the GPU was held below its clocks by: {', '.join(slowed)}"] if slowed else [])


def summarise(measurements: Sequence[Measurement]) -> Summary:
    """Puts the measurements of one cell together; they should be of one machine, code and data."""
    last = measurements[-1]
    good = [measurement for measurement in measurements if measurement.status == "ok"]
    if not good:
        return Summary(
            cell=last.cell,
            status=last.status,
            reason=last.reason,
            peak_bytes=max(measurement.peak_bytes or 0 for measurement in measurements) or None,
            measurement=last,
        )
    batches = [[seconds / measurement.batches_per_step for seconds in measurement.step_seconds] for measurement in good]
    centre = median(median(steps) for steps in batches)
    low, high, spread = _spread(batches)
    return Summary(
        cell=last.cell,
        processes=len(good),
        steps=sum(map(len, batches)),
        batch_seconds=centre,
        low=low,
        high=high,
        spread=spread,
        cpu_seconds=median(median(measurement.step_cpu_seconds) / measurement.batches_per_step for measurement in good),
        images_per_second=last.cell.batch_size / centre,
        first_step_seconds=median(measurement.first_step_seconds for measurement in good),
        peak_bytes=max(measurement.peak_bytes or 0 for measurement in good) or None,
        device_peak_bytes=max(measurement.device_peak_bytes or 0 for measurement in good) or None,
        warnings=_warnings(good),
        detail=tuple(measurement.detail["rounds"] for measurement in good if "rounds" in measurement.detail),
        measurement=good[-1],
    )


def by_cell(measurements: Iterable[Measurement]) -> list[Summary]:
    """One summary for each cell in each setting, by the time of their first measurement, however stores were merged."""
    return [summarise(group) for group in group_by_setting(measurements)]


def group_by_setting(measurements: Iterable[Measurement]) -> list[list[Measurement]]:
    """What `by_cell` summarises, for whoever shows a few of many."""
    groups: dict[tuple, list[Measurement]] = {}
    for measurement in chronological(measurements):
        groups.setdefault((measurement.cell, setting(measurement)), []).append(measurement)
    return list(groups.values())


def last_of(group: Sequence[Measurement]) -> Measurement:
    """The measurement that a summary of a group holds: the last with a figure, or the last."""
    return next((measurement for measurement in reversed(group) if measurement.status == "ok"), group[-1])


def current(results: Iterable[Kind]) -> list[Kind]:
    """Those that were taken on this machine with the code as it is now."""
    here = facts.hardware_id(), facts.code_digest()
    return [result for result in results if (result.machine.get("id"), result.code.get("digest")) == here]
