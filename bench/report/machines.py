"""Machines beside each other on the page: what differs first, then each cell's two times with their ratio."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bench.report import two_sets
from bench.report.two_sets import TwoSets
from bench.results import identity
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.summary import Summary

MOST = 4  # machines beside the one that charts are of: those with most cells in common


def beside(
    measurements: Sequence[Measurement], shown: Sequence[Summary], charted: Sequence[Summary]
) -> tuple[TwoSets, ...]:
    """The machine that charts are of, beside each other machine that has cells in common with it.

    Args:
        measurements: All that the store holds.
        shown: The figures that the page shows: of each machine its most current code in its setting of now.
        charted: Those of the one machine that charts are drawn of.
    """
    if len({figure.measurement.machine.get("id") for figure in shown}) < 2:
        return ()
    machines = _processes(measurements, shown)
    chosen = charted[0].measurement.machine.get("id") if charted else None
    if chosen not in machines:
        return ()
    base = machines.pop(chosen)
    others = sorted(machines.values(), key=lambda other: len(_cells(base) & _cells(other)), reverse=True)
    found = []
    for other in others[:MOST]:
        common = _cells(base) & _cells(other)
        sides = [[stored for stored in side if _anywhere(stored.cell) in common] for side in (base, other)]
        if common:
            found.append(two_sets.beside(*sides, names=_names(base[-1], other[-1])))
    return tuple(found)


def _processes(measurements: Sequence[Measurement], shown: Sequence[Summary]) -> dict[str | None, list[Measurement]]:
    """What was measured of the figures that are shown, by machine."""
    figures = {(figure.cell, identity.setting(figure.measurement)) for figure in shown if figure.status == "ok"}
    machines: dict[str | None, list[Measurement]] = {}
    for stored in measurements:
        if stored.status == "ok" and (stored.cell, identity.setting(stored)) in figures:
            machines.setdefault(stored.machine.get("id"), []).append(stored)
    return machines


def _cells(measurements: Sequence[Measurement]) -> set[Cell]:
    return {_anywhere(stored.cell) for stored in measurements}


def _anywhere(cell: Cell) -> Cell:
    """The cell without its device, which is the machine's."""
    return replace(cell, device="cpu")


def _names(base: Measurement, other: Measurement) -> tuple[str, str]:
    """What a reader calls two machines: by accelerator or CPU, and by their hosts where these are alike."""
    names, hosts = [], []
    for stored in (base, other):
        devices = [device.get("name", "") for device in stored.machine.get("accelerators", [])]
        cores = stored.machine.get("usable_cores", "?")
        names.append(devices[0] if devices else f"{stored.machine.get('cpu', 'unknown CPU')}, {cores} cores")
        hosts.append(stored.machine.get("host") or stored.machine.get("id") or "unknown")
    if names[0] == names[1]:
        names = [f"{name} ({host})" for name, host in zip(names, hosts, strict=True)]
    return names[0], names[1]


def sentence(sets: TwoSets) -> str:
    """The answer: how many times as fast the candidate is, over the cells that both have."""
    gains = [1 / ratio for ratio in sets.ratios]
    low, high, middle = min(gains), max(gains), median(gains)
    if len(gains) == 1:
        return f"{sets.names[1]} is {middle:.2f} times as fast."
    return f"{sets.names[1]} is {middle:.2f} times as fast, {low:.2f} to {high:.2f} over {len(gains)} cells."
