"""What a far store costs, from readings."""

from io import StringIO

import pytest
from rich.console import Console

from bench.input.object_store import table
from bench.input.object_store.measure import Reading


@pytest.fixture
def readings(measured):
    """Two rounds of records from the disk and from 30 ms away, photos that failed."""

    def one(seconds, round, latency=None, pipeline="records_parallel", **fields):
        figures = measured(model="none", pipeline=pipeline, seconds=(seconds,) * 3, **fields)
        figures.data.update(images=1000, photos="flower_photos")
        far = {"files": 40.0, "requests": {"read": 44, "stat": 17}, "image_bytes": 25_000.0, "round_trips": 3}
        far |= {"sent_bytes": {"read": 25_000_000}, "server_cpu_seconds": 0.1}
        return Reading(measurement=figures, latency_seconds=latency, round=round, **(far if latency else {}))

    return [
        one(0.010, 0),
        one(0.0125, 0, 0.03),
        one(0.020, 1, 0.03),
        one(0.018, 1),
        one(0.1, 0, 0.03, "photos_parallel", status="error", reason="gs://b: 403"),
    ]


def test_ratios_are_of_the_same_round(readings):
    """80 % in one round and 90 % in the other are 85 %, though the rates of the rounds are far apart."""
    disk, far, failed = table.far(readings)

    assert (disk.ratio, disk.requests_per_file) == (None, None)
    assert (far.ratio, far.ratio_low, far.ratio_high) == tuple(pytest.approx(value) for value in (0.85, 0.8, 0.9))
    assert far.requests_per_file == pytest.approx(1.1)
    assert far.bytes_per_second == pytest.approx(25_000 * (32 / 0.0125 + 32 / 0.020) / 2)
    assert far.server_share == pytest.approx(1e-4 * far.images_per_second / 2)
    assert failed.failed == ("error: gs://b: 403",)


def test_tables_show_rates_shares_and_failures(readings):
    """Markdown with the command, and a terminal of 80 columns on which no line is cut."""
    found = table.far(readings)
    text = table.markdown(found)
    out = StringIO()
    table.show(found, Console(file=out, width=80))

    assert "| records_parallel | 30 ms | 2,080 | 85% [80, 90] | 95% | 1.50 s | 1.10 |" in text
    assert "bench object-store --latency 30ms" in text
    assert "photos_parallel, 30 ms: error: gs://b: 403" in text
    assert "85% [80, 90]" in out.getvalue()
    assert "records_parallel  30 ms" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80


def test_plain_values_leave_readings_out(readings):
    """For a program: numbers, without the measurements."""
    assert "readings" not in table.plain(table.far(readings))[0]
