"""A validation as tables, and the commands that make it."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from click.testing import CliRunner
from rich.console import Console

from bench.compare.validation import table
from bench.compare.validation.__main__ import cli
from bench.compare.validation.error_rates import validate
from bench.results import store
from flowers_core.errors import InputError


@pytest.fixture(scope="module")
def validation(recorded):
    """Nothing, 5 % and 15 % injected, the last in few pairs, and two live comparisons."""
    pairs = [
        *recorded(48),
        *recorded(48, load="0.5 core", foreign_cpu_share=0.27),
        *recorded(48, wall=1.05, cpu=1.05, injection=("compute", 0.05)),
        *recorded(4, wall=1.5, cpu=1.5, processes=0.001, blocks=0.001, injection=("lock", 0.15)),
        *recorded(3, wall=1.15, injection=("core", 0.15)),
        *recorded(4, wall=1.2, cpu=1.2, comparison="20261124T1"),
        *recorded(4, comparison="20261124T2", blocks=0.001, processes=0.001),
    ]
    return validate(pairs, comparisons=20)


def test_show_fits_80_columns(validation):
    """What matters fits, with every figure whole."""
    console = Console(width=80)
    with console.capture() as captured:
        table.show(validation, console)
    text = captured.get()

    assert max(map(len, text.splitlines())) <= 80
    for words in ("nothing (A/A)", "5% more work", "100.0% [83.2%, 100.0%]*", "15% waiting, locked", "(quiet)"):
        assert words in text
    assert "(0.5 core)" in text


def test_markdown_has_whole_tables(validation):
    """Every table has as many cells in each line, and the page says what came out and of what."""
    text = table.markdown(validation)

    for before, line in pairwise(text.splitlines()):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")
    for words in (
        "| quiet | 5% more work | 5% | found | 100.0% [83.2%, 100.0%] | ≥ 99%: yes |",
        "**1 of 2 [1%, 99%] false alarms**, 1 same",
        "False alarms: dense-train slower in 20261124T1",
        "n/a: 3 of at least 4 pairs (rows: 1)",
        "made up, 2 cores; 16 GiB",
        "of commits cccccccc",
        "python -m bench.compare.validation report",
    ):
        assert words in text


def test_missed_target_is_marked(validation):
    """A share that misses its target says so; where there is no target nothing is said."""
    rates = {(rates.load, rates.kind, rates.min_effect): rates for rates in validation.overall}["", "compute", 0.05]

    assert table.target(rates) == "≥ 99%: yes"
    assert table.target(replace(rates, verdicts={"slower": 98, "same": 2})) == "≥ 99%: NO"
    assert table.target(replace(rates, share=0.04)) == ""


def test_busy_machine_is_not_called_quiet(validation):
    """A machine that others used for a tenth of its time is not quiet."""
    rates = validation.overall[0]

    assert table.load(rates) == "quiet"
    assert table.load(replace(rates, foreign_cpu_share=0.1)) == "not controlled"


def test_report_prints_json_and_keeps_a_page(tmp_path, recorded, monkeypatch):
    """The command prints plain values for a program, and keeps the page as Markdown."""
    monkeypatch.setattr(validate, "__kwdefaults__", {"comparisons": 10, "seed": 1})
    for pair in [*recorded(12), *recorded(12, wall=1.1, cpu=1.1, injection=("compute", 0.1))]:
        store.append(pair, tmp_path)

    done = CliRunner().invoke(cli, ["report", "--json", "--results", str(tmp_path)])
    values = json.loads(done.stdout)

    assert (len(values["cells"]), values["pairs"], values["died"]) == (3, 24, 0)
    assert values["overall"]
    assert "A/A" in (tmp_path / "tables" / "validation.md").read_text()


def test_report_of_an_empty_store_is_refused(tmp_path):
    """Without pair results there is nothing to validate with, and the message says so."""
    done = CliRunner().invoke(cli, ["report", "--results", str(tmp_path)])

    assert "no pair results" in str(done.exception)


def test_record_says_what_is_missing(tmp_path):
    """A wrong use is refused before anything runs."""
    done = CliRunner().invoke(cli, ["record"])
    assert (done.exit_code, "--minutes" in done.output) == (2, True)

    done = CliRunner().invoke(cli, ["record", "--minutes", "1", "--records", str(tmp_path)])
    assert isinstance(done.exception, InputError)
