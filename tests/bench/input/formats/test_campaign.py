"""Formats that are written and read in turns, with a stand-in for the processes that measure."""

from types import SimpleNamespace

import pytest

from bench.input.formats import campaign
from bench.input.formats.campaign import FormatResult
from bench.results import store
from bench.run.data_source import Source
from flowers_core.data import encodings, manifest
from flowers_core.errors import InputError


def measured(job, **_):
    """Raw pixels are read ten times as fast, and planes not at all."""
    name = manifest.load(job.source.records).features.encoding
    if name == "yuv420":
        return SimpleNamespace(
            status="oom", reason="too large", images_per_second=None, step_cpu_seconds=(), images_per_step=0
        )
    rate = 1000.0 if name == "raw" else 100.0
    return SimpleNamespace(
        status="ok", reason="", images_per_second=rate, step_cpu_seconds=(32 / rate,), images_per_step=32
    )


@pytest.fixture(scope="module")
def results(synthetic_photos, tmp_path_factory):
    """What two rounds of all formats gave, and the store."""
    folder = tmp_path_factory.mktemp("formats")
    plan = campaign.Plan(source=Source(photos=str(synthetic_photos)), folder=folder / "kept", image_size=32, rounds=2)
    return list(campaign.run(plan, folder / "store", measure=measured)), folder


def test_each_format_is_read_in_each_round(results):
    """In turns, each with its bytes and its PSNR; what fails is kept with its reason."""
    found, folder = results
    names = encodings.ENCODINGS
    assert [(result.round, result.encoding) for result in found] == [
        *((0, name) for name in names), *((1, name) for name in (*names[1:], names[0])),
    ]  # fmt: skip
    by_name = {result.encoding: result for result in found}
    assert by_name["raw"].decibels is None
    assert by_name["raw"].image_bytes > 32 * 32 * 3 > by_name["yuv420"].image_bytes > 32 * 32 * 1.5
    assert by_name["jpeg444"].decibels > by_name["jpeg420"].decibels > 20
    assert by_name["jpeg444"].cpu_seconds == pytest.approx(0.01)
    assert (by_name["yuv420"].status, by_name["yuv420"].reason) == ("oom", "too large")
    assert "too few to time a disk by" in by_name["raw"].disk["reason"]
    stored = store.load(FormatResult, folder / "store").results
    assert [(result.encoding, result.decibels) for result in stored] == [(r.encoding, r.decibels) for r in found]


def test_a_format_that_cannot_hold_the_size_is_refused(tmp_path):
    """Before anything is written."""
    with pytest.raises(InputError, match="must be even for `yuv420`"):
        campaign.Plan(source=Source(), folder=tmp_path, image_size=331)


def test_disk_speed_reads_cold_or_says_why_not(tmp_path):
    """Of enough bytes; where the file system keeps its pages there is a reason."""
    path = tmp_path / "large"
    path.write_bytes(bytes(int(campaign.LEAST_BYTES) + 1))
    speed = campaign.disk_speed([path])
    assert speed.get("bytes_per_second", 1) > 0
    assert set(speed) in ({"bytes_per_second"}, {"reason"})
