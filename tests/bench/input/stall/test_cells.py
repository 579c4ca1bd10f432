"""Which cells are fed."""

import pytest

from bench.input.stall import cells as choice
from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

PLACE = dict(device="cpu", backend="tensorflow", xla=False, precision="float32")


def test_quick_feeds_every_model_at_its_own_size():
    """Each model of the codelab is fed by a pipeline that can deliver its image size from 192 px records or photos."""
    cells = choice.cells("quick", [], [], image_size=192, batch_size=None, **PLACE)
    able = {cell.model for cell in cells if cell.image_size == 192 or PIPELINES[cell.pipeline].reads == "photos"}

    assert able == set(models.codelab_names())


def test_named_cells_are_all_pairs():
    """Two models by two pipelines are four cells, in the batch size that is asked for."""
    cells = choice.cells(
        "quick", ["dense", "xception"], ["photos_parallel", "records_parallel"], image_size=192, batch_size=4, **PLACE
    )

    assert len(cells) == 4
    assert {cell.batch_size for cell in cells} == {4}


def test_full_takes_pipelines_from_their_list():
    """Every pipeline there is feeds a model in the full profile."""
    cells = choice.cells("full", [], [], image_size=192, batch_size=None, **PLACE)

    assert {cell.pipeline for cell in cells} == set(PIPELINES)
    assert {cell.model for cell in cells} <= set(models.MODELS)


def test_a_batch_size_holds_for_a_whole_profile():
    """`--batch-size` changes all cells of a profile."""
    cells = choice.cells("quick", [], [], image_size=192, batch_size=2, **PLACE)

    assert {cell.batch_size for cell in cells} == {2}


def test_emulated_accelerators_are_fed_at_their_size():
    """Records of 192 px feed no consumer of 331: photos, cut to any size, do."""
    assert "records" not in " ".join(choice.feeding(331, 192))
    assert choice.USUAL in choice.feeding(192, 192)


@pytest.mark.parametrize(("profile", "named", "piped"), [("tiny", [], []), ("quick", ["x"], []), ("quick", [], ["x"])])
def test_unknown_names_are_refused(profile, named, piped):
    """A word that is none ends it before anything is measured."""
    with pytest.raises(InputError, match="must be one of"):
        choice.cells(profile, named, piped, image_size=192, batch_size=None, **PLACE)
