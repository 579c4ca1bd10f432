"""Durations -> what they say; figures worked out by hand."""

import dataclasses

import pytest

from bench.results.summary import by_cell, median_interval, quartiles, summarise


def test_the_median_step_is_the_figure(measured):
    """Images a second are those of the median step."""
    said = summarise([measured(seconds=(0.1, 0.2, 0.9), batch_size=32)])

    assert said.batch_seconds == 0.2
    assert said.images_per_second == 160
    assert said.cpu_seconds == 0.4


def test_one_process_has_quartiles_of_its_steps(measured):
    """Steps of one process are not independent: no interval of the median is claimed."""
    said = summarise([measured(seconds=(1, 2, 3, 4, 5, 6, 7, 8))])

    assert (said.low, said.high, said.spread) == (2.5, 6.5, "quartiles of steps")
    assert (said.processes, said.steps) == (1, 8)


def test_few_processes_have_their_range(measured):
    """Up to five processes cannot give a 95 % interval: their range stands there, and is named so."""
    said = summarise([measured(seconds=(each,) * 3) for each in (3, 1, 2)])

    assert (said.batch_seconds, said.low, said.high, said.spread) == (2, 1, 3, "range of processes")


def test_six_processes_have_an_interval(measured):
    """From six processes on the order statistics cover the median with 95 %."""
    said = summarise([measured(seconds=(each,) * 3) for each in (6, 5, 4, 3, 2, 1)])

    assert (said.low, said.high, said.spread) == (1, 6, "95 % of the median")


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


def test_a_pipeline_counts_its_batches(measured):
    """A timed step of a pipeline draws several batches; the figure is for one."""
    one = dataclasses.replace(
        measured(model="none", pipeline="records_parallel", batch_size=32, seconds=(0.5,) * 5), images_per_step=320
    )
    said = summarise([one])

    assert said.batch_seconds == 0.05
    assert said.images_per_second == 640


def test_failures_keep_their_reason(measured):
    """A cell that gave no figure says why."""
    said = summarise([measured(status="oom", reason="killed")])

    assert (said.status, said.reason, said.images_per_second) == ("oom", "killed", None)


def test_a_figure_beside_a_failure_counts(measured):
    """One process that died does not hide what the others measured."""
    said = summarise([measured(), measured(status="crash", reason="SIGSEGV")])

    assert (said.status, said.processes) == ("ok", 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"foreign_cpu_share": 0.5}, "others used over 10 %"),
        ({"steady": False}, "not steady"),
        ({"loss_finite": False}, "not a number"),
    ],
)
def test_what_makes_a_figure_doubtful_is_said(measured, change, said):
    """A reader is warned."""
    warnings = summarise([dataclasses.replace(measured(), **change)]).warnings

    assert any(said in warning for warning in warnings)


def test_processes_of_one_cell_stand_together(measured):
    """Two processes of a cell are one row; another cell is another."""
    found = by_cell([measured(), measured(model="convnet"), measured()])

    assert [(one.cell.model, one.processes) for one in found] == [("dense", 2), ("convnet", 1)]


@pytest.mark.parametrize(
    "other",
    [
        {"machine": {"id": "another"}},
        {"machine": {"packages": {"tensorflow": "2.22.0"}}},
        {"machine": {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}},
        {"code": {"digest": "another"}},
    ],
)
def test_another_setting_is_another_figure(measured, other):
    """Machine, versions, environment and code keep figures apart."""
    assert len(by_cell([measured(), measured(**other)])) == 2
