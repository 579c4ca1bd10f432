"""What an object store costs."""

import pytest

from bench.input.object_store import table
from bench.input.object_store.measure import ObjectStoreResult


@pytest.fixture
def results(measured):
    """Two rounds of records from the disk and from 30 ms away, photos that failed."""

    def result(seconds, round, latency=None, pipeline="records_parallel", **fields):
        figures = measured(model="none", pipeline=pipeline, seconds=(seconds,) * 3, **fields)
        figures.data.update(images=1000, photos="flower_photos")
        remote = {"files": 40.0, "requests": {"read": 44, "stat": 17}, "image_bytes": 25_000.0, "round_trips": 3}
        remote |= {"sent_bytes": {"read": 25_000_000}, "server_cpu_seconds": 0.1}
        return ObjectStoreResult(
            measurement=figures, latency_seconds=latency, round=round, **(remote if latency else {})
        )

    return [
        result(0.010, 0),
        result(0.0125, 0, 0.03),
        result(0.020, 1, 0.03),
        result(0.018, 1),
        result(0.1, 0, 0.03, "photos_parallel", status="error", reason="gs://b: 403"),
    ]


def test_ratios_are_within_a_round(results):
    """80 % in one round and 90 % in the other are 85 %, though the rates of the rounds are far apart."""
    disk, remote, failed = table.rows(results)

    assert (disk.ratio, disk.requests_per_file) == (None, None)
    assert (remote.ratio, remote.ratio_low, remote.ratio_high) == tuple(map(pytest.approx, (0.85, 0.8, 0.9)))
    assert remote.requests_per_file == pytest.approx(1.1)
    assert remote.bytes_per_second == pytest.approx(25_000 * (32 / 0.0125 + 32 / 0.020) / 2)
    assert remote.server_share == pytest.approx(1e-4 * remote.images_per_second / 2)
    assert failed.failed == ("error: gs://b: 403",)


def test_tables_show_rates_shares_and_failures(results, terminal):
    """Markdown with the command, and a terminal of 80 columns on which no line is cut."""
    rows = table.rows(results)
    text = table.markdown(rows)
    drawn = terminal(table.table(rows))

    assert "| records_parallel | 30 ms | 2,080 | 85% [80, 90] | 95% | 1.50 s | 1.10 |" in text
    assert "bench object-store --latency 30ms" in text
    assert "photos_parallel, 30 ms: error: gs://b: 403" in text
    assert "85% [80, 90]" in drawn
    assert "records_parallel  30 ms" in drawn


def test_plain_leaves_results_out(results):
    """For a program: numbers, without the measurements."""
    assert "results" not in table.plain(table.rows(results))[0]
