"""A race: lanes in fresh processes, in turns."""

import sys

import pytest

from bench.input.loaders import registry, run
from bench.input.loaders.registry import Lane
from bench.run.data_source import Source

EFFORT = run.Effort(rounds=3, seconds=0.1, batch_size=4, processes=2)


@pytest.fixture(scope="module")
def raced(synthetic_photos, synthetic_records):
    """What a limit, one of our pipelines, a loader that is not to be had and one that fails did in 3 rounds."""
    absent = Lane(name="ffcv", side="peer", job="records", module="ffcv_loader", way="ffcv", does="")
    broken = Lane(name="broken", side="peer", job="records", module="decode_ceiling", way="no such way", does="")
    some = [registry.named("records/decode"), registry.named("records/records_turbo"), absent, broken]
    kept, advanced = [], []
    run.run(
        some,
        Source(photos=str(synthetic_photos), records=str(synthetic_records)),
        EFFORT,
        keep=kept.append,
        advance=advanced.append,
        python=sys.executable,
    )
    return {one.lane: one for one in kept}, sum(advanced)


def test_each_lane_has_a_rate_a_round(raced):
    """Images/s and CPU seconds an image of 3 turns by 2 processes; the first turn of each is thrown away."""
    found, advanced = raced
    for name in ("records/decode", "records/records_turbo"):
        assert found[name].status == "ok"
        assert len(found[name].rates) == len(found[name].cpu_seconds) == 3
        assert found[name].processes == 2
        assert min(found[name].rates) > 0
        assert found[name].data["images"] == 20
    assert len({one.race for one in found.values()}) == 1
    assert advanced == EFFORT.calls(4) == 4 * (2 * 2 + 3)


@pytest.mark.parametrize(
    ("rounds", "processes", "laps"), [(9, 3, [3, 3, 3]), (5, 3, [2, 2, 1]), (2, 3, [1, 1]), (4, 1, [4])]
)
def test_rounds_are_shared_out_among_processes(rounds, processes, laps):
    """All rounds are run, and no process without one."""
    assert run.Effort(rounds=rounds, processes=processes).laps == laps


def test_a_missing_package_is_no_failure(raced):
    """The reason is kept."""
    one = raced[0]["records/ffcv"]
    assert one.status == "n/a"
    assert "ffcv" in one.reason


def test_records_are_unpacked_byte_for_byte(synthetic_photos, synthetic_records, tmp_path):
    """Other loaders read the same JPEGs, in folders of their classes."""
    import tensorflow as tf

    from flowers_core.data import manifest, tfrecords

    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    files = [path.read_bytes() for path in run._unpacked(source, tmp_path).glob("*/*.jpg")]
    shards = list(manifest.paths(source.records, source.manifest()))
    theirs = next(iter(tf.data.TFRecordDataset(shards).batch(100)))
    assert sorted(files) == sorted(tfrecords.parse_batch(theirs)[0].numpy())
