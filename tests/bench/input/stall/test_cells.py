"""Which cells are fed."""

import pytest

from bench.input.stall import cells
from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

PLACE = dict(device="cpu", backend="tensorflow", xla=False, precision="float32")


def test_quick_feeds_every_model_at_its_own_size():
    """Each model of the codelab is fed by a pipeline that can deliver its image size from 192 px records or photos."""
    selected = cells.select("quick", [], [], image_size=192, batch_size=None, **PLACE)
    able = {cell.model for cell in selected if cell.image_size == 192 or PIPELINES[cell.pipeline].reads == "photos"}

    assert able == set(models.codelab_names())


def test_named_cells_are_all_pairs():
    """Two models by two pipelines are four cells, in the batch size that is asked for."""
    selected = cells.select(
        "quick", ["dense", "xception"], ["photos_parallel", "records_parallel"], image_size=192, batch_size=4, **PLACE
    )

    assert len(selected) == 4
    assert {cell.batch_size for cell in selected} == {4}


def test_full_takes_pipelines_from_their_list():
    """Every pipeline there is feeds a model in the full profile."""
    selected = cells.select("full", [], [], image_size=192, batch_size=None, **PLACE)

    assert {cell.pipeline for cell in selected} == set(PIPELINES)
    assert {cell.model for cell in selected} <= set(models.MODELS)


def test_a_batch_size_holds_for_a_whole_profile():
    """`--batch-size` changes all cells of a profile."""
    selected = cells.select("quick", [], [], image_size=192, batch_size=2, **PLACE)

    assert {cell.batch_size for cell in selected} == {2}


def test_emulated_accelerators_are_fed_at_their_size():
    """Records of 192 px feed no workload of 331: photos, cropped to any size, do."""
    assert "records" not in " ".join(cells.emulation_pipelines(331, 192))
    assert cells.USUAL in cells.emulation_pipelines(192, 192)


@pytest.mark.parametrize(("profile", "named", "piped"), [("tiny", [], []), ("quick", ["x"], []), ("quick", [], ["x"])])
def test_unknown_names_are_refused(profile, named, piped):
    """An unknown name ends it before anything is measured."""
    with pytest.raises(InputError, match="must be one of"):
        cells.select(profile, named, piped, image_size=192, batch_size=None, **PLACE)
