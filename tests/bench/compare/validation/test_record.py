"""Recording pairs whose truth is known."""

import psutil
import pytest

from bench.compare.pair_result import PairResult
from bench.compare.validation import record as recording
from bench.results import store
from bench.run.data_source import Source


@pytest.fixture
def injected(monkeypatch, paired):
    """Replaces processes by a made-up result for each injection; lists the kinds that each pair was given."""
    kinds = []

    def record(base, candidate, *, comparison, injections, load, draw):  # noqa: ARG001 - as pair.record
        kinds.append([injection.kind for injection in injections])
        return [
            paired(1 + injection.share, comparison=comparison, cell=base.cell.id, injection=vars(injection), load=load)
            for injection in injections
        ]

    monkeypatch.setattr(recording.pair, "record", record)
    return kinds


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [(("sleep",), ["none", "sleep"]), ((), ["none", "compute", "compute", "sleep", "lock", "core"])],
)
def test_record_stores_a_result_for_each_injection(tmp_path, injected, kinds, expected):
    """A pair gives a result for every kind that was asked for, and for identical variants; all are stored."""
    recording.record(tmp_path, Source(), seconds=1e-9, kinds=kinds)
    results = store.load(PairResult, tmp_path).results

    assert injected == [expected]
    assert [result.injection["kind"] for result in results] == expected
    assert {result.comparison[:11] for result in results} == {"validation-"}


def processes():
    return [child for child in psutil.Process().children() if recording.LOAD_CODE in child.cmdline()]


def test_load_runs_as_long_as_its_block():
    """One process takes CPU while the block runs, and none is left behind."""
    with recording.background_load(0.5):
        (child,) = processes()
        before = child.cpu_times().user
        while child.cpu_times().user == before:
            psutil.cpu_percent(interval=0.1)

    assert processes() == []


def test_no_load_is_no_process():
    """A share of nothing starts nothing."""
    with recording.background_load(0.0):
        assert processes() == []
