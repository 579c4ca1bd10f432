"""A race as a table."""

import io
from dataclasses import replace

import pytest
from rich import console

from bench.input.loaders import table
from bench.input.loaders.result import LoaderResult

DATA = {"photos": "synthetic", "images": 20, "image_size": 192, "batch_size": 32, "cores": 2}


@pytest.fixture
def turns():
    """A limit, two of ours, a faster peer and one that is missing, in one race; an older race before it."""

    def one(name, *rates, race="2", **more):
        cpu = tuple(1 / rate for rate in rates)
        return LoaderResult(race=race, lane=f"records/{name}", rates=rates, cpu_seconds=cpu, data=DATA, **more)

    return [
        one("decode", 1.0, race="1"),
        one("records_uint8", 500.0, 250.0),
        one("records_turbo", 900.0, 450.0),
        one("decode", 1000.0, 500.0),
        one("DALI", 950.0, 475.0),
        one("ffcv", status="n/a", reason="No module named 'ffcv'"),
        one("gone", 1.0),
    ]


def test_shares_are_of_the_turn_of_the_same_round(turns):
    """The limit first, then the fastest; a round in which all are half as fast changes no share."""
    found = table.rows(turns)
    assert [(row.lane.name, row.share, row.ratio) for row in found] == [
        ("decode", 1.0, pytest.approx(1 / 0.9)),
        ("DALI", 0.95, pytest.approx(0.95 / 0.9)),
        ("records_turbo", 0.9, 1.0),
        ("records_uint8", 0.5, pytest.approx(0.5 / 0.9)),
        ("ffcv", None, None),
    ]


def test_the_table_says_why_a_figure_is_missing(turns):
    """In Markdown and on a terminal of 80 columns."""
    found = table.rows(turns)
    text = io.StringIO()
    table.show(found, console.Console(file=text, width=80))
    for shown in (text.getvalue(), table.markdown(found)):
        assert "No module named 'ffcv'" in shown
        assert "95.0%" in shown
    assert max(map(len, text.getvalue().splitlines())) <= 80


def test_the_command_says_what_it_raced(turns):
    """Records alone, in batches of another size than 32."""
    turns = [replace(one, data={**DATA, "batch_size": 128}) for one in turns]
    assert "`python -m bench loaders --job records --batch-size 128`" in table.markdown(table.rows(turns))


def test_no_race_gives_no_rows():
    """Nor does a lane that there is no more."""
    assert table.rows([]) == []


def test_plain_values_name_their_units(turns):
    """One object a lane."""
    row = table.plain(table.rows(turns)[0])
    assert row["images_per_second"] == 750.0
    assert row["limit_share"] == 1.0
