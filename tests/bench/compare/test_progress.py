"""What a user sees of a comparison: tables of 80 columns, lines, JSON, and exit codes."""

import io
import json

import pytest
from rich.console import Console

from bench.compare import progress, table
from bench.compare.comparison import PairRuns, Trial
from bench.compare.comparison_result import BudgetVerdict
from bench.compare.sequential_test import Rule
from bench.compare.variant import Variant, VariantPair
from bench.results.cell import NO_MODEL, Cell

CELLS = (
    Cell(model=NO_MODEL, pipeline="records_parallel"),
    Cell(model="mobilenetv2", batch_size=8),
    Cell(model="convnet_gap_dense", batch_size=8),
)
RULE = Rule(cells=3)


@pytest.fixture
def trial(paired):
    """Makes a trial: `trial(cell, [ratios])`; with a verdict if the pairs allow one, or closed for a reason."""

    def make(cell, ratios, *, closed="", failures=0):
        trial = Trial(variants=VariantPair(Variant(name="HEAD~1", cell=cell), Variant(name="HEAD", cell=cell)))
        for ratio in ratios:
            trial.enter(paired(ratio, cell=cell.id), RULE)
        trial.failures = [paired(status="error", reason="killed by SIGKILL")] * failures
        if closed:
            trial.close(RULE, closed)
        return trial

    return make


@pytest.fixture
def trials(trial):
    """One cell the same, one slower, one given up."""
    return [
        trial(CELLS[0], [1.001, 0.999, 1.002, 0.998]),
        trial(CELLS[1], [1.101, 1.099, 1.102, 1.098, 1.1, 1.1]),
        trial(CELLS[2], [1.2, 0.9], closed="3 processes in a row died: killed", failures=3),
    ]


def text(draw, width=80):
    console = Console(file=io.StringIO(), width=width)
    draw(console)
    return console.file.getvalue()


def test_show_fits_80_columns_and_has_all(trials):
    """Cell, both times, ratio with interval, clock, the other clock, pairs and verdict, each in its row."""
    output = text(lambda console: table.table(trials, RULE, "HEAD~1 v HEAD").draw(console))

    assert max(map(len, output.splitlines())) <= 80
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
        assert word in output


def test_lines_are_printed_once_where_rows_change_places(trial):
    """When all is decided what is inconclusive stands above what is the same; nobody reads the other row as news.

    With the first verdict a line says what is left.
    """
    console = Console(file=io.StringIO(), width=80)
    same, open_ = trial(CELLS[0], [1.001, 0.999, 1.002, 0.998]), trial(CELLS[1], [1.1, 1.0])
    with progress._live(console, RULE, "") as show:
        show([same, open_])
        open_.close(RULE, "the budget ended")
        show([same, open_])
    printed = console.file.getvalue().splitlines()

    assert table.table([same, open_], RULE, "").texts()[0][-1] == "inconclusive"
    assert printed[0].startswith("1 of 2 decided; about ")
    assert [line.split()[-1] for line in printed[1:]] == ["inconclusive"]


def test_rows_are_there_while_it_runs(trial):
    """A cell without pairs has a row, and one without verdict shows its ratio so far."""
    rows = table.table([trial(CELLS[1], []), trial(CELLS[2], [1.1, 1.0])], RULE, "").texts()

    assert rows[0][-2:] == ["0", "…"]
    assert "1.049 [" in rows[1][2]


def test_markdown_has_a_row_a_cell(trials):
    """For a pull request: a heading, a row a cell, verdicts that matter in bold."""
    output = table.table(trials, RULE, "HEAD~1 v HEAD").markdown()

    assert output.startswith("### HEAD~1 v HEAD")
    assert "**slower**" in output
    assert output.count("\n| ") == 4


def test_plain_holds_both_clocks(trials):
    """A program reads verdict, pairs and both intervals of each cell."""
    rows = json.loads(json.dumps(table.plain(trials)))

    assert [row["verdict"] for row in rows] == ["same", "slower", "inconclusive"]
    assert rows[1]["clocks"]["cpu"]["low"] < 1.1 < rows[1]["clocks"]["wall"]["high"]
    assert rows[2]["dropped"] == 3


