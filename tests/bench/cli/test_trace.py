"""Which traces `trace --diff` means."""

import json
import shutil

import pytest

from bench.cli import trace
from bench.machine.facts import PROJECT_ROOT
from flowers_core.errors import InputError


@pytest.fixture
def results(tmp_path):
    """A store with three traces of two cells."""
    for place in ("dense/20261126T1", "convnet/20261126T2", "dense/20261126T3"):
        (tmp_path / "traces" / place).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("1", "dense/20261126T1"),
        ("3", "dense/20261126T3"),
        ("latest", "dense/20261126T3"),
        ("convnet/20261126T2", "convnet/20261126T2"),
    ],
)
def test_folder_takes_numbers_latest_and_folders(results, name, place):
    """As the list of traces has them."""
    assert trace._folder(name, results) == results / "traces" / place


@pytest.mark.parametrize("name", ["0", "4", "nowhere"])
def test_folder_says_what_it_takes(results, name):
    """And how many traces there are."""
    with pytest.raises(InputError, match="there are 3 traces"):
        trace._folder(name, results)


def test_before_is_of_the_same_cell(results):
    """Two traces of one cell are what a reader compares; without one it is the trace before."""
    before = lambda name: trace._before(trace._folder(name, results), results).relative_to(results / "traces")  # noqa: E731

    assert str(before("latest")) == "dense/20261126T1"
    assert str(before("2")) == "dense/20261126T1"
    with pytest.raises(InputError, match="no trace before"):
        before("1")


def test_trace_lists_its_sample_with_its_path(command_line, monkeypatch, tmp_path):
    """The committed one: a number, its figures, advice, and where it lies on a line of its own."""
    sample = next((PROJECT_ROOT / "results" / "reference" / "traces").glob("*/*/"))
    shutil.copytree(sample, tmp_path / "traces" / sample.parent.name / sample.name)
    monkeypatch.setenv("COLUMNS", "60")
    ended = command_line("bench", "trace", "--results", tmp_path)

    assert ended.code == 0
    assert "compute-bound: " in ended.out
    assert str(tmp_path / "traces" / sample.parent.name / sample.name) in ended.out.splitlines()
    (row,) = map(json.loads, command_line("bench", "trace", "--json", "--results", tmp_path).out.splitlines())
    assert row["number"] == 1
    assert row["step_seconds"] > 0
    diff = command_line("bench", "trace", "--diff", "1", "1", "--json", "--results", tmp_path)
    assert json.loads(diff.out)["a"]["step_seconds"] == row["step_seconds"]
