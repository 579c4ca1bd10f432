"""Records that are written and read in turns: here in this process, with stand-ins for the others."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.input.writing import campaign
from bench.input.writing.result import WriteResult
from bench.results import store
from bench.run import process
from bench.run.data_source import Source
from flowers_core.errors import InputError

FIGURES = {
    "images": 20,
    "bytes": 400_000,
    "write_seconds": [0.5, 0.4],
    "sync_seconds": [0.1, 0.1],
    "cpu_seconds": [0.8, 0.8],
    "syncs": 6,
    "file_system": "ext4",
    "foreign_cpu_share": 0.01,
}


@pytest.fixture
def plan(synthetic_photos, tmp_path):
    """Two numbers of shards by two numbers of threads, one round."""
    source = Source(photos=str(synthetic_photos))
    return campaign.Plan(source=source, folder=tmp_path, shards=(1, 4), threads=(1, 2), rounds=1, image_size=32)


@pytest.fixture
def asked():
    """Jobs of processes that were to write; each leaves its folder behind."""
    return []


@pytest.fixture
def ask(asked):
    """Has a job done at once."""

    def answer(module, job, *, timeout):
        assert (module, timeout) == ("bench.input.writing.campaign", 600.0)
        Path(job["folder"]).mkdir()
        asked.append(job)
        return dict(FIGURES)

    return answer


def read(job, *, timeout):
    """Reads 1,000 images/s a shard, as the name of the folder says."""
    assert timeout == 600.0
    shards = int(Path(job.source.records).name.partition("-")[0])
    return SimpleNamespace(status="ok", reason="", images_per_second=1000.0 * shards, foreign_cpu_share=0.02)


def test_each_number_of_shards_is_written_and_read_once(plan, asked, ask):
    """By every number of threads; read after the first, for threads leave no trace; nothing stays on the disk."""
    found = list(campaign.run(plan, ask=ask, read=read))

    assert [(result.shards, result.threads, result.read_images_per_second) for result in found] == [
        (1, 1, 1000.0), (1, 2, None), (4, 1, 4000.0), (4, 2, None),
    ]  # fmt: skip
    assert asked[-1]["how"] == {"image_size": 32, "shards": 4, "encoding": "jpeg444", "threads": 2}
    assert found[0].write_seconds == (0.5, 0.4)
    assert found[0].foreign_cpu_share == 0.02
    assert found[0].data["images"] == 20
    assert list(plan.folder.iterdir()) == []


def test_results_come_back(plan, ask, tmp_path):
    """As they were stored."""
    found = list(campaign.run(plan, ask=ask, read=read))
    for result in found:
        store.append(result, tmp_path / "store")

    assert store.load(WriteResult, tmp_path / "store").results == tuple(found)


def test_what_fails_is_kept_with_its_reason(plan, ask):
    """A process that dies, and records that cannot be read: those were written all the same."""

    def die(*_, **__):
        raise process.Died("The process", "timeout", "too slow")

    dead = next(campaign.run(plan, ask=die, read=read))
    unread = next(campaign.run(plan, ask=ask, read=lambda *_, **__: SimpleNamespace(status="oom", reason="full")))

    assert (dead.status, dead.reason, dead.write_seconds) == ("timeout", "too slow", ())
    assert (unread.status, unread.reason) == ("oom", "written, but not read: full")
    assert unread.write_seconds == (0.5, 0.4)


def test_more_shards_than_photos_are_refused(plan):
    """Before anything is written."""
    with pytest.raises(InputError, match=r"at most the number of photos, 20\. Received: 64"):
        next(campaign.run(replace(plan, shards=(4, 64))))


def test_writing_is_timed_until_it_is_on_the_disk(synthetic_photos, tmp_path):
    """Twice at least, with every fsync; the records of the last time stay, for whoever reads them."""
    how = {"image_size": 32, "shards": 2, "encoding": "jpeg444", "threads": 1}
    plain = os.fsync
    figures = campaign.measure_here(Source(photos=str(synthetic_photos)), tmp_path / "records", how, seconds=0.01)

    assert figures["images"] == 20
    assert figures["bytes"] == sum(path.stat().st_size for path in (tmp_path / "records").glob("*.tfrec"))
    assert len(figures["write_seconds"]) == len(figures["sync_seconds"]) == len(figures["cpu_seconds"]) >= 2
    assert all(0 < part < whole for part, whole in zip(figures["sync_seconds"], figures["write_seconds"], strict=True))
    assert figures["syncs"] >= 2 * 2  # each shard, and the folder that has its name
    assert os.fsync is plain
