"""What `stall` runs, and what is left of it when it is interrupted."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.input.stall import campaign, three_runs
from bench.input.stall.accelerators import Workload
from bench.input.stall.emulate import Emulation
from bench.input.stall.verdict import StallVerdict
from bench.results import store
from bench.results.cell import Cell
from bench.run.data_source import Source
from flowers_core.errors import InputError

FED = Cell(model="dense", pipeline="records_parallel", batch_size=8)
LARGE = Cell(model="xception", pipeline="records_parallel", batch_size=1, image_size=331)


@pytest.fixture
def source(synthetic_photos, synthetic_records):
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


def planned(source, *fed, emulations=()):
    return campaign.plan(fed, [], emulations, source, rounds=1, seconds=0.1, timeout=120.0)


def test_plan_sets_apart_what_cannot_be_fed(source):
    """A model of 331 pixels waits for no process: it is n/a with the reason, and the others are measured."""
    plan = planned(source, FED, LARGE)

    assert len(plan.sweep.cells) == 3
    ((cell, reason),) = plan.absent
    assert cell == LARGE
    assert "331" in reason


def test_plan_without_anything_to_feed_is_wrong_use(source):
    """Where nothing is left the first reason is given."""
    with pytest.raises(InputError, match="331"):
        planned(source, LARGE)
    with pytest.raises(InputError, match="--records"):
        planned(Source(), FED)


def test_plan_finds_records_of_the_right_size_beside_ours(source, tmp_path, synthetic_photos):
    """`flowers-331` beside `flowers-192` feeds models of 331 pixels."""
    from flowers_core.data import photos, tfrecords

    for size in (192, 331):
        tfrecords.write(photos.find(synthetic_photos), tmp_path / f"flowers-{size}", shards=2, image_size=size)
    ours = Source(photos=source.photos, records=str(tmp_path / "flowers-192"))

    assert planned(ours, FED, LARGE).absent == ()
    assert ours.with_image_size(331).records == str(tmp_path / "flowers-331")
    assert ours.with_image_size(192) == ours
    assert ours.with_image_size(224) == ours


def test_ctrl_c_keeps_and_shows_what_has_ended(source, tmp_path, three, monkeypatch):
    """Interrupted after the first model, the exit code is 130 and its verdict is there, as is the reason of n/a."""
    plan = planned(source, FED, LARGE)

    def interrupted(sweep, results, **_):
        for measurement in three(sweep=sweep.id):
            store.append(measurement, results)
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign.sweep_progress, "run", interrupted)
    monkeypatch.setattr(campaign.summary, "current", list)
    lines = []
    code, known = campaign.run(plan, tmp_path, tell=lines.append)

    assert code == 130
    assert "kept" in lines[0]
    assert {runs.cell: runs.verdict[0] for runs in known.stalls} == {LARGE: "n/a", FED: "compute-bound"}
    (kept,) = store.load(StallVerdict, tmp_path).results
    assert (kept.cell, kept.sweep, kept.verdict, kept.rounds) == (FED, plan.sweep.id, "compute-bound", 1)


def test_run_says_that_the_code_changed_meanwhile(source, tmp_path, monkeypatch):
    """Whoever edits the package while it is measured gets no verdict, and is told why; the exit code is 1."""
    plan = planned(source, FED)
    monkeypatch.setattr(campaign.sweep_progress, "run", lambda *_, **__: 0)
    monkeypatch.setattr(campaign.facts, "code_digest", lambda: "another")
    lines = []
    code, known = campaign.run(plan, tmp_path, tell=lines.append)

    assert code == 1
    assert "changed while it was measured" in lines[0]
    assert not known.stalls


def test_load_last_of_an_empty_store_says_what_to_do(tmp_path):
    """`--show-last` has nothing to show."""
    with pytest.raises(InputError, match="Leave out --show-last"):
        campaign.load_last(tmp_path)


def test_run_emulates_accelerators_without_a_model_here(source, tmp_path, monkeypatch):
    """In a fresh process real pipelines feed a workload, and one whose images are missing is n/a; both are stored."""
    monkeypatch.setattr(campaign, "EMULATION_SECONDS", 0.1)
    fields = {"model": "dense", "batch_size": 4, "step_seconds": (0.01,), "origin": "published", "source": "a test"}
    workloads = [Workload(accelerator="TPU", image_size=size, **fields) for size in (192, 331)]
    plan = planned(source, emulations=[(workload, "records_parallel") for workload in workloads])
    code, known = campaign.run(plan, tmp_path, tell=print)
    fed, absent = known.emulations

    assert code == 0
    assert known.emulations == store.load(Emulation, tmp_path).results
    assert fed.status == "ok"
    assert 0 < fed.utilisation <= 1
    assert (absent.status, "331" in absent.reason) == ("n/a", True)
    assert [plan.demand.device for plan in known.plans] == ["TPU", "TPU"]


def test_command_measures_the_same_again(three, tmp_path):
    """The cells that were measured, on the photos and into the store that they were measured with."""
    stalls = three_runs.group(three(sweep="1"))
    read = replace(stalls[0].measurement, data={"folders": {"records": "tulips-192"}})
    known = SimpleNamespace(stalls=[replace(stalls[0], measurement=read)], emulations=[])
    options = "--model dense --pipeline records_parallel --batch-size 8 --records tulips-192"

    assert campaign.command(known, tmp_path) == f"python -m bench stall {options} --results {tmp_path}"
