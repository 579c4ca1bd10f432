"""A proof as words."""

import json
from itertools import pairwise

import pytest
from rich.console import Console

from bench.compare.validation import proof_words, table
from bench.compare.validation.error_rates import prove


@pytest.fixture(scope="module")
def proof(recorded):
    """Nothing, 5 % and 15 % planted, some of it in few units, and two fresh comparisons."""
    return prove(
        [
            *recorded(48),
            *recorded(48, load="0.5 core", foreign_cpu_share=0.27),
            *recorded(48, wall=1.05, cpu=1.05, plant=("compute", 0.05)),
            *recorded(4, wall=1.5, cpu=1.5, processes=0.001, turns=0.001, plant=("lock", 0.15)),
            *recorded(3, wall=1.15, plant=("core", 0.15)),
            *recorded(4, wall=1.2, cpu=1.2, comparison="20261124T1"),
            *recorded(4, comparison="20261124T2", turns=0.001, processes=0.001),
        ],
        comparisons=20,
        sets=3,
    )


def test_the_terminal_is_80_columns_wide(proof):
    """What matters fits, with every figure whole."""
    console = Console(width=80)
    with console.capture() as captured:
        table.show(proof, console)
    text = captured.get()

    assert max(map(len, text.splitlines())) <= 80
    for words in (
        "nothing (A/A)",
        "5 % more work",
        "100.0 % [83.2, 100.0]*",
        "15 % waiting, locked",
        "(quiet)",
        "(0.5 core)",
    ):
        assert words in text


def test_markdown_has_whole_tables(proof):
    """Every table has as many cells in each line, and the page says what came out and of what."""
    text = table.markdown(proof)
    lines = text.splitlines()

    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")
    assert "| quiet | 5 % more work | 5 % | found | 100.0 % [83.2, 100.0] | ≥ 99 %: yes |" in text
    assert "**1 of 2 [1, 99] % false alarms**, 1 same" in text
    assert "Alarms: dense-train slower in 20261124T1" in text
    assert "n/a: 3 of at least 4 units (rows: 1)" in text
    assert "made up, 2 cores; 16 GiB; commit cccccccc; 2026-11-24" in text
    assert "python -m bench prove --results results/reference" in text


def test_what_was_wanted_is_told(proof):
    """A share that misses what was wanted says so; where nothing is wanted nothing is told."""
    found = {(row.load, row.kind, row.find): row for row in proof.together}
    slower = found["", "compute", 0.05]
    missed = {"slower": 98, "same": 2}

    assert proof_words.wanted(slower) == "≥ 99 %: yes"
    assert proof_words.wanted(type(slower)(**{**vars(slower), "words": missed})) == "≥ 99 %: NO"
    assert proof_words.wanted(type(slower)(**{**vars(slower), "share": 0.04})) == ""


def test_quiet_is_said_only_where_it_is(proof):
    """A machine that others used for a tenth of its time is not called quiet."""
    row = proof.together[0]

    assert proof_words.beside(row) == "quiet"
    assert proof_words.beside(type(row)(**{**vars(row), "foreign_cpu_share": 0.1})) == "as it was"


def test_json_is_plain(proof):
    """All of it is plain values."""
    values = json.loads(json.dumps(table.to_json(proof), allow_nan=False))

    assert (len(values["cells"]), values["units"], values["died"]) == (7, 159, 0)
