"""Figures in the formats of Bencher and github-action-benchmark."""

import json

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
