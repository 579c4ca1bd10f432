"""A comparison of loaders in fresh processes, block by block."""

import sys

import pytest

from bench.input.loaders import registry, run
from bench.input.loaders.registry import Loader
from bench.run.data_source import Source
from bench.run.durations import Budget

EFFORT = run.Effort(rounds=3, seconds=0.05, batch_size=4, processes=2)


@pytest.fixture(scope="module")
def source(synthetic_photos, synthetic_records):
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


@pytest.fixture(scope="module")
def compared(source):
    """What a ceiling, a pipeline, a loader whose package is missing and one that fails did in 3 rounds."""
    absent = {"module": "other_libraries", "function": "load_ffcv", "variant": "ffcv"}
    broken = {"module": "decode_ceiling", "variant": "no such variant"}
    loaders = [
        registry.LOADERS["records/decode"],
        registry.LOADERS["records/records_turbo"],
        Loader(name="ffcv", kind="peer", job="records", description="", **absent),
        Loader(name="broken", kind="peer", job="records", description="", **broken),
    ]
    kept, advanced = [], []
    run.run(loaders, source, EFFORT, keep=kept.append, advance=advanced.append, python=sys.executable)
    return {result.loader: result for result in kept}, sum(advanced)


def test_run_gives_a_rate_per_round(compared):
    """Images/s and CPU seconds per image of 3 blocks by 2 processes; the first block of each is thrown away."""
    results, advanced = compared
    for loader_id in ("records/decode", "records/records_turbo"):
        result = results[loader_id]
        assert (result.status, result.processes, result.data["images"]) == ("ok", 2, 20)
        assert len(result.rates) == len(result.cpu_seconds) == 3
        assert min(result.rates) > 0
    assert len({result.comparison for result in results.values()}) == 1
    assert advanced == EFFORT.steps(4) == 4 * (2 * 2 + 3)


def test_run_ends_with_its_budget_when_a_process_of_each_has_ended(source):
    """The first is run in any case; what has been left out is said."""
    kept, budget = [], Budget(EFFORT.planned(0.001))
    run.run([registry.LOADERS["records/decode"]], source, EFFORT, keep=kept.append, has_time=budget.has_time)

    (result,) = kept
    assert (result.processes, len(result.rates)) == (1, 2)
    assert budget.left_out.startswith("1 of 2 left out, for which")


def test_run_tells_a_missing_package_from_a_failure(compared):
    """The reason is kept."""
    absent, broken = compared[0]["records/ffcv"], compared[0]["records/broken"]
    assert (absent.status, "ffcv" in absent.reason) == ("n/a", True)
    assert (broken.status, "RunFailed" in broken.reason) == ("error", True)


@pytest.mark.parametrize(
    ("rounds", "processes", "shares"), [(9, 3, [3, 3, 3]), (5, 3, [2, 2, 1]), (2, 3, [1, 1]), (4, 1, [4])]
)
def test_rounds_are_shared_out_among_processes(rounds, processes, shares):
    """All rounds are run, and no process without one."""
    assert run.Effort(rounds=rounds, processes=processes).rounds_by_process == shares


def test_records_are_unpacked_byte_for_byte(source, tmp_path):
    """Other loaders read the same JPEGs, in folders of their classes."""
    import tensorflow as tf

    from flowers_core.data import manifest, tfrecords

    files = [path.read_bytes() for path in run._unpack(source, tmp_path).glob("*/*.jpg")]
    shards = list(manifest.paths(source.records, source.manifest()))
    theirs = next(iter(tf.data.TFRecordDataset(shards).batch(100)))
    assert sorted(files) == sorted(tfrecords.parse_batch(theirs)[0].numpy())


def test_setups_are_a_loader_with_each_number_of_workers():
    """Loaders take turns with each; without a number they have one a core."""
    decode = registry.LOADERS["records/decode"]
    effort = run.Effort(rounds=2, processes=1, workers=(1, 4))
    assert [(setup.loader, setup.workers) for setup in effort.setups([decode])] == [
        (decode, 1),
        (decode, 4),
    ]
    assert [setup.workers for setup in EFFORT.setups([decode])] == [0]
    assert effort.steps(1) == 2 * (2 + 2)
