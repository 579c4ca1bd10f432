"""What saving and restoring a model costs: measured in this process, kept and shown."""

from dataclasses import replace

import pytest

from bench.machine import page_cache
from bench.results import store
from bench.results.cell import Cell
from bench.results.result import of_last_campaign
from bench.training import checkpoint, checkpoint_table
from bench.training.checkpoint import WEIGHTS, WHOLE, CheckpointResult

CELL = Cell(model="dense_single", image_size=16, batch_size=1)


@pytest.fixture
def results():
    """Two rounds of one model, and a failure of an older command."""
    good = CheckpointResult(
        cell=CELL, content=WHOLE, bytes=2_000_000, save_seconds=(0.1, 0.2, 0.3), warm_seconds=(0.05,), campaign="2",
        file_system="ext4", cold_reason="tmpfs lives in memory",
    )  # fmt: skip
    old = CheckpointResult(cell=CELL, content=WEIGHTS, status="error", reason="full", campaign="1")
    return [old, good, replace(good, round=1, save_seconds=(0.4,))]


@pytest.mark.filterwarnings("ignore:__array__")
def test_optimizer_is_saved_with_the_whole_alone(tmp_path):
    """Adam keeps two numbers a weight; every save and restore is timed but the first, and nothing is left."""
    weights, whole = (checkpoint.measure_here(CELL, content, tmp_path, saves=1) for content in (WEIGHTS, WHOLE))

    assert weights["bytes"] < whole["bytes"]
    assert whole["bytes"] > 2 * 4 * 5 * 16 * 16 * 3
    assert [len(times["save_seconds"]) for times in (weights, whole)] == [1, 1]
    assert len(whole["warm_seconds"]) == 1
    assert bool(whole["cold_seconds"]) == (not whole["cold_reason"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:__array__")
def test_what_is_restored_must_be_what_was_saved(tmp_path, monkeypatch):
    """A figure of a checkpoint that loses weights would be worth nothing."""
    sums = iter((1.0, 2.0))
    monkeypatch.setattr(checkpoint, "_sum", lambda _: next(sums))
    monkeypatch.setattr(page_cache, "evict", lambda _: page_cache.Eviction(before=None, after=None, reason="no"))

    with pytest.raises(checkpoint.RunFailed, match="other weights"):
        checkpoint.measure_here(CELL, WEIGHTS, tmp_path, saves=1)


def test_results_come_back(tmp_path, results):
    """As they were stored."""
    for result in results:
        store.append(result, tmp_path)

    assert store.load(CheckpointResult, tmp_path).results == tuple(results)


def test_table_is_of_the_last_command(results, terminal):
    """Medians over processes, MB/s of saving, and why there is no cold restore."""
    shown = of_last_campaign(results)
    (table,) = checkpoint_table.tables(shown)

    assert table.texts() == [
        ["dense_single", WHOLE, "2", "300 ms [200, 400]", "6.67", "n/a", "50.0 ms"],
    ]  # fmt: skip
    assert "no cold restore: tmpfs lives in memory" in table.notes
    assert "ext4" in terminal(table)
    assert "checkpoint --model dense_single --backend tensorflow" in checkpoint_table.markdown(shown)
    assert checkpoint_table.tables([]) == []


def test_failure_is_a_row_with_its_reason(results):
    """Which others do not hide."""
    (table,) = checkpoint_table.tables(results[:1])

    assert table.texts()[0][2:4] == ["n/a", "error"]
    assert f"dense_single, {WEIGHTS}: error: full" in table.notes
