"""asv's files become series: their order, what is left out, the cell they measured."""

import os

import pytest

from bench.compare.history import asv_series, commits
from bench.results.cell import Cell
from flowers_core.errors import InputError

STEP = "step_time.StepTime.track_step_seconds"
NAN = float("nan")


def test_points_stand_in_the_order_of_the_branch(planted):
    """A series has a point of every commit, the oldest first, whatever the order of asv's files."""
    folder, hashes, results = planted
    dense, squeezenet = sorted(asv_series.read(results, line=commits.line(folder)), key=lambda one: one.label)

    assert (dense.params, squeezenet.params) == (("dense", 8), ("squeezenet", 8))
    assert [point.commit for point in squeezenet.points] == hashes
    assert (squeezenet.benchmark, squeezenet.machine, squeezenet.version) == (STEP, "lab", "1-ruler1")


def test_a_point_is_the_median_with_quartiles(repository, stored):
    """The value is asv's median over processes; low and high are their quartiles."""
    folder, hashes = repository
    results = stored(hashes[0], {STEP: ([["dense"], [8]], [[0.1, 0.5, 0.3, 0.2, 0.4]])})
    (one,) = asv_series.read(results, line=commits.line(folder))

    assert one.points == (asv_series.Point(commit=hashes[0], value_seconds=pytest.approx(0.3), low=0.2, high=0.4),)


def test_what_has_no_figure_is_left_out(repository, stored):
    """A failed and an inapplicable benchmark give no point."""
    folder, hashes = repository
    stored(hashes[0], {STEP: ([["dense"], [8, 32]], [[0.1] * 5, [0.2] * 5])})
    stored(hashes[1], {STEP: ([["dense"], [8, 32]], [None, NAN])})
    results = stored(hashes[2], {STEP: ([["dense"], [8, 32]], [[0.1] * 5, NAN])})
    eight, thirty_two = asv_series.read(results, line=commits.line(folder))

    assert [point.commit for point in eight.points] == [hashes[0], hashes[2]]
    assert [point.commit for point in thirty_two.points] == [hashes[0]]


def test_a_benchmark_without_parameters_is_a_series(repository, stored):
    """No parameters are one combination."""
    folder, hashes = repository
    results = stored(hashes[0], {"a.B.track_c": ([], [[0.1] * 5])})
    (one,) = asv_series.read(results, line=commits.line(folder))

    assert (one.params, len(one.points)) == ((), 1)


def test_machines_environments_and_rulers_do_not_mix(repository, stored):
    """Another machine, environment or version of the benchmark is a series of its own."""
    folder, hashes = repository
    figures = {STEP: ([["dense"], [8]], [[0.1] * 5])}
    stored(hashes[0], figures)
    stored(hashes[1], figures, machine="other")
    stored(hashes[1], figures, environment="virtualenv-py3.12-uv")
    results = stored(hashes[2], figures, version="1-ruler2")
    read = asv_series.read(results, line=commits.line(folder))

    assert len(read) == len({one.id for one in read}) == 4


def test_commits_off_the_branch_are_left_out(repository, stored):
    """What was measured elsewhere has no place in the order; if it is all there is, that is said."""
    folder, _ = repository
    results = stored("f" * 40, {STEP: ([["dense"], [8]], [[0.1] * 5])})

    with pytest.raises(InputError, match="asv run"):
        asv_series.read(results, line=commits.line(folder))


def test_no_results_are_said(tmp_path):
    """Where asv never ran, the way out is named."""
    with pytest.raises(InputError, match="asv run"):
        asv_series.read(tmp_path / "none", line={})


def make(benchmark, *params, **variables):
    return asv_series.Series(
        benchmark=benchmark, params=params, machine="lab", environment="e", points=(), variables=variables
    )


@pytest.mark.parametrize(
    ("one", "cell"),
    [
        (make(STEP, "squeezenet", 32), Cell(model="squeezenet")),
        (
            make(STEP, "dense", 8, FLOWERS_PRECISION="mixed_bfloat16", KERAS_BACKEND="jax"),
            Cell(model="dense", batch_size=8, precision="mixed_bfloat16", backend="jax", xla=True),
        ),
        (
            make("input_throughput.InputThroughput.track_image_seconds", "records_parallel"),
            Cell(model="none", pipeline="records_parallel"),
        ),
        (make("import_time.ImportTime.track_import_seconds", "flowers_core.cli"), None),
        (make("gone.Gone.track_seconds"), None),
        (make("step_time.Gone.track_seconds"), None),
    ],
    ids=["step", "axes", "pipeline", "import", "no room", "no class"],
)
def test_a_series_has_the_cell_that_its_suite_measured(one, cell, monkeypatch):
    """The suite makes the cell in the environment of the series, not in ours; other things have none."""
    monkeypatch.setenv("FLOWERS_PRECISION", "float16")
    before = dict(os.environ)

    assert asv_series.cell_of(one) == cell
    assert dict(os.environ) == before


def test_a_model_that_is_gone_is_said():
    """A cell that can no longer be had is an error with its name."""
    with pytest.raises(InputError, match="vgg"):
        asv_series.cell_of(make(STEP, "vgg", 8))
