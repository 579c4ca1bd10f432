"""Figures in the formats of Bencher and github-action-benchmark."""

import json
from dataclasses import replace

import pytest

from bench.results import exports, summary
from bench.results.cell import Cell


@pytest.fixture
def summaries(measured):
    """A cell with a figure, and one without."""
    return summary.by_cell(
        [
            measured(model="dense", batch_size=32),
            measured(model="xception", status="oom", reason="too large"),
        ]
    )


def test_bencher_gives_figures_with_bounds(summaries):
    """Nanoseconds and images a second of the same interval; what has no figure is left out."""
    ((name, measures),) = json.loads(exports.bencher(summaries)).items()
    latency, throughput = measures["latency"], measures["throughput"]

    assert name == Cell(model="dense", batch_size=32).id
    assert latency["value"] == pytest.approx(1e9 * summaries[0].batch_seconds)
    assert latency["lower_value"] <= latency["value"] <= latency["upper_value"]
    assert throughput["value"] == pytest.approx(32e9 / latency["value"])
    assert throughput["lower_value"] == pytest.approx(32e9 / latency["upper_value"])


def test_github_action_benchmark_gives_an_entry_a_cell(summaries):
    """Name, unit and value are what its custom tools want; smaller is better."""
    (entry,) = json.loads(exports.github_action_benchmark(summaries))

    assert entry["name"] == Cell(model="dense", batch_size=32).id
    assert entry["unit"] == "ms/batch"
    assert entry["value"] == pytest.approx(1e3 * summaries[0].batch_seconds)
    assert entry["range"].startswith("± ")
    assert "Test CPU" in entry["extra"]


@pytest.mark.parametrize("shape", exports.FORMATS)
def test_settings_of_a_cell_have_names_of_their_own(measured, shape):
    """One beside a quota of half a core is another benchmark; what was measured last keeps the cell's name."""
    quota = replace(measured(seconds=(0.5,) * 3, machine={"usable_cores": 0.5}), started="2026-11-22T12:00:00+00:00")
    given = json.loads(exports.FORMATS[shape](summary.by_cell([measured(machine={"usable_cores": 2}), quota])))
    names = list(given) if isinstance(given, dict) else [entry["name"] for entry in given]
    cell = Cell(model="dense").id

    assert names == [f"{cell} (usable_cores 0.5)", cell]
