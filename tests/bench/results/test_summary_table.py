"""Summaries as tables."""

import csv
import dataclasses
import io
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies

from bench.results import store, summary, summary_table
from flowers_core.errors import InputError


@pytest.fixture
def tables(measured):
    """Makes the tables of measurements, each given by its fields."""
    return lambda *fields: summary_table.tables(summary.by_cell(measured(**given) for given in fields))


def test_title_says_what_is_the_same(tables):
    """A column that would say the same in every row is part of the title instead."""
    (table,) = tables({}, {"model": "convnet"})

    assert "batch 32" in table.title
    assert [column.name for column in table.columns] == ["model", "time a step", "images/s", "compile", "MB"]


def test_columns_say_what_differs(tables):
    """Rows that differ in a setting show it."""
    (table,) = tables({}, {"batch_size": 8})

    assert [column.name for column in table.columns][:2] == ["model", "batch"]
    assert [row[1] for row in table.rows] == [32, 8]


def test_columns_say_what_is_chosen_of_pipelines(tables):
    """What differs is a column; what is the same and no default stands in the title; figures are not pooled."""
    pipeline = {"model": "none", "pipeline": "records_parallel", "augment": True}
    (table,) = tables(pipeline, {**pipeline, "prefetch": 0}, {**pipeline, "prefetch": 4})
    (plain,) = tables({"model": "none", "pipeline": "records_parallel"})

    assert [column.name for column in table.columns][:3] == ["pipeline", "prefetch", "time an image"]
    assert [row[1] for row in table.rows] == ["auto", "0", "4"]
    assert "(augment, 192 px" in table.title
    assert "augment" not in plain.title


def test_steps_a_call_are_a_column_and_explained(tables):
    """A row each, times of one step, and what that means; where none has several, nothing is said."""
    (table,) = tables({}, {"steps_per_execution": 8})
    (alone,) = tables({"steps_per_execution": 8})
    (usual,) = tables({})

    assert [column.name for column in table.columns][:2] == ["model", "steps a call"]
    assert [row[1] for row in table.rows] == [1, 8]
    assert any("loop on the device" in note for note in table.notes)
    assert "8 steps a call" in alone.title
    assert "steps a call" not in usual.title + "".join(usual.notes)


def test_kinds_of_cells_are_not_mixed(tables):
    """Pipelines, steps, and both together are three tables: their figures mean different things."""
    pipeline = {"pipeline": "records_cached"}

    assert [table.title.split(" (")[0] for table in tables({"model": "none", **pipeline}, {}, pipeline)] == [
        "Input pipelines alone", "Steps on a resident batch", "Steps fed by a pipeline",
    ]  # fmt: skip


def test_rows_of_one_cell_say_by_what_they_differ(tables):
    """Two rows that nobody could tell apart are told apart in a note."""
    (table,) = tables({}, {"machine": {"usable_cores": 0.5, "environment": {"OMP_NUM_THREADS": "1"}}})

    assert len(table.rows) == 2
    assert "dense 32: 2 rows differ by usable_cores 2, 0.5; OMP_NUM_THREADS none, 1" in table.notes


def test_failure_is_a_row_and_a_note(tables):
    """A cell without a figure is not hidden."""
    (table,) = tables({}, {"model": "convnet", "status": "n/a", "reason": "no such thing"})

    assert table.rows[1][1] == "n/a"
    assert any("no such thing" in note for note in table.notes)


def test_facts_have_a_row_a_summary_and_plain_values(measured):
    """Every fact is a column of its own, in SI units; reasons with commas and quotes do not break a row."""
    odd = measured(model="convnet", status="error", reason='a, "b"\nc')
    facts = summary_table.facts(summary.by_cell([measured(seconds=(0.5,) * 3), odd]))
    good, failed = facts.records()

    assert (good["model"], good["images_per_second"], failed["images_per_second"]) == ("dense", 64, None)
    assert not {"cell", "measurement"} & set(good)
    assert [row["reason"] for row in csv.DictReader(io.StringIO(facts.csv()))] == ["", 'a, "b"\nc']


def test_terminal_table_fits_80_columns(tables, terminal):
    """The widest names of the matrix fit a terminal of 80 columns without breaking a figure."""
    sizes = [{"batch_size": size, "image_size": pixels} for size in (8, 128) for pixels in (192, 331)]
    cells = ({"model": "convnet_unpooled", "seconds": (0.1234,) * 3, **size} for size in sizes)
    lines = terminal(*tables(*cells)).splitlines()

    assert any("123 ms [123, 123]" in line for line in lines)
    assert any("convnet_unpooled" in line for line in lines)


def test_text_of_a_store_has_four_shapes(tmp_path, measured):
    """Each shape holds the figures; the machine is named in one line where a person reads it."""
    store.append(measured(), tmp_path)
    shapes = {
        shape: summary_table.text(tmp_path, everything=True, shape=shape)
        for shape in ("terminal", "markdown", "csv", "json")
    }

    assert all("dense" in shown and "320" in shown for shown in shapes.values())
    assert (
        "Test CPU, 2 cores; 8 GiB; tensorflow 2.21.0; keras 3.15.1; commit c0ffee00; 2026-11-23" in shapes["markdown"]
    )
    assert [row["model"] for row in json.loads(shapes["json"])] == ["dense"]


def test_text_of_other_machines_must_be_asked_for(tmp_path, measured):
    """Where this machine measured nothing, what to run and what to ask for is said."""
    store.append(measured(), tmp_path)

    with pytest.raises(InputError, match=r"make bench.*--all"):
        summary_table.text(tmp_path)


@settings(max_examples=30)
@given(data=strategies.data())
def test_tables_do_not_depend_on_how_lines_lie(measured, data):
    """Lines in another order, stores merged either way, and reading twice change no table."""
    models, failures = strategies.sampled_from(["dense", "convnet"]), strategies.sampled_from(["ok", "ok", "error"])
    drawn = data.draw(
        strategies.lists(strategies.tuples(models, failures, strategies.integers(1, 9)), min_size=1, max_size=8)
    )
    measurements = [
        dataclasses.replace(
            measured(model=model, status=status, seconds=(seconds,) * 3, machine={"host": f"host{number % 2}"}),
            started=f"2026-11-{10 + number}T12:00:00+00:00",
            reason=f"reason {number}" if status == "error" else "",
        )
        for number, (model, status, seconds) in enumerate(drawn)
    ]
    expected = _texts(measurements)
    with tempfile.TemporaryDirectory() as folder:
        for measurement in data.draw(strategies.permutations(measurements)):
            path = store.append(measurement, Path(folder))
        merged = Path(folder) / "merged" / path.parent.name / "all.jsonl"
        merged.parent.mkdir(parents=True)
        files = data.draw(strategies.permutations(sorted(path.parent.glob("*.jsonl"))))
        merged.write_bytes(b"".join(file.read_bytes() for file in files))

        for folder_read in (folder, folder, merged.parents[1]):
            assert _texts(store.load(type(measurements[0]), Path(folder_read)).results) == expected


def _texts(measurements):
    """What `bench table` shows of measurements, as Markdown and as CSV."""
    summaries = summary.by_cell(measurements)
    return summary_table.markdown(summaries), summary_table.facts(summaries).csv()