def test_exit_code_of_compare(trials, trial):
    """0 nothing slower, 1 something slower, 3 nothing compared."""
    nothing = trial(CELLS[2], [], closed="3 processes in a row died")

    assert progress.exit_code(trials) == 1
    assert progress.exit_code(trials[:1]) == 0
    assert progress.exit_code([nothing]) == 3
    assert progress.exit_code([nothing, trials[0]]) == 0


def test_acknowledged_slowdowns_are_known(trials):
    """They fail neither comparison nor gate, whose sentence and table name the reason."""
    same, slower, _ = trials
    slower.acknowledged = "labels are checked now"

    assert progress.exit_code([same, slower]) == 0
    assert progress.gate_code([same, slower], 0.03) == 0
    assert "but for" in progress.gate_text([same, slower], 0.03)
    assert "acknowledged: labels" in text(lambda console: table.table([same, slower], RULE, "").draw(console))


def test_budgets_fail_where_they_are_exceeded(trials):
    """Over a budget is a failure, an unproven one is no pass of a gate, and one that holds changes nothing."""
    same = trials[0]

    def codes(word):
        same.budgets = (BudgetVerdict(what="first_batch", limit=0.2, word=word, low=0.1, high=0.3),)
        return progress.exit_code([same]), progress.gate_code([same], 0.03), progress.gate_text([same], 0.03)

    assert codes("within")[:2] == (0, 0)
    assert codes("exceeded")[:2] == (1, 1)
    assert codes("unproven")[:2] == (0, 3)
    assert "the budget of 200 ms for first batch is exceeded" in codes("exceeded")[2]


def test_gate_passes_only_what_is_sure(trials):
    """Slower by more than the threshold fails, inconclusive is never a pass, the rest passes; cells are named."""
    same, slower, open_ = trials

    assert progress.gate_code([same, slower, open_], 0.03) == 1
    assert progress.gate_code([same, slower], 0.15) == 0
    assert progress.gate_code([same, open_], 0.03) == 3
    assert slower.variants.cell in progress.gate_text([same, slower], 0.03)
    assert "is no pass" in progress.gate_text([open_], 0.03)
    assert progress.gate_text([same], 0.03).startswith("Passed")


@pytest.fixture
def running(paired, tmp_path):
    """Runs a comparison of one cell with a made-up recorder; `raised` is raised after the last ratio."""

    def run(ratios, *, raised=None, **how):
        remaining = iter(ratios)

        def record(base, *_, **__):
            ratio = next(remaining, None)
            if ratio is None:
                raise raised
            return [paired(ratio, cell=base.cell.id)]

        variants = (Variant(name=name, cell=CELLS[1]) for name in ("HEAD~1", "HEAD"))
        return progress.run(
            [VariantPair(*variants)], tmp_path, rule=Rule(), title="HEAD~1 v HEAD", runs=PairRuns(record=record), **how
        )

    return run


def test_run_shows_and_returns_trials(running, capsys):
    """Lines while it runs, the table in the end, and the trials for the caller."""
    (trial,) = running([1.001, 0.999, 1.002, 0.998])
    captured = capsys.readouterr()

    assert trial.verdict.word == "same"
    assert captured.err.count("mobilenetv2") == 4
    assert "same" in captured.out


def test_run_shows_partial_verdicts_after_ctrl_c(running, capsys):
    """The table is printed as far as it came, inconclusive, and the interrupt goes on."""
    with pytest.raises(KeyboardInterrupt):
        running([1.1, 1.0], raised=KeyboardInterrupt())

    assert "interrupted" in capsys.readouterr().out


def test_run_prints_json_alone(running, capsys):
    """A program reads one object a cell and nothing else."""
    running([1.001, 0.999, 1.002, 0.998], as_json=True)

    assert [json.loads(line)["verdict"] for line in capsys.readouterr().out.splitlines()] == ["same"]


def test_table_says_why_instructions_are_not_counted(trials, monkeypatch):
    """One sentence below the table, and none where they are counted."""
    monkeypatch.setattr(table.instructions, "why_absent", lambda: "no counter here")
    said = text(lambda console: table.table(trials, RULE, "").draw(console))
    monkeypatch.setattr(table.instructions, "why_absent", lambda: "")

    assert said.count("instructions are not counted: no counter here") == 1
    assert "not counted" not in text(lambda console: table.table(trials, RULE, "").draw(console))
