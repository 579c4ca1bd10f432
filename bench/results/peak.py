"""What a machine could do at most, and how much of that a step makes: its place under the roofline."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bench.results import identity
from bench.results.cell import NO_MODEL, Cell
from bench.results.result import Result
from bench.results.summary import Summary

COPY = "copy"  # the limit of memory

Ceilings = Mapping[tuple[str, str, str], float]
"""GFLOP/s of matrix products by machine, device and number format; GB/s of copies under `COPY`."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit: the median of some rounds, with the lowest and highest."""

    value: float
    low: float
    high: float
    rounds: int
    unit: str


@dataclass(frozen=True, kw_only=True)
class Peak(Result):
    """What a machine could do at most.

    Attributes:
        limits: By name: a number format for GFLOP/s of matrix products, `copy` for GB/s read and written.
        backend: What computed it.
        device: `cpu`, `gpu` or `tpu`.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
    """

    KIND = "peak"
    FORMAT = 1  # limits by name, machine (2026-11)

    limits: dict[str, dict]
    backend: str = "tensorflow"
    device: str = "cpu"
    foreign_cpu_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a step stands under the roofline of its device.

    Attributes:
        gflops_per_second: FLOPs of the step by its time, as `flowers_core.train.flops` counts them.
        utilisation: Share of large matrix products of its number format: model FLOP utilisation; None if unknown.
        flops_per_byte: Arithmetic intensity, by the bytes that a step moves whose layers are not fused.
        bound: `memory` where the device computes more a byte than the step, else `compute`; empty if unknown.
    """

    gflops_per_second: float
    utilisation: float | None
    flops_per_byte: float
    bound: str


def ceilings(figures: Iterable[Summary], peaks: Iterable[Peak]) -> dict[tuple[str, str, str], float]:
    """The limits of each machine that has figures, see `of_machine`."""
    machines = {figure.measurement.machine.get("id", ""): figure for figure in figures if figure.cell.model != NO_MODEL}
    peaks = tuple(peaks)
    return {
        (machine, *place): value
        for machine, figure in machines.items()
        for place, value in of_machine(peaks, figure.measurement.machine, [figure.cell]).items()
    }


def of_machine(peaks: Iterable[Peak], machine: Mapping, cells: Collection[Cell]) -> dict[tuple[str, str], float]:
    """The limits of a machine by device and name: of each backend the last in its setting, of these the highest.

    Args:
        peaks: Whatever a store holds.
        machine: A description of the machine, see `bench.machine.facts.fingerprint`.
        cells: What is held against them.
    """
    by_backend = {
        (peak.device, name, peak.backend): limit["value"]
        for peak in sorted(peaks, key=lambda peak: peak.started)
        if peak.machine.get("id", "") == machine.get("id", "") and identity.agree(peak.machine, machine, cells)
        for name, limit in peak.limits.items()
    }
    highest: dict[tuple[str, str], float] = {}
    for (device, name, _), value in by_backend.items():
        highest[device, name] = max(value, highest.get((device, name), 0.0))
    return highest


def of_format(limits: Mapping[tuple[str, str], float], cell: Cell) -> float | None:
    """Of the limits of a machine that of the cell's arithmetic: on a GPU that has TF32 convolutions take it."""
    names = (("tf32", "float32") if cell.device == "gpu" else ("float32",)) if cell.precision == "float32" else ()
    return next(
        (limits[cell.device, name] for name in names or (cell.precision,) if (cell.device, name) in limits), None
    )


def position(figure: Summary, known: Ceilings) -> Position | None:
    """Where the step of a figure stands; None where its FLOPs were not counted, or it has no time."""
    cost, cell = figure.measurement.cost, figure.cell
    if not cost or not figure.rate:
        return None
    place = figure.measurement.machine.get("id", ""), cell.device
    peak, memory = known.get((*place, number_format(figure))), known.get((*place, COPY))
    made, intensity = cost["gflops"] * figure.rate, cost["gflops"] / cost["gigabytes"]
    bound = "memory" if peak and memory and intensity < peak / memory else "compute"
    return Position(
        gflops_per_second=made,
        utilisation=made / peak if peak else None,
        flops_per_byte=intensity,
        bound=bound if peak and memory else "",
    )


def number_format(figure: Summary) -> str:
    """What the device multiplied in: the cell's precision, or what it takes for float32."""
    precision = figure.cell.precision
    return figure.measurement.cost.get("float32_format", precision) if precision == "float32" else precision
