"""What is seen of a comparison: tables at 80 columns, lines, JSON, and exit codes that tell the truth."""

import io
import json

import pytest
from rich.console import Console

from bench.compare import comparison, progress, sequential_test, table
from bench.compare.comparison import Trial, VariantPair
from bench.compare.sequential_test import Rule
from bench.compare.variant import Variant
from bench.results.cell import NO_MODEL, Cell

CELLS = (
    Cell(model=NO_MODEL, pipeline="records_parallel"),
    Cell(model="mobilenetv2", batch_size=8),
    Cell(model="convnet_gap_dense", batch_size=8),
)
RULE = Rule(cells=3)


@pytest.fixture
def trial(paired):
    """Makes a trial: `trial(cell, [ratios])`; with a verdict if the units allow one, or the word given."""

    def make(cell, ratios, *, word="", dead=0):
        one = Trial(variants=VariantPair(Variant(name="HEAD~1", cell=cell), Variant(name="HEAD", cell=cell)))
        for ratio in ratios:
            one.pairs.append(paired(ratio, cell=cell.id))
        one.failures = [paired(status="error", reason="killed by SIGKILL")] * dead
        one.verdict = sequential_test.follow(one.values(RULE), RULE) if ratios and not word else None
        if word:
            one.verdict = sequential_test.partial(one.values(RULE), RULE, word)
        return one

    return make


@pytest.fixture
def trials(trial):
    """One cell the same, one slower, one given up."""
    return [
        trial(CELLS[0], [1.001, 0.999, 1.002, 0.998]),
        trial(CELLS[1], [1.101, 1.099, 1.102, 1.098, 1.1, 1.1]),
        trial(CELLS[2], [1.2, 0.9], word="3 processes in a row died: killed", dead=3),
    ]


def text(draw, width=80):
    console = Console(file=io.StringIO(), width=width)
    draw(console)
    return console.file.getvalue()


def test_the_table_fits_80_columns_and_says_all(trials):
    """Cell, both times, ratio with interval, clock, the other clock, units and verdict, each in its row."""
    said = text(lambda console: table.show(trials, RULE, "HEAD~1 v HEAD", console))

    assert max(map(len, said.splitlines())) <= 80
    for word in (
        "records_parallel",
        "mobilenetv2",
        "slower",
        "same",
        "inconclusive",
        "1.100",
        "HEAD~1 v HEAD",
        "SIGKILL",
    ):
        assert word in said


def test_while_it_runs_the_rows_are_there(trial):
    """A cell without units has a row, and one without verdict shows its ratio so far."""
    rows = table.rows([trial(CELLS[1], []), trial(CELLS[2], [1.1, 1.0])])

    assert rows[0][-2:] == ("0", "…")
    assert "1.049 [" in rows[1][2]


def test_markdown_is_a_table_with_notes(trials):
    """For a pull request: a heading, a row a cell, verdicts that matter in bold."""
    said = table.markdown(trials, RULE, "HEAD~1 v HEAD")

    assert said.startswith("### HEAD~1 v HEAD")
    assert "**slower**" in said
    assert said.count("\n| ") == 4


def test_json_holds_both_clocks(trials):
    """A program reads verdict, units and both intervals of each cell."""
    rows = json.loads(json.dumps(table.plain(trials)))

    assert [row["verdict"] for row in rows] == ["same", "slower", "inconclusive"]
    assert rows[1]["clocks"]["cpu"]["low"] < 1.1 < rows[1]["clocks"]["wall"]["high"]
    assert rows[2]["dropped"] == 3


def test_exit_codes_of_compare(trials, trial):
    """0 nothing slower, 1 something slower, 3 nothing compared."""
    nothing = trial(CELLS[2], [], word="3 processes in a row died")

    assert progress.exit_code(trials) == 1
    assert progress.exit_code(trials[:1]) == 0
    assert progress.exit_code([nothing]) == 3
    assert progress.exit_code([nothing, trials[0]]) == 0


def test_a_gate_passes_only_what_is_sure(trials):
    """Slower by more than the threshold fails, inconclusive is never a pass, the rest passes; cells are named."""
    same, slower, open_ = trials

    assert progress.gate_code([same, slower, open_], 0.03) == 1
    assert progress.gate_code([same, slower], 0.15) == 0
    assert progress.gate_code([same, open_], 0.03) == 3
    assert slower.variants.cell in progress.gate_words([same, slower], 0.03)
    assert "clears nobody" in progress.gate_words([open_], 0.03)
    assert progress.gate_words([same], 0.03).startswith("Passed")


@pytest.fixture
def running(monkeypatch, paired, tmp_path):
    """Runs a comparison of one cell with a made-up recorder; `after` is raised at that unit."""

    def run(ratios, *, raised=None, **how):
        units = iter(ratios)

        def record(base, *_, **__):
            ratio = next(units, None)
            if ratio is None:
                raise raised
            return [paired(ratio, cell=base.cell.id)]

        monkeypatch.setattr(comparison.run, "__kwdefaults__", {**comparison.run.__kwdefaults__, "record": record})
        sides = (Variant(name=name, cell=CELLS[1]) for name in ("HEAD~1", "HEAD"))
        return progress.run([VariantPair(*sides)], tmp_path, rule=Rule(), title="HEAD~1 v HEAD", **how)

    return run


def test_a_comparison_is_shown_and_given(running, capsys):
    """Lines while it runs, the table in the end, and the trials for who asked."""
    (one,) = running([1.001, 0.999, 1.002, 0.998])
    told = capsys.readouterr()

    assert one.verdict.word == "same"
    assert told.err.count("mobilenetv2") == 4
    assert "same" in told.out


def test_ctrl_c_leaves_a_valid_partial_verdict(running, capsys):
    """The table is printed as far as it came, inconclusive, and the interrupt goes on."""
    with pytest.raises(KeyboardInterrupt):
        running([1.1, 1.0], raised=KeyboardInterrupt())

    assert "interrupted" in capsys.readouterr().out


def test_json_is_all_on_standard_output(running, capsys):
    """A program reads one object a cell and nothing else."""
    running([1.001, 0.999, 1.002, 0.998], as_json=True)

    assert [json.loads(line)["verdict"] for line in capsys.readouterr().out.splitlines()] == ["same"]
