"""Which fed cells are measured: those of a profile, or those that are named."""

from collections.abc import Sequence
from dataclasses import replace

from bench.results.cell import Cell, is_users
from bench.run import matrix
from flowers_core import models
from flowers_core.errors import one_of
from flowers_core.input.registry import PIPELINES

# The codelab's last pipeline, and its first, which shows what a stall looks like.
USUAL, FIRST = "records_parallel", "photos_one_by_one"
# For models of another image size than the records': photos are cropped to any size.
ANY_SIZE = "photos_parallel"


def quick(image_size: int, **place) -> list[Cell]:
    """Every model of the codelab by its last pipeline, in small batches; one of each kind by its first as well.

    Args:
        image_size: Of the records; models of another are fed by photos, too.
        place: Device, backend, XLA and precision of the steps.
    """
    others = [name for name in models.codelab_names() if models.image_size(name) != image_size]
    return [
        *matrix.select(models.codelab_names(), [USUAL], **place),
        *(matrix.select(others, [ANY_SIZE], **place) if others else []),
        *matrix.select(models.representatives(), [FIRST], **place),
    ]


def full(image_size: int, **place) -> list[Cell]:
    """The same, and one of each kind by every pipeline in two batch sizes."""
    sizes = [matrix.select(models.representatives(), list(PIPELINES), batch_size=size, **place) for size in (8, 32)]
    return list(dict.fromkeys([*quick(image_size, **place), *(cell for of_size in sizes for cell in of_size)]))


PROFILES = {"quick": quick, "full": full}


def select(
    profile: str,
    model_names: Sequence[str],
    pipeline_names: Sequence[str],
    *,
    image_size: int,
    batch_size: int | None,
    **place,
) -> list[Cell]:
    """The fed cells of a profile, or each named model by each named pipeline.

    Args:
        profile: One of `PROFILES`; counts where no model and no pipeline is named.
        model_names: Models; one of each kind where only pipelines are named.
        pipeline_names: Pipelines; the codelab's last where only models are named.
        image_size: Of the records.
        batch_size: 8, 1 for heavy models, unless given.
        place: Device, backend, XLA and precision of the steps.

    Raises:
        InputError: If a name is unknown.
    """
    one_of("profile", profile, PROFILES)
    for name in pipeline_names:
        if not is_users(name):
            one_of("pipeline", name, PIPELINES)
    if model_names or pipeline_names:
        model_names = list(model_names or models.representatives())
        return matrix.select(model_names, list(pipeline_names or [USUAL]), batch_size=batch_size, **place)
    cells = PROFILES[profile](image_size, **place)
    return cells if batch_size is None else list(dict.fromkeys(replace(cell, batch_size=batch_size) for cell in cells))


def emulation_pipelines(image_size: int, records_size: int) -> tuple[str, ...]:
    """What feeds an emulated accelerator unless pipelines are named: first and last, or what crops to any size."""
    return (FIRST, USUAL) if image_size == records_size else (ANY_SIZE,)


def pipelines_alone(profile: str) -> list[Cell]:
    """Pipelines alone that the planner wants as well: all of them, whatever the profile."""
    one_of("profile", profile, PROFILES)
    return matrix.select([], list(PIPELINES))
