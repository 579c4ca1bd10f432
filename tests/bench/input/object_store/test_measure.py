"""Measuring from a disk or an object store."""

import json

import pytest

from bench.input.object_store import measure
from bench.input.object_store.network import Conditions
from bench.results import store
from bench.run.data_source import Source
from flowers_core.errors import InputError


@pytest.fixture
def source(synthetic_photos, synthetic_records):
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


def test_read_from_a_store_gives_addresses_and_counts(source, measured):
    """The job reads buckets under the store's variables; what was requested is counted, shard by shard."""
    jobs = []

    def take(job, *, variables, **_):
        jobs.append((job, variables))
        opened.traffic.begin_request("read")
        opened.traffic.end_request("read", 206, sent=2 * round(shard_bytes), received=0)
        return measured()

    shard_bytes, image_bytes = measure.mean_bytes(source, "records")
    with measure.open_store(source, Conditions(latency_seconds=0.0)) as opened:
        result = measure.read(measure.cell_of("records_parallel"), source, store=opened, measure=take)
        variables = opened.environment()

    assert jobs[0][0].source == Source(photos="gs://photos", records="gs://records")
    assert jobs[0][1] == variables
    assert (result.requests, result.statuses, result.latency_seconds) == ({"read": 1}, {"206": 1}, 0.0)
    assert result.files == pytest.approx(2.0, rel=1e-3)
    assert image_bytes * 20 == pytest.approx(shard_bytes * 4)


def test_read_from_a_disk_counts_nothing(source, measured):
    """Without a store the job has the folders."""

    def take(job, **_):
        assert job.source == source
        return measured(model=job.cell.model, pipeline=job.cell.pipeline)

    result = measure.read(measure.cell_of("photos_parallel"), source, store=None, measure=take)

    assert (result.latency_seconds, result.requests, result.measurement.cell.pipeline) == (None, {}, "photos_parallel")


def test_results_come_back_from_the_store(tmp_path, measured):
    """What is stored is what was measured; damaged and newer lines are left out."""
    result = measure.ObjectStoreResult(measurement=measured(), campaign="c", latency_seconds=0.03, round=1)
    path = store.append(result, tmp_path)
    line = json.loads(path.read_text())
    path.write_text(path.read_text() + json.dumps({**line, "format": 99}) + "\n{half")

    assert store.load(measure.ObjectStoreResult, tmp_path).results == (result,)


@pytest.mark.parametrize("folders", [{}, {"photos": "gs://a/b"}, {"photos": "/one/flowers", "records": "/two/flowers"}])
def test_open_store_refuses_folders_of_the_same_name(folders):
    """A bucket is called as its folder; what is in a bucket already is refused, too."""
    with pytest.raises(InputError, match="of different names"):
        measure.open_store(Source(**folders), Conditions())
