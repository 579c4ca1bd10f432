"""The profiles, and picking from them."""

from itertools import pairwise

import pytest

from bench.results.cell import NO_MODEL, Cell
from bench.run import matrix
from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES


def test_quick_holds_every_pipeline_and_codelab_model_once():
    """A newcomer's run leaves nothing of the codelab out."""
    cells = matrix.profile("quick")

    assert [cell.pipeline for cell in cells if cell.model == NO_MODEL] == list(PIPELINES)
    assert [cell.model for cell in cells if cell.model != NO_MODEL] == models.codelab_names()


def test_full_holds_quick():
    """The full profile measures all that the quick one does."""
    assert set(matrix.profile("quick")) <= set(matrix.profile("full"))


def test_full_alone_holds_further_models(monkeypatch):
    """A model that does not say that it is the codelab's joins `full` and not `quick`."""
    monkeypatch.setitem(models.MODELS, "newcomer", models.ModelSpec(builder="dense:dense"))

    assert "newcomer" in {cell.model for cell in matrix.profile("full")}
    assert "newcomer" not in {cell.model for cell in matrix.profile("quick")}
    assert set(models.MODELS) - set(models.codelab_names()) == {"vgg16", "resnet50", "mobilenet", "newcomer"}


def test_full_holds_no_cell_twice():
    """Each cell of a profile is measured once a round."""
    cells = matrix.profile("full")

    assert len(set(cells)) == len(cells)


def test_full_begins_with_the_coarse_grid():
    """When a budget ends, every model has been measured before one is measured in every way."""
    first = matrix.profile("full")[: len(PIPELINES) + len(models.MODELS)]

    assert {cell.model for cell in first} == {NO_MODEL, *models.MODELS}


def test_profile_is_for_one_device():
    """Device and backend hold for all cells with a model; a pipeline alone has neither."""
    steps = [cell for cell in matrix.profile("full", device="gpu", backend="jax") if cell.model != NO_MODEL]

    assert {(cell.device, cell.backend, cell.xla) for cell in steps} == {("gpu", "jax", True)}


def test_profile_lists_those_there_are():
    """The message lists the profiles."""
    with pytest.raises(InputError, match="quick, full"):
        matrix.profile("half")


def test_filter_cells_combines_filters():
    """Every filter must allow a cell; a filter may allow several values."""
    cells = matrix.filter_cells(matrix.profile("full"), ["model=dense,convnet", "batch_size=8"])

    assert {(cell.model, cell.batch_size) for cell in cells} == {("dense", 8), ("convnet", 8)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model", "field=value"),
        ("colour=red", "`filter` must be one of model"),
        ("model=resnet", "model here is one of"),
    ],
)
def test_filter_cells_says_what_would_be_right(text, said):
    """A typo does not silently measure something else."""
    with pytest.raises(InputError, match=said):
        matrix.filter_cells(matrix.profile("quick"), [text])


def test_with_steps_varies_training_alone():
    """Pipelines and predictions, which have no such loop, come once and as they are."""
    cells = [
        Cell(model=NO_MODEL, pipeline="records_parallel"),
        Cell(model="dense"),
        Cell(model="dense", mode="predict"),
    ]

    assert [cell.steps_per_execution for cell in matrix.with_steps(cells, (1, 8))] == [1, 1, 8, 1]
    assert matrix.with_steps(cells, (1,)) == cells


def test_in_turn_measures_backends_side_by_side():
    """Each cell is followed by the same on the next backend; pipelines alone, which have none, come once."""
    cells = matrix.in_turn([matrix.profile("quick", backend=backend) for backend in ("tensorflow", "jax", "torch")])
    steps = [(cell.model, cell.backend) for cell in cells if cell.model != NO_MODEL]

    assert [backend for _, backend in steps[:3]] == ["tensorflow", "jax", "torch"]
    assert len({model for model, _ in steps[:3]}) == 1
    assert len(cells) == len(set(cells)) == 3 * len(matrix.profile("quick")) - 2 * (len(cells) - len(steps))


def test_in_turn_keeps_backends_together_where_one_has_fewer_cells():
    """JAX has no cell that compiles by choice: what comes after those still stands beside the same of others."""
    cells = matrix.in_turn([matrix.profile("full", backend=backend) for backend in ("tensorflow", "jax", "torch")])
    apart = [cell for before, cell in pairwise(cells) if cell.alike != before.alike]

    assert len(apart) + 1 == len({cell.alike for cell in cells})
