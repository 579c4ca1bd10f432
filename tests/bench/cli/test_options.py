"""Options that commands share: what is chosen of pipelines varies cells."""

import pytest

from bench.cli.options import InputOptions
from bench.results.cell import Cell
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
