"""One reading from a disk or a far store."""

import json

import pytest

from bench.input.object_store import measure as reading
from bench.input.object_store.measure import Reading
from bench.input.object_store.network import Conditions
from bench.results import store as ledger
from bench.run.data_source import Source
from flowers_core.errors import InputError


@pytest.fixture
def source(synthetic_photos, synthetic_records):
    return Source(photos=str(synthetic_photos), records=str(synthetic_records))


def test_a_store_gives_addresses_and_counts(source, measured):
    """The job reads the buckets under the store's variables; what was asked stands in the reading, shard by shard."""
    jobs = []

    def measure(job, *, variables, **_):
        jobs.append((job, variables))
        store.traffic.asked("read")
        store.traffic.answered("read", 206, sent=2 * round(shard_bytes), received=0)
        return measured()

    shard_bytes, image_bytes = reading.mean_bytes(source, "records")
    with reading.open_store(source, Conditions(latency_seconds=0.0)) as store:
        done = reading.take(reading.cell("records_parallel"), source, store=store, measure=measure)
        variables = store.environment()

    assert jobs[0][0].source == Source(photos="gs://photos", records="gs://records")
    assert jobs[0][1] == variables
    assert (done.requests, done.statuses, done.latency_seconds) == ({"read": 1}, {"206": 1}, 0.0)
    assert done.files == pytest.approx(2.0, rel=1e-3)
    assert image_bytes * 20 == pytest.approx(shard_bytes * 4)


def test_a_disk_is_read_as_it_is(source, measured):
    """Without a store the job has the folders, and nothing is counted."""
    done = reading.take(
        reading.cell("photos_parallel"), source, store=None, measure=lambda job, **_: measured(model=job.cell.model,
        pipeline=job.cell.pipeline),
    )  # fmt: skip

    assert (done.latency_seconds, done.requests, done.measurement.cell.pipeline) == (None, {}, "photos_parallel")


def test_a_reading_comes_back_from_the_ledger(tmp_path, measured):
    """What is stored is what was taken; damaged and newer lines are left out."""
    one = reading.Reading(measurement=measured(), campaign="c", latency_seconds=0.03, requests={"read": 3}, round=1)
    path = ledger.append(one, tmp_path)
    line = json.loads(path.read_text())
    path.write_text(path.read_text() + json.dumps({**line, "format": 99}) + "\n{half")

    assert ledger.load(Reading, tmp_path).results == (one,)


@pytest.mark.parametrize(
    "given",
    [{}, {"photos": "gs://a/b"}, {"photos": "/one/photos", "records": "/two/photos"}],
)
def test_only_folders_of_different_names_can_be_served(given):
    """A bucket is called as its folder."""
    with pytest.raises(InputError, match="of different names"):
        reading.open_store(Source(**given), Conditions())
