"""The page: one file, no network, everything from outside escaped."""

import json
import re

import pytest

from bench.ledger import page, report, store


@pytest.fixture
def made(tmp_path, measured):
    """The page of a small store."""
    for one in (
        measured(),
        measured(model="none", pipeline="records_cached"),
        measured(model="convnet", status="error", reason="<img src=x onerror=alert(1)>"),
        measured(machine={"cpu": "<script>alert(2)</script>", "id": "other"}),
    ):
        store.append(one, tmp_path)
    return report.page(tmp_path).read_text()


def test_names_are_escaped(made):
    """What files and frameworks say shows as text."""
    body = made.split('<script id="data"')[0]

    assert "<img" not in made
    assert "<script>" not in body
    assert "&lt;img src=x onerror=alert(1)&gt;" in body


def test_embedded_data_cannot_end_its_script(made):
    """The data inside the page is whole, and no name in it can break out."""
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', made, re.DOTALL).group(1)

    assert [row["cpu"] for row in json.loads(data)].count("<script>alert(2)</script>") == 1


def test_nothing_is_loaded_from_elsewhere(made):
    """No address stands in the page, and its policy forbids loading."""
    assert not re.search(r"https?://|<[^>]+\ssrc=|@import|url\(", made.split('<script id="data"')[0])
    assert "default-src 'none'" in made


def test_an_empty_store_gives_a_page(tmp_path):
    """The page of nothing says what to run."""
    assert "make bench" in report.page(tmp_path).read_text()


def test_damaged_lines_are_told(tmp_path, measured):
    """What could not be read is on the page."""
    path = store.append(measured(), tmp_path)
    path.write_text(path.read_text() + "{half\n")

    assert "lab.jsonl:2" in report.page(tmp_path).read_text()


def test_bars_are_logarithmic():
    """The fastest has the full length, a tenth of it a third less, and what has no figure no bar."""
    assert page.bars((1000.0, 100.0, None)) == [100, pytest.approx(100 - 100 / 3), None]


def test_tables_are_written_beside_the_page(tmp_path, measured):
    """Markdown and CSV of the same figures."""
    store.append(measured(), tmp_path)
    report.page(tmp_path)

    assert "| dense |" in (tmp_path / "tables" / "all.md").read_text()
    assert "dense" in (tmp_path / "tables" / "all.csv").read_text()
