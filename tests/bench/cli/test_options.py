"""Options that commands share: what is chosen of pipelines varies cells."""

import sys

import pytest

from bench.cli import main, options
from bench.cli.options import InputOptions
from bench.results.cell import Cell
from bench.run.durations import Planned
from flowers_core.cli import entry
from flowers_core.errors import InputError

ALONE = Cell(model="none", pipeline="records_parallel")
RESIDENT = Cell(model="dense")


def test_vary_makes_a_cell_of_each_with_each():
    """Values of one option with those of others; None is the pipeline's own way, which is the cell as it was."""
    cells = InputOptions(augment=(False, True), prefetch=(0, None)).vary([ALONE])

    assert [(cell.augment, cell.prefetch) for cell in cells] == [(False, 0), (False, None), (True, 0), (True, None)]
    assert cells[1] == ALONE


def test_vary_leaves_steps_alone_as_they_are():
    """A resident batch has no pipeline; nothing chosen changes nothing."""
    assert InputOptions(prefetch=(0, 1)).vary([RESIDENT, ALONE])[0] == RESIDENT
    assert InputOptions().vary([RESIDENT, ALONE]) == [RESIDENT, ALONE]
    with pytest.raises(InputError, match="`--parallel-calls` is for an input pipeline"):
        InputOptions(parallel_calls=(1,)).vary([RESIDENT])


def test_vary_refuses_what_a_pipeline_does_not_take():
    """Unless a sweep is to say n/a of it."""
    turbo = Cell(model="none", pipeline="records_turbo")
    with pytest.raises(InputError, match="records_turbo takes no `ordered`"):
        InputOptions(ordered=(True,)).vary([ALONE, turbo])

    assert len(InputOptions(ordered=(True,)).vary([ALONE, turbo], strict=False)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "--pipeline", "records_turbo", "--augment", "on"], "takes no `augment`"),
        (["measure", "--model", "dense", "--prefetch", "0"], "give `--pipeline"),
        (["measure", "--pipeline", "records_parallel", "--prefetch", "some"], "or auto"),
        (["measure", "--pipeline", "records_parallel", "--augment", "yes"], "off, on"),
        (["batch", "--model", "dense", "--pipeline", "records_parallel", "--prefetch", "0,1"], "Received: 2 cells"),
        (["compare", "--axis", "prefetch=0,4", "--model", "dense"], "give `--pipeline"),
    ],
)
def test_wrong_options_are_told_before_anything_runs(command_line, arguments, message):
    """In one sentence, with exit code 2."""
    done = command_line("bench", *arguments)

    assert done.code == 2, done.err
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


PLANNED = Planned(what="groups", rounds=(0, 1, 2), seconds=1620.0, budget_seconds=1e-9)


def interrupted():
    """A campaign that Ctrl-C ends after its first result."""
    yield "first"
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "goes_on"),
    [
        ("scaling", "this goes on: bench scaling --rounds 3 --resume"),
        ("formats", "begins again: bench formats --rounds 3"),
    ],
)
def test_collect_says_how_long_it_takes_and_what_goes_on(command, goes_on, capsys, monkeypatch):
    """First what is to come; after Ctrl-C the command that goes on, or begins again where none goes on."""
    monkeypatch.setattr(sys, "argv", ["bench", command, "--rounds", "3"])
    without_budget = Planned(what="groups", rounds=(0, 1, 2), seconds=1620.0)

    assert options.collect(interrupted(), without_budget) == (["first"], 130)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "3 groups in 3 rounds: about 27 min, as earlier ones took here"
    assert "interrupted after 1 of 3 groups; those are kept" in said
    assert goes_on in said[-1]


@pytest.mark.parametrize(
    ("command", "advice"),
    [("scaling", "`bench scaling --resume` goes on"), ("formats", "A longer one measures more")],
)
def test_collect_ends_with_the_budget_and_says_what_it_left_out(command, advice, capsys, monkeypatch):
    """A round at least; more with a longer budget, or by going on."""
    monkeypatch.setattr(sys, "argv", ["bench", command])

    assert options.collect(iter("abc"), PLANNED) == (["a"], 0)
    assert f"1 of 3 rounds are whole. {advice}" in capsys.readouterr().err


def test_resumed_commands_are_those_with_the_option():
    """Whoever adds `--resume` to a command lets its interruption say so."""
    resumable = {name for name, command in main.cli.commands.items() if any(p.name == "resume" for p in command.params)}

    assert resumable == set(entry.RESUMED) - {"train"}
