"""Summaries as tables."""

import csv
import io

from rich.console import Console

from bench.results import summary, table


def summaries(*measurements):
    return summary.by_cell(measurements)


def test_what_is_the_same_goes_into_the_title(measured):
    """A column that would say the same in every row is a word of the title instead."""
    (view,) = table.views(summaries(measured(), measured(model="convnet")))

    assert "batch 32" in view.title
    assert view.columns == ("model", "time a step", "images/s", "compile", "MB")


def test_what_differs_is_a_column(measured):
    """Rows that differ in a setting show it."""
    (view,) = table.views(summaries(measured(), measured(batch_size=8)))

    assert "batch" in view.columns
    assert [row[1] for row in view.rows] == ["32", "8"]


def test_three_kinds_of_cells_are_three_tables(measured):
    """Pipelines, steps, and both together are not mixed: their figures mean different things."""
    views = table.views(
        summaries(
            measured(model="none", pipeline="records_cached"),
            measured(),
            measured(model="dense", pipeline="records_cached"),
        )
    )

    assert [view.title.split(" (")[0] for view in views] == [
        "Input pipelines alone", "Steps on a resident batch", "Steps fed by a pipeline",
    ]  # fmt: skip


def test_a_failure_is_a_row_and_a_note(measured):
    """A cell without a figure is not hidden."""
    (view,) = table.views(summaries(measured(), measured(model="convnet", status="n/a", reason="no such thing")))

    assert view.rows[1][1] == "n/a"
    assert any("no such thing" in note for note in view.notes)


def test_the_tidy_table_has_a_row_a_summary_and_plain_columns(measured):
    """Every fact is a column of its own, in SI units."""
    frame = table.frame(summaries(measured(seconds=(0.5,) * 3), measured(model="convnet")))

    assert list(frame["model"]) == ["dense", "convnet"]
    assert frame["images_per_second"][0] == 64
    assert not {"cell", "measurement"} & set(frame.columns)


def test_csv_can_be_read_by_others(measured):
    """Reasons with commas and quotes do not break a row."""
    text = table.csv(summaries(measured(status="error", reason='a, "b"\nc')))

    assert [row["reason"] for row in csv.DictReader(io.StringIO(text))] == ['a, "b"\nc']


def test_markdown_survives_a_bar():
    """A bar in a text does not make a column."""
    view = table.View(
        title="t", columns=("a", "b", "c", "d", "e"), rows=(("x|y", "", "", "", ""),), rates=(None,), notes=("n",)
    )

    assert r"| x\|y |" in table.markdown(view)


def test_the_terminal_table_fits_80_columns(measured):
    """The widest names of the matrix fit a terminal of 80 columns without breaking a figure."""
    some = [
        measured(model="convnet_unpooled", batch_size=size, image_size=pixels, seconds=(0.1234,) * 3)
        for size in (8, 128) for pixels in (192, 331)
    ]  # fmt: skip
    console = Console(width=80, record=True, file=io.StringIO())
    for view in table.views(summaries(*some)):
        table.show(view, console)
    lines = console.export_text().splitlines()

    assert max(map(len, lines)) <= 80
    assert any("123 ms [123, 123]" in line for line in lines)
    assert any("convnet_unpooled" in line for line in lines)


def drawn(columns: int) -> list[str]:
    """Lines of a table of two rows of words and figures, on a terminal of so many columns."""
    console = Console(width=columns, record=True, file=io.StringIO())
    table.draw("Title", ("model", "a", "b"), [("one b8", "1.00", "2.00")] * 2, console, left=("model",), whole=("a",))
    return console.export_text().splitlines()


def test_margins_go_before_a_text_is_broken():
    """A table that is too wide with its margins, and not without them, is whole."""
    assert any(" one b8  1.00  2.00" in line for line in drawn(80))
    assert "one b8 1.00 2.00" in [line.rstrip() for line in drawn(17)]


def test_the_machine_is_named_in_one_line(measured):
    """CPU, cores, memory, versions, commit and day stand beside the figures."""
    (one,) = summaries(measured())

    assert table.machine_line(one) == (
        "Test CPU, 2 cores; 8 GiB; tensorflow 2.21.0; keras 3.15.1; commit c0ffee00; 2026-11-23"
    )
