"""Paired runs decide on steps, each pair of codes once, and the history is kept in the store."""

import json

import pytest

from bench.compare import comparison, variants
from bench.compare.comparison import PairRuns
from bench.compare.history import confirm
from bench.compare.variant import Variant, VariantPair
from bench.results.cell import Cell
from bench.run.data_source import Source
from flowers_core.errors import RunFailed

CELL = Cell(model="squeezenet", batch_size=8)


@pytest.fixture
def runs(monkeypatch, paired):
    """Commits `slow…` are 10 % slower, `broken…` do not build, those that end alike hold the same code; counts runs."""
    counted = []

    def of_revisions(cells, base, candidate, source, *, tell):  # noqa: ARG001 - as variant_pairs.of_revisions
        if "broken" in candidate:
            raise RunFailed("it does not build")
        return [
            VariantPair(*(Variant(name=name, cell=cells[0], code={"digest": name[-1]}) for name in (base, candidate)))
        ]

    def record(base, candidate, *, comparison):  # noqa: ARG001 - as pair.record
        counted.append(candidate.name)
        return [paired(1.1 if "slow" in candidate.name else 1.0 + 0.001 * (len(counted) % 2))]

    monkeypatch.setattr(variants, "of_revisions", of_revisions)
    monkeypatch.setattr(
        comparison.run, "__kwdefaults__", {**comparison.run.__kwdefaults__, "runs": PairRuns(record=record)}
    )
    return counted


@pytest.fixture
def paired_runs(tmp_path):
    """Runs pairs on this machine; what it reports is in `paired_runs.reports`."""
    reports = []
    runs = confirm.PairedRuns(tmp_path, Source(), budget_seconds=None, tell=reports.append)
    runs.reports = reports
    return runs


def test_paired_runs_run_two_codes_once(paired_runs, runs):
    """The verdict has the ratio on the clock that decided; asking again costs nothing."""
    first = paired_runs(CELL, "good-a", "slow-b")
    count = len(runs)

    assert first.word == "slower"
    assert first.estimate.low <= first.ratio <= first.estimate.high
    assert paired_runs(CELL, "good-a", "slow-b") == first
    assert len(runs) == count


def test_paired_runs_spare_the_same_code(paired_runs, runs):
    """Commits that differ in documents alone are the same at once."""
    assert paired_runs(CELL, "good-a", "docs-a").word == "same"
    assert runs == []


def test_paired_runs_take_a_failed_build_as_inconclusive(paired_runs, runs):
    """It can be neither confirmed nor rejected, and the reason is told."""
    assert paired_runs(CELL, "good-a", "broken-c").word == "inconclusive"
    assert "does not build" in paired_runs.reports[0]
    assert runs == []


def test_find_keeps_the_table(tmp_path, monkeypatch, slowed):
    """The table lies in the store as Markdown, and as JSON for the page."""
    folder, _, results = slowed
    find = confirm.regressions.find
    monkeypatch.setattr(confirm.regressions, "find", lambda _, **__: find(results, repository=folder))
    confirm.find(tmp_path, Source(), confirm=False, budget_seconds=None, tell=print)

    assert "squeezenet" in (tmp_path / "tables" / "regressions.md").read_text()
    assert json.loads((tmp_path / "tables" / "regressions.json").read_text())["points"]


def test_find_says_first_how_long_confirming_takes(tmp_path, monkeypatch, slowed):
    """By the budget of each paired run where nothing tells of its pairs: two ends, and halves of what is between."""
    folder, _, results = slowed
    find, said = confirm.regressions.find, []
    monkeypatch.setattr(confirm.regressions, "find", lambda _, **__: find(results, repository=folder))
    monkeypatch.setattr(confirm.regressions, "confirm", lambda history, *_, **__: history)
    for budget_seconds in (None, 300.0):
        confirm.find(tmp_path, Source(), confirm=True, budget_seconds=budget_seconds, tell=said.append)

    unknown, known = said
    assert unknown.startswith("1 step to confirm by paired runs of the ends")
    assert "how long is known when the first has ended" in unknown
    assert "about 5 min, by `--budget`" in known
