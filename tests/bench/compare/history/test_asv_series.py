"""asv's files become series: their order, what is left out, the cell they measured."""

import os
import subprocess

import pytest

from bench.compare.history import asv_series
from bench.results.cell import Cell
from flowers_core.errors import InputError

STEP = "step_time.StepTime.track_step_seconds"
NAN = float("nan")


def test_branch_commits_are_in_order(repository):
    """The oldest commit stands first, each with its subject line."""
    folder, hashes = repository
    commits = asv_series.branch_commits(folder)

    assert list(commits) == hashes
    assert commits[hashes[7]] == "commit 7: decode twice"


def test_branch_commits_hold_a_merge_and_not_its_branch(repository):
    """Commits of a merged branch are left out: the merge is not."""
    folder, hashes = repository
    git = ["git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false"]
    for words in (
        ["switch", "--quiet", "-c", "side", hashes[5]],
        ["commit", "--quiet", "--allow-empty", "-m", "aside"],
        ["switch", "--quiet", "main"],
        ["merge", "--quiet", "--no-ff", "-m", "merge", "side"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)

    assert list(asv_series.branch_commits(folder).values())[-2:] == ["commit 11", "merge"]


def test_branch_commits_need_a_repository(tmp_path):
    """A folder that is not under git is an error in a sentence."""
    with pytest.raises(InputError, match="git checkout"):
        asv_series.branch_commits(tmp_path)


def test_read_orders_points_by_branch(slowed):
    """A series has a point of every commit, the oldest first, whatever the order of asv's files."""
    folder, hashes, results = slowed
    dense, squeezenet = sorted(
        asv_series.read(results, commits=asv_series.branch_commits(folder)), key=lambda series: series.label
    )

    assert (dense.params, squeezenet.params) == (("dense", 8), ("squeezenet", 8))
    assert [point.commit for point in squeezenet.points] == hashes
    assert (squeezenet.benchmark, squeezenet.machine, squeezenet.version) == (STEP, "lab", "1-ruler1")


def test_read_gives_median_and_quartiles(repository, stored):
    """The value is asv's median over processes; low and high are their quartiles."""
    folder, hashes = repository
    results = stored(hashes[0], {STEP: ([["dense"], [8]], [[0.1, 0.5, 0.3, 0.2, 0.4]])})
    (series,) = asv_series.read(results, commits=asv_series.branch_commits(folder))

    assert series.points == (asv_series.Point(commit=hashes[0], value_seconds=pytest.approx(0.3), low=0.2, high=0.4),)


def test_read_leaves_out_what_has_no_figure(repository, stored):
    """A failed and an inapplicable benchmark give no point."""
    folder, hashes = repository
    stored(hashes[0], {STEP: ([["dense"], [8, 32]], [[0.1] * 5, [0.2] * 5])})
    stored(hashes[1], {STEP: ([["dense"], [8, 32]], [None, NAN])})
    results = stored(hashes[2], {STEP: ([["dense"], [8, 32]], [[0.1] * 5, NAN])})
    eight, thirty_two = asv_series.read(results, commits=asv_series.branch_commits(folder))

    assert [point.commit for point in eight.points] == [hashes[0], hashes[2]]
    assert [point.commit for point in thirty_two.points] == [hashes[0]]


def test_read_takes_benchmarks_without_parameters(repository, stored):
    """No parameters are one combination."""
    folder, hashes = repository
    results = stored(hashes[0], {"a.B.track_c": ([], [[0.1] * 5])})
    (series,) = asv_series.read(results, commits=asv_series.branch_commits(folder))

    assert (series.params, len(series.points)) == ((), 1)


def test_read_keeps_machines_environments_and_versions_apart(repository, stored):
    """Another machine, environment or version of the benchmark is a series of its own."""
    folder, hashes = repository
    figures = {STEP: ([["dense"], [8]], [[0.1] * 5])}
    stored(hashes[0], figures)
    stored(hashes[1], figures, machine="other")
    stored(hashes[1], figures, environment="virtualenv-py3.12-uv")
    results = stored(hashes[2], figures, version="1-ruler2")
    read = asv_series.read(results, commits=asv_series.branch_commits(folder))

    assert len(read) == len({series.id for series in read}) == 4


def test_read_leaves_out_commits_off_the_branch(repository, stored):
    """What was measured elsewhere has no place in the order; if it is all there is, that is said."""
    folder, _ = repository
    results = stored("f" * 40, {STEP: ([["dense"], [8]], [[0.1] * 5])})

    with pytest.raises(InputError, match="asv run"):
        asv_series.read(results, commits=asv_series.branch_commits(folder))


def test_read_says_how_to_get_results(tmp_path):
    """Where asv never ran, the way out is named."""
    with pytest.raises(InputError, match="asv run"):
        asv_series.read(tmp_path / "none", commits={})


def make(benchmark, *params, **variables):
    return asv_series.Series(
        benchmark=benchmark, params=params, machine="lab", environment="e", points=(), variables=variables
    )


@pytest.mark.parametrize(
    ("series", "cell"),
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
    ids=["step", "axes", "pipeline", "import", "no module", "no class"],
)
def test_cell_of_asks_the_suite(series, cell, monkeypatch):
    """The suite makes the cell in the environment of the series, not in ours; other things have none."""
    monkeypatch.setenv("FLOWERS_PRECISION", "float16")
    before = dict(os.environ)

    assert asv_series.cell_of(series) == cell
    assert dict(os.environ) == before


def test_cell_of_names_a_model_that_is_gone():
    """A cell that can no longer be had is an error with its name."""
    with pytest.raises(InputError, match="vgg"):
        asv_series.cell_of(make(STEP, "vgg", 8))
