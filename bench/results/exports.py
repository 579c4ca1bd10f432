"""Summaries in the formats of services that follow performance over commits: Bencher and github-action-benchmark.

Both take a name and a figure for each benchmark; a name here is a cell's id, which stays the same over commits. Of a
cell that was measured in several settings the last one has that name, the others say as well by what they differ.
"""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bench.results import identity
from bench.results.summary import Summary

NANOSECONDS = 1e9  # a second has; Bencher's `latency` is in these
MILLISECONDS = 1e3


def bencher(summaries: Iterable[Summary]) -> str:
    """Bencher Metric Format: latency in ns a batch, throughput in images/s, peak memory in bytes.

    Bounds are the interval of the figure, see `Summary.spread`. Cells without a figure are left out: the format knows
    no n/a.
    """
    return json.dumps({name: _measures(entry) for name, entry in _by_name(summaries).items()}, indent=1)


def _by_name(summaries: Iterable[Summary]) -> dict[str, Summary]:
    """Those that have a figure by their names: two of one name would be one point of a curve."""
    cells: dict[str, list[Summary]] = {}
    for entry in summaries:
        if entry.batch_time:
            cells.setdefault(entry.cell.id, []).append(entry)
    named = {}
    for name, entries in cells.items():
        entries.sort(key=lambda entry: entry.measurement.started)
        differences = identity.each_apart([entry.measurement for entry in entries])
        named |= {f"{name} ({apart})": entry for apart, entry in zip(differences[:-1], entries[:-1], strict=True)}
        named[name] = entries[-1]
    return named


def _measures(entry: Summary) -> dict[str, dict[str, float]]:
    """The measures of a cell, by their slugs."""
    time = entry.batch_time
    if time is None:
        return {}
    batch = entry.cell.batch_size
    latency, low, high = (NANOSECONDS * seconds for seconds in time)
    measures = {
        "latency": {"value": latency, "lower_value": low, "upper_value": high},
        "throughput": {
            "value": entry.rate,
            "lower_value": NANOSECONDS * batch / high,
            "upper_value": NANOSECONDS * batch / low,
        },
    }
    if entry.peak_bytes:
        measures["peak-memory"] = {"value": float(entry.peak_bytes)}
    return measures


def github_action_benchmark(summaries: Iterable[Summary]) -> str:
    """What its tool `customSmallerIsBetter` reads: milliseconds a batch, with half the interval as range."""
    return json.dumps([_entry(name, entry) for name, entry in _by_name(summaries).items()], indent=1)


def _entry(name: str, entry: Summary) -> dict[str, Any]:
    """One benchmark; what it was measured on stands in `extra`, for its charts show that on the point."""
    value, low, high = (MILLISECONDS * seconds for seconds in entry.batch_time or (0.0, 0.0, 0.0))
    return {
        "name": name,
        "unit": "ms/batch",
        "value": value,
        "range": f"± {(high - low) / 2:.3g}",
        "extra": f"{entry.rate:.4g} images/s; {entry.processes} processes, {entry.spread}; {entry.measurement.origin}",
    }


FORMATS: Mapping[str, Any] = MappingProxyType({"bencher": bencher, "github-action-benchmark": github_action_benchmark})
"""By the name that `table --format` has for it."""
