"""What `feed` runs, and what is left of it when it is interrupted."""

import pytest

from bench.input.stall import campaign
from bench.input.stall.emulate import Consumer, Emulated
from bench.results import store
from bench.results.cell import Cell
from bench.run.data_source import Source
from flowers_core.errors import InputError

FED = Cell(model="dense", pipeline="records_parallel", batch_size=8)
LARGE = Cell(model="xception", pipeline="records_parallel", batch_size=1, image_size=331)


@pytest.fixture
def source(synthetic_photos, synthetic_records):
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


def planned(source, *fed):
    return campaign.plan(fed, [], [], source, rounds=1, seconds=0.1, timeout=60.0)


def test_what_cannot_be_fed_is_set_apart(source):
    """A model of 331 pixels waits for no process: it is n/a with the reason, and the others are measured."""
    found = planned(source, FED, LARGE)

    assert len(found.sweep.cells) == 3
    ((cell, reason),) = found.absent
    assert cell == LARGE
    assert "331" in reason


def test_without_anything_to_feed_it_is_wrong_use(source):
    """Where nothing is left the first reason is told."""
    with pytest.raises(InputError, match="331"):
        planned(source, LARGE)
    with pytest.raises(InputError, match="--records"):
        planned(Source(), FED)


def test_records_of_the_right_size_beside_ours_are_found(source, tmp_path, synthetic_photos):
    """`flowers-331` beside `flowers-192` feeds models of 331 pixels."""
    from flowers_core.data import photos, tfrecords

    for size in (192, 331):
        tfrecords.write(photos.find(synthetic_photos), tmp_path / f"flowers-{size}", shards=2, image_size=size)
    ours = Source(photos=source.photos, records=str(tmp_path / "flowers-192"))

    assert planned(ours, FED, LARGE).absent == ()
    assert ours.sized(331).records == str(tmp_path / "flowers-331")
    assert ours.sized(192) == ours
    assert ours.sized(224) == ours


def test_ctrl_c_keeps_and_shows_what_has_ended(source, tmp_path, three, monkeypatch):
    """Interrupted after the first model, the exit code is 130 and its verdict is there, as is the reason of n/a."""
    plan = planned(source, FED, LARGE)

    def interrupted(sweep, results, **_):
        for one in three(sweep=sweep.id):
            store.append(one, results)
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign.sweep_progress, "run", interrupted)
    monkeypatch.setattr(campaign.summary, "is_current", lambda _: True)
    said = []
    code, found = campaign.run(plan, tmp_path, tell=said.append)

    assert code == 130
    assert "kept" in said[0]
    assert {one.cell: one.verdict[0] for one in found.trios} == {LARGE: "n/a", FED: "compute-bound"}


def test_an_empty_store_has_nothing_to_show_again(tmp_path):
    """`--show-last` says what to do."""
    with pytest.raises(InputError, match="Leave out --show-last"):
        campaign.stored(tmp_path)


def test_accelerators_are_emulated_without_a_model_here(source, tmp_path):
    """With no fed cell only consumers are run, each stored as it ends, for the plan as well."""
    consumer = Consumer(
        accelerator="TPU", model="dense", batch_size=4, image_size=192, step_seconds=(0.01,), origin="published",
        source="a test",
    )  # fmt: skip
    plan = campaign.plan([], [], [(consumer, "records_parallel")], source, rounds=1, seconds=0.1, timeout=60.0)
    code, found = campaign.run(plan, tmp_path, tell=print)

    assert code == 0
    assert found.emulations == store.load(Emulated, tmp_path).results
    assert found.emulations[0].status == "ok"
    assert [one.eater.device for one in found.plans] == ["TPU"]
