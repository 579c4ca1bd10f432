"""Columns on the device of a step, for rows that have them: memory, clocks, energy, and its share of the peak."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from bench.results import peak
from bench.results.peak import Ceilings
from bench.results.summary import Summary
from bench.results.table import Column, Value

NONE_KNOWN: Ceilings = MappingProxyType({})

OF_PEAK, BOUND = "of peak", "bound"

NOTES: Mapping[str, str] = MappingProxyType(
    {
        "device MB": "device MB: most memory that the framework held on the accelerator; MB is the host's",
        "copy": "copy: one batch from the host to the accelerator, measured apart; a resident step has none",
        "J an image": "J an image: of the whole board while the steps were timed, by NVML's energy counter",
        OF_PEAK: "of peak: model FLOP utilisation, FLOPs of the step by those of large matrix products in the same "
        "number format on the same device (`bench peak`)",
        BOUND: "bound: what limits a step whose layers are not fused (roofline): memory, where the device could "
        "compute more a byte than the step does, else compute",
    }
)

_COLUMNS: tuple[tuple[Column, Callable[[Summary], Value]], ...] = (
    (Column("device MB", "bytes"), lambda figure: figure.device_peak_bytes),
    (Column("copy", "time"), lambda figure: figure.measurement.copy_seconds),
    (Column("MHz", "count"), lambda figure: figure.measurement.accelerator.get("clock_mhz")),
    (Column("J an image", "rate"), lambda figure: figure.measurement.accelerator.get("joules_per_image")),
)


def columns(figures: Sequence[Summary], known: Ceilings) -> list[tuple[Column, list[Value]]]:
    """The columns that any of some rows has a value for, each with the values of all.

    Args:
        figures: Of one table.
        known: What their machines could do at most.
    """
    places = [peak.position(figure, known) for figure in figures]
    found = [(column, [value(figure) for figure in figures]) for column, value in _COLUMNS]
    found.append((Column(OF_PEAK, "percent"), [place.utilisation if place else None for place in places]))
    found.append((Column(BOUND), [place.bound or None if place else None for place in places]))
    return [
        (column, ["" if figure.status != "ok" else value for figure, value in zip(figures, values, strict=True)])
        for column, values in found
        if any(value is not None for value in values)
    ]


def notes(shown: Sequence[Column]) -> list[str]:
    """What columns mean, of those that do not say so by their names."""
    return [NOTES[column.name] for column in shown if column.name in NOTES]


def facts(figure: Summary, known: Ceilings) -> dict[str, Value]:
    """The same of one figure, plain and by name, for CSV and JSON."""
    place, seen = peak.position(figure, known), figure.measurement.accelerator
    return {
        "copy_seconds": figure.measurement.copy_seconds,
        "clock_mhz": seen.get("clock_mhz"),
        "watts": seen.get("watts"),
        "joules_per_image": seen.get("joules_per_image"),
        "slowed_by": ", ".join(seen.get("slowed_by", ())),
        "gflops_per_second": place.gflops_per_second if place else None,
        "peak_utilisation": place.utilisation if place else None,
        "flops_per_byte": place.flops_per_byte if place else None,
        "bound": place.bound if place else "",
    }
