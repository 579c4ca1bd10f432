"""Formats beside each other, and which to take."""

import pytest

from bench.input.formats import table
from bench.input.formats.campaign import FormatResult
from bench.input.formats.table import Machine
from bench.results.result import of_last_campaign

DATA = {"photos": "synthetic", "images": 20, "image_size": 192, "batch_size": 32, "cores": 2}
# bytes an image, images/s, CPU seconds an image, dB
FORMATS = {
    "jpeg444": (30e3, 4e3, 0.5e-3, 40.0),
    "jpeg420": (20e3, 5e3, 0.4e-3, 35.0),
    "yuv420": (55e3, 2e4, 0.1e-3, 38.0),
    "raw": (110e3, 1.5e4, 0.12e-3, None),
}


@pytest.fixture
def results():
    """One process a format; the older comparison is not shown."""

    def result(name, campaign="2"):
        size, rate, cpu, decibels = FORMATS[name]
        return FormatResult(
            campaign=campaign, encoding=name, pipeline="records_turbo", images_per_second=rate, cpu_seconds=cpu,
            image_bytes=size, decibels=decibels, data=DATA, disk={"bytes_per_second": 100e6},
        )  # fmt: skip

    return of_last_campaign([result("raw", campaign="1"), *map(result, FORMATS)])


def test_rows_say_which_formats_are_worth_it(results):
    """Fewest bytes first; one that has more bytes and no more images/s is not."""
    assert [(row.encoding, row.pareto) for row in table.rows(results)] == [
        ("jpeg420", True), ("jpeg444", False), ("yuv420", True), ("raw", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cores", "disk", "expected"),
    [(2, 50e6, "jpeg420"), (2, 7e9, "yuv420"), (2, None, "yuv420"), (64, 200e6, "jpeg420"), (0.01, None, "yuv420")],
)
def test_recommend_weighs_cores_against_the_disk(results, cores, disk, expected):
    """A slow disk wants few bytes, few cores want little work; nearly as fast with fewer bytes wins."""
    assert table.recommend(table.rows(results), cores=cores, bytes_per_second=disk).encoding == expected


def test_tables_advise_for_the_machine_that_is_asked_about(results, terminal):
    """The disk that was measured, unless another is given; it fits a terminal of 100 columns."""
    drawn = table.tables(results, machine=Machine(cores=2))
    assert "for 2 cores and a disk of 100 MB/s: --format jpeg420, 5,000 images/s" in drawn[0].notes[-1]
    asked = table.tables(results, machine=Machine(cores=2, bytes_per_second=7e9))
    assert "--format yuv420, 20,000 images/s" in asked[0].notes[-1]
    assert "exact" in terminal(*drawn, columns=110)
    assert "python -m bench formats --image-size 192" in table.markdown(results, machine=Machine(cores=2))


def test_nothing_is_recommended_where_nothing_was_measured(results):
    """The reason of each stands below."""
    import dataclasses

    failed = [
        dataclasses.replace(result, status="oom", reason="full", images_per_second=None, cpu_seconds=None)
        for result in results
    ]
    (first, _) = table.tables(failed, machine=Machine(cores=2))
    assert "raw: oom: full" in first.notes
    assert "none is recommended" in first.notes[-1]
