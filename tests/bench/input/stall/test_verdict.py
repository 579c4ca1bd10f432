"""Verdicts as they were given: what is kept of them, and what is decided anew."""

from dataclasses import replace

from bench.input.stall import three_runs, verdict
from bench.input.stall.verdict import StallVerdict
from bench.results import store


def words(results, measurements):
    """The verdict on each stall, with how many rounds it has."""
    return [(runs.verdict[0], len(runs.rounds)) for runs in verdict.group(results, measurements)]


def test_verdict_stays_as_it_was_given(three, tmp_path):
    """Whatever a later program would say of the same measurements, and whatever other sweeps measured since."""
    first, later = three(sweep="1"), three(sweep="2")
    verdict.keep(three_runs.group(first), tmp_path)
    (kept,) = store.load(StallVerdict, tmp_path).results
    store.append(replace(kept, verdict="host-contended", explanation="as it was said then"), tmp_path)
    (shown,) = verdict.group(tmp_path, [*first, *later])

    assert kept.shares["stall_share"] == shown.facts.stall
    assert shown.verdict == ("host-contended", "as it was said then")
    assert len(shown.rounds) == 1


def test_rounds_without_a_verdict_are_decided_now(three, tmp_path):
    """Older programs kept none: their sweeps count together, beside other code that has one."""
    old = [*three(sweep="1"), *three(sweep="2")]
    new = [replace(measurement, code={"digest": "new"}) for measurement in three(sweep="3")]
    verdict.keep(three_runs.group(new), tmp_path)

    assert words(tmp_path, old) == [("compute-bound", 2)]
    assert words(tmp_path, [*old, *new]) == [("compute-bound", 1), ("compute-bound", 2)]


def test_what_failed_has_no_verdict(three, tmp_path):
    """Its reason is in its measurement."""
    failed = [replace(measurement, status="oom", reason="killed") for measurement in three(sweep="1")]
    verdict.keep(three_runs.group(failed), tmp_path)

    assert store.load(StallVerdict, tmp_path).results == ()
    assert words(tmp_path, failed) == [("oom", 0)]
