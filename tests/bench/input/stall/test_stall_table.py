"""Verdicts as a user reads them."""

from dataclasses import replace

from bench.input.stall import stall_table, three_runs
from bench.results.cell import Cell


def test_a_row_says_it_all(three):
    """Times, stall with its range over rounds, waiting, overlap and the word stand in one row."""
    groups = three_runs.group(
        [*three(pipeline=0.3, both=0.3, wait=0.2), *three(pipeline=0.3, both=0.2, wait=0.1, round=1)]
    )
    (table,) = stall_table.tables(groups)

    assert table.rows == (("dense b8", 0.3, 0.1, 0.25, "60 % [50, 67]", "60%", "1.20", "input-bound"),)
    assert any("n = 2 rounds" in note for note in table.notes)
    assert any("dense b8: input-bound: a batch takes the pipeline alone 300% of" in note for note in table.notes)


def test_pipelines_are_tables_of_their_own_with_one_legend(three):
    """What the columns mean stands below the last table alone."""
    other = Cell(model="dense", pipeline="photos_parallel", batch_size=8)
    tables = stall_table.tables(three_runs.group([*three(), *three(fed=other, sweep="t")]))

    assert [("stall: 1 - step / both" in " ".join(table.notes)) for table in tables] == [False, True]


def test_an_absent_cell_has_its_reason(three):
    """n/a is a row, and its reason a note."""
    pipeline, step, both = three()
    absent = replace(both, status="n/a", reason="records are of 192", step_seconds=(), step_wait_seconds=())
    (table,) = stall_table.tables(three_runs.group([pipeline, step, absent]))

    assert table.rows[0][-1] == "n/a"
    assert any("records are of 192" in note for note in table.notes)


def test_doubtful_stalls_are_marked(three):
    """A busy machine, and a fed step that is faster than one that is not, are told."""
    groups = three_runs.group([replace(run, foreign_cpu_share=0.5) for run in three(step=0.2, both=0.1)])
    (table,) = stall_table.tables(groups)

    assert any("other programs used over 10%" in note for note in table.notes)
    assert any("faster when fed than alone" in note for note in table.notes)


def test_plain_values_have_units_in_their_names(three):
    """A program gets seconds and shares."""
    (row,) = stall_table.plain(three_runs.group(three(pipeline=0.3, both=0.3, wait=0.2)))

    assert row["verdict"] == "input-bound"
    assert row["both_seconds"] == 0.3
    assert row["stall_share"] == row["stall_shares"][0]
