"""A comparison of loaders as a table."""

from dataclasses import replace

import pytest

from bench.input.loaders import table
from bench.input.loaders.run import LoaderResult
from bench.results.table import Interval

DATA = {"photos": "synthetic", "images": 20, "image_size": 192, "batch_size": 32, "cores": 2}


@pytest.fixture
def results():
    """A ceiling, two of our pipelines, a faster peer, a missing one and a forgotten one; an older comparison first."""

    def result(name, *rates, comparison="2", **more):
        cpu = tuple(1 / rate for rate in rates)
        return LoaderResult(
            comparison=comparison, loader=f"records/{name}", rates=rates, cpu_seconds=cpu, data=DATA, **more
        )

    return [
        result("decode", 1.0, comparison="1"),
        result("records_uint8", 500.0, 250.0),
        result("records_turbo", 900.0, 450.0),
        result("decode", 1000.0, 500.0),
        result("DALI", 950.0, 475.0),
        result("ffcv", status="n/a", reason="No module named 'ffcv'"),
        result("gone", 1.0),
    ]


def test_what_scaling_does_to_pixels_is_said(results):
    """In decibels; where no photo is large enough it says that nothing was scaled."""
    found = {"photos": 17, "ratio": 4, "bilinear": 23.1, "averaged": 28.4, "full": 25.8}
    for scaled, said in ((found, "at 1/4, 23.1 dB from"), ({**found, "photos": 0}, "all are decoded whole")):
        for size in ("scaled", "smallest"):
            rows = table.rows([replace(result, data={**DATA, size: scaled}) for result in results])
            assert any(note.startswith(size) and said in note for note in table.notes(rows))


def test_shares_are_within_a_round(results):
    """The ceiling first, then the fastest; a round in which all are half as fast changes no share."""
    assert [(row.loader.name, row.share, row.ratio) for row in table.rows(results)] == [
        ("decode", 1.0, pytest.approx(1 / 0.9)),
        ("DALI", 0.95, pytest.approx(0.95 / 0.9)),
        ("records_turbo", 0.9, 1.0),
        ("records_uint8", 0.5, pytest.approx(0.5 / 0.9)),
        ("ffcv", None, None),
    ]
    assert table.rows([]) == []


def test_table_says_why_a_figure_is_missing(results, terminal):
    """In Markdown and on a terminal of 80 columns."""
    rows = table.rows(results)
    for shown in (terminal(*table.tables(rows)), table.markdown(rows)):
        assert "No module named 'ffcv'" in shown
        assert "95.0%" in shown


def test_markdown_names_its_command(results):
    """Records alone, in batches of another size than 32."""
    results = [replace(result, data={**DATA, "batch_size": 128}) for result in results]
    assert "`python -m bench loaders --job records --batch-size 128`" in table.markdown(table.rows(results))


def test_plain_values_name_their_units(results):
    """One object for each loader."""
    row = table.plain(table.rows(results)[0])
    assert (row["loader"], row["images_per_second"], row["ceiling_share"]) == ("records/decode", 750.0, 1.0)


def test_a_scaled_loader_is_compared_with_what_is_scaled():
    """Its share is of the ceiling that decodes as small, and the others' of the full decode."""
    rates = {
        "decode and resize": 100.0, "photos_turbo": 90.0,
        "decode and resize, scaled": 200.0, "photos_turbo, scaled": 150.0,
        "decode and resize, smallest": 300.0, "photos_turbo, smallest": 240.0, "torch, PIL, smallest": 120.0,
    }  # fmt: skip
    compared = [LoaderResult(comparison="1", loader=f"photos/{name}", rates=(rate,)) for name, rate in rates.items()]
    shares = {row.loader.name: (row.share, row.ratio) for row in table.rows(compared)}
    assert shares["photos_turbo"] == (0.9, 1.0)
    assert shares["photos_turbo, scaled"] == (0.75, 1.0)
    assert shares["torch, PIL, smallest"] == (0.4, 0.5)


def test_a_comparison_that_decodes_smaller_does_not_hide_one_that_decodes_whole(results):
    """The page shows the last of each; `--show-last` whichever was last."""
    of_large = LoaderResult(comparison="3", loader="photos/photos_turbo, smallest", rates=(9.0,), data=DATA)

    def shown(**which):
        return {row.result.comparison for row in table.rows([*results, of_large], **which)}

    assert [shown(smaller=False), shown(smaller=True), shown()] == [{"2"}, {"3"}, {"3"}]
    assert table.rows([of_large], smaller=False) == []


def test_a_curve_has_a_column_for_each_number_of_workers():
    """A loader that failed with some of them keeps its others, and the reason is below."""
    compared = [
        LoaderResult(comparison="1", loader="records/decode", rates=(100.0 * count, 90.0), workers=count, data=DATA)
        for count in (1, 2)
    ]
    compared += [
        LoaderResult(comparison="1", loader="records/SPDL", rates=(80.0,), workers=1, data=DATA),
        LoaderResult(comparison="1", loader="records/SPDL", status="error", reason="gone", workers=2, data=DATA),
    ]
    (curve,) = table.tables(table.rows(compared))
    assert [column.name for column in curve.columns] == ["loader", "1", "2"]
    once = Interval(80.0, 80.0, 80.0)
    assert curve.rows == (("decode", Interval(95.0, 90.0, 100.0), Interval(145.0, 90.0, 200.0)), ("SPDL", once, None))
    assert not any(note.startswith(("ceiling:", "ours:", "CPU:")) for note in curve.notes)  # it has no such columns
    assert "SPDL (2 decode workers): error: gone" in curve.notes
    assert "--decode-workers 1,2" in table.markdown(table.rows(compared))
