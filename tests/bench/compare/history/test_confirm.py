"""A history that a user asks for: paired runs judge its steps, each pair of codes once, and what was found is kept."""

import json

import pytest

from bench.compare import comparison, revision, variants
from bench.compare.comparison import VariantPair
from bench.compare.history import confirm
from bench.compare.variant import Variant
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
        return [VariantPair(*(Variant(name=one, cell=cells[0], code={"digest": one[-1]}) for one in (base, candidate)))]

    def record(base, candidate, *, comparison, draw):  # noqa: ARG001 - as pair.record
        counted.append(candidate.name)
        return [paired(1.1 if "slow" in candidate.name else 1.0 + 0.001 * (len(counted) % 2))]

    monkeypatch.setattr(variants, "of_revisions", of_revisions)
    monkeypatch.setattr(comparison.run, "__kwdefaults__", {**comparison.run.__kwdefaults__, "record": record})
    return counted


@pytest.fixture
def judge(tmp_path):
    """Judges with this machine; what it tells is in `judge.told`."""
    told = []
    made = confirm.Judge(tmp_path, Source(), budget_seconds=None, tell=told.append)
    made.told = told
    return made


def test_a_pair_of_codes_is_run_once(judge, runs):
    """The verdict has the ratio on the clock that decided; asking again costs nothing."""
    first = judge(CELL, "good-a", "slow-b")
    count = len(runs)

    assert first.verdict == "slower"
    assert first.low <= first.ratio <= first.high
    assert judge(CELL, "good-a", "slow-b") == first
    assert len(runs) == count


def test_the_same_code_needs_no_run(judge, runs):
    """Commits that differ in words alone are the same at once."""
    assert judge(CELL, "good-a", "docs-a").verdict == "same"
    assert runs == []


def test_a_commit_that_does_not_build_is_inconclusive(judge, runs):
    """It can be neither confirmed nor rejected, and the reason is told."""
    assert judge(CELL, "good-a", "broken-c").verdict == "inconclusive"
    assert "does not build" in judge.told[0]
    assert runs == []


def test_what_was_found_is_kept(tmp_path, monkeypatch, planted, otava):
    """The table lies in the store as Markdown, and as JSON for the page."""
    folder, _, results = planted
    whole = confirm.regressions.find
    monkeypatch.setattr(confirm.regressions, "find", lambda *_, tell: whole(results, repository=folder, tell=tell))
    assert otava
    confirm.find(tmp_path, Source(), confirm=False, budget_seconds=None, tell=print)

    assert "squeezenet" in (tmp_path / "tables" / "regressions.md").read_text()
    assert json.loads((tmp_path / "tables" / "regressions.json").read_text())["points"]


def test_revisions_are_what_commits_are():
    """The judge's commits are revisions that can be built."""
    assert revision.resolve("HEAD").commit
