"""Figures of cells -> flat values that charts and the explorer take."""

from collections.abc import Iterable

from bench.report.chart import rounded
from bench.report.gather import Gathered
from bench.results.summary import Summary

RATE = "images/s"
WORK = "GFLOPs an image"
PEAK = "% of peak"


def points(summaries: Iterable[Summary], gathered: Gathered) -> list[dict]:
    """What charts need of each figure, flat."""
    good = [one for one in summaries if one.status == "ok"]
    costs = [gathered.costs.get((one.cell.model, one.cell.image_size), {}) for one in good]
    peaks = [gathered.peaks.get((one.measurement.machine.get("id"), one.cell.precision)) for one in good]
    return [_point(*one) for one in zip(good, costs, peaks, strict=True)]


def _point(one: Summary, cost: dict, peak: float | None) -> dict:
    """Images a second with the interval's ends; the arithmetic of a step, and what it makes of the machine's peak."""
    cell, size = one.cell, one.cell.batch_size
    work = cost.get("training_gflops" if cell.mode == "train" else "forward_gflops")
    return {
        "million parameters": rounded(cost.get("parameters", 0) / 1e6 or None),
        WORK: rounded(work),
        "GFLOP/s": rounded(work and work * one.images_per_second),
        PEAK: rounded(work and peak and 100 * work * one.images_per_second / peak),
        "model": cell.model,
        "pipeline": cell.pipeline,
        "batch": size,
        "px": cell.image_size,
        "mode": cell.mode,
        "device": cell.device,
        "precision": cell.precision + (" XLA" if cell.xla_chosen else ""),
        "backend": cell.backend,
        "host": one.measurement.machine.get("host") or "unknown",
        RATE: rounded(one.images_per_second),
        "low": rounded(size / one.high),
        "high": rounded(size / one.low),
        "ms a step": rounded(1000 * one.batch_seconds),
        "first step, s": rounded(one.first_step_seconds),
        "MB": rounded((one.peak_bytes or 0) / 1e6),
    }
