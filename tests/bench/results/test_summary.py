"""Durations -> what they say; figures worked out by hand."""

import dataclasses

import pytest

from bench.results.summary import by_cell, median_interval, quartiles, summarise

PACKAGES = {"keras": "3.15.1", "tensorflow": "2.21.0"}


def test_summary_is_of_the_median_step(measured):
    """Images a second are those of the median step."""
    summary = summarise([measured(seconds=(0.1, 0.2, 0.9), batch_size=32)])

    assert summary.batch_seconds == 0.2
    assert summary.images_per_second == 160
    assert summary.cpu_seconds == 0.4


def test_spread_of_one_process_is_quartiles_of_its_steps(measured):
    """Steps of one process are not independent: no interval of the median is claimed."""
    summary = summarise([measured(seconds=(1, 2, 3, 4, 5, 6, 7, 8))])

    assert (summary.low, summary.high, summary.spread) == (2.5, 6.5, "quartiles of steps")
    assert (summary.processes, summary.steps) == (1, 8)


def test_spread_of_few_processes_is_their_range(measured):
    """Up to five processes cannot give a 95 % interval: their range stands there, and is named so."""
    summary = summarise([measured(seconds=(seconds,) * 3) for seconds in (3, 1, 2)])

    assert (summary.batch_seconds, summary.low, summary.high, summary.spread) == (2, 1, 3, "range of processes")


def test_spread_of_six_processes_is_an_interval(measured):
    """From six processes on the order statistics cover the median with 95 %."""
    summary = summarise([measured(seconds=(seconds,) * 3) for seconds in (6, 5, 4, 3, 2, 1)])

    assert (summary.low, summary.high, summary.spread) == (1, 6, "95 % of the median")


@pytest.mark.parametrize(
    ("count", "expected"),
    [(5, None), (6, (0, 5)), (8, (0, 7)), (9, (1, 7)), (20, (5, 14))],
)
def test_median_interval(count, expected):
    """The interval is the one of the binomial tables (e.g. ranks 6 and 15 of 20)."""
    assert median_interval(list(range(count))) == expected


@pytest.mark.parametrize(("values", "expected"), [([7], (7, 7)), ([1, 3], (1, 3)), ([1, 2, 3, 4], (1.5, 3.5))])
def test_quartiles(values, expected):
    """Quartiles are medians of the halves."""
    assert quartiles(values) == expected


def test_summary_of_a_pipeline_counts_its_batches(measured):
    """A timed step of a pipeline draws several batches; the figure is for one."""
    pipeline = dataclasses.replace(
        measured(model="none", pipeline="records_parallel", batch_size=32, seconds=(0.5,) * 5), images_per_step=320
    )
    summary = summarise([pipeline])

    assert summary.batch_seconds == 0.05
    assert summary.images_per_second == 640


def test_summary_of_failures_keeps_their_reason(measured):
    """A cell that gave no figure says why."""
    summary = summarise([measured(status="oom", reason="killed")])

    assert (summary.status, summary.reason, summary.images_per_second) == ("oom", "killed", None)


def test_summary_counts_a_figure_beside_a_failure(measured):
    """One process that died does not hide what the others measured."""
    summary = summarise([measured(), measured(status="crash", reason="SIGSEGV")])

    assert (summary.status, summary.processes) == ("ok", 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"foreign_cpu_share": 0.5}, "others used over 10 %"),
        ({"steady": False}, "not steady"),
        ({"loss_finite": False}, "not a number"),
    ],
)
def test_warnings_say_what_makes_a_figure_doubtful(measured, change, said):
    """A reader is warned."""
    warnings = summarise([dataclasses.replace(measured(), **change)]).warnings

    assert any(said in warning for warning in warnings)


def test_by_cell_puts_processes_of_a_cell_together(measured):
    """Two processes of a cell are one row; another cell is another."""
    summaries = by_cell([measured(), measured(model="convnet"), measured()])

    assert [(summary.cell.model, summary.processes) for summary in summaries] == [("dense", 2), ("convnet", 1)]


@pytest.mark.parametrize(
    "other",
    [
        {"machine": {"id": "another"}},
        {"machine": {"packages": {"tensorflow": "2.22.0"}}},
        {"machine": {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}},
        {"machine": {"environment": {"ONEDNN_MAX_CPU_ISA": "SSE41"}}},
        {"machine": {"usable_cores": 0.5}},
        {"machine": {"keras": {"image_data_format": "channels_first"}}},
        {"code": {"digest": "another"}},
    ],
)
def test_by_cell_keeps_settings_apart(measured, other):
    """Machine, quota, versions, environment, Keras' settings and code keep figures apart."""
    assert len(by_cell([measured(), measured(**other)])) == 2


@pytest.mark.parametrize(
    "other", [{"host": "container of another day"}, {"packages": {**PACKAGES, "jax": "0.7.2", "jaxlib": "0.7.2"}}]
)
def test_same_setting_is_one_figure(measured, other):
    """The name of a container, and a framework that the cell does not load, keep nothing apart."""
    assert len(by_cell([measured(), measured(machine=other)])) == 1
    assert len(by_cell([measured(backend="jax", xla=True), measured(backend="jax", xla=True, machine=other)])) == (
        2 if "jax" in other.get("packages", {}) else 1
    )


def test_other_content_is_another_figure(measured):
    """Folders of one name and counts with other photos are two rows; results that do not say are as they were."""
    cell = {"model": "none", "pipeline": "photos_parallel"}
    data = {"photos": "p", "images": 20, "classes": 5}
    first, second, unknown = (
        dataclasses.replace(measured(**cell), data={**data, **digest})
        for digest in ({"digest": "a"}, {"digest": "b"}, {})
    )

    assert [row.processes for row in by_cell([first, second, unknown, first, unknown])] == [2, 1, 2]
