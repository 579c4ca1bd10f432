"""Which cells exist: the named profiles, their order, and how filters select from them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import NO_MODEL, PEERS_BACKEND, RESIDENT, Cell
from flowers_core import models
from flowers_core.backends import BACKENDS
from flowers_core.errors import InputError, near, one_of
from flowers_core.input.registry import PIPELINES

ACCELERATED = ("squeezenet", "xception", "mobilenetv2", "resnet50", "convnet_gap", "dense")


def _steps(names: Iterable[str], *, batch_size: int, heavy_batch_size: int, **fields) -> list[Cell]:
    """A training step of each model on a resident batch, at the image size it was designed for."""
    on_torch: dict[str, Any] = {**fields, "backend": PEERS_BACKEND, "xla": False}
    return [
        Cell(
            model=name,
            image_size=models.image_size(name),
            batch_size=heavy_batch_size if models.spec(name).heavy else batch_size,
            **(on_torch if user_code.peer(name) else fields),
        )
        for name in names
    ]


def _alone(pipeline_names: Iterable[str]) -> list[Cell]:
    """Input pipelines, each alone."""
    return [Cell(model=NO_MODEL, pipeline=name) for name in pipeline_names]


def quick(model_names: Sequence[str] = (), pipeline_names: Sequence[str] = (), **place) -> list[Cell]:
    """Every pipeline, and one training step of every model of the codelab: minutes. Further models wait for `full`.

    Args:
        model_names: Models instead of the codelab's.
        pipeline_names: Pipelines instead of all.
        place: Device, backend and XLA of the models.
    """
    steps = model_names or ([] if pipeline_names else models.codelab_names())
    pipelines = pipeline_names or ([] if model_names else PIPELINES)
    return _alone(pipelines) + _steps(steps, batch_size=32, heavy_batch_size=4, **place)


def full(model_names: Sequence[str] = (), pipeline_names: Sequence[str] = (), **place) -> list[Cell]:
    """Batch sizes, precisions, XLA, inference and real feeding as well; coarse grid first.

    A budget that ends early then leaves every model measured once rather than one model in every way. Models and
    pipelines that are named take the place of all, see `quick`.
    """
    names = model_names or ([] if pipeline_names else list(models.MODELS))
    base = _steps(names, batch_size=32, heavy_batch_size=4, **place)
    representative = [cell for cell in base if model_names or models.spec(cell.model).representative]
    feeding = pipeline_names or [name for name, pipeline in PIPELINES.items() if pipeline.feeds_models]
    cells = [
        *_alone(pipeline_names or ([] if model_names else PIPELINES)),
        *base,
        *(replace(cell, precision="mixed_bfloat16") for cell in base),
        *_steps(names, batch_size=8, heavy_batch_size=1, **place),
        *(replace(cell, mode="predict") for cell in base),
        *(replace(cell, pipeline=name) for cell in representative for name in feeding),
        *(cell.compile() for cell in representative),
        *(replace(cell, batch_size=128) for cell in representative),
        *(replace(cell, precision="mixed_float16") for cell in base),
    ]
    return list(dict.fromkeys(cells))  # a cell that two lines name is measured once


def of_each_kind(**place) -> list[Cell]:
    """A pipeline of each kind and a training step of each kind of model: what a comparison takes unless told."""
    parallel = {row.reads: name for name, row in reversed(PIPELINES.items()) if not row.serial}  # the plainest of each
    read = [Cell(model=NO_MODEL, pipeline=parallel[source]) for source in ("photos", "records")]
    return read + _steps(models.representatives(), batch_size=8, heavy_batch_size=1, **place)


def select(
    model_names: Sequence[str], pipeline_names: Sequence[str], *, batch_size: int | None = None, **place
) -> list[Cell]:
    """Cells by name: models on a resident batch, pipelines alone, or each model fed by each pipeline.

    Args:
        model_names: Models.
        pipeline_names: Pipelines.
        batch_size: 8 for a model, 32 for a pipeline alone, unless given.
        place: Device, backend and XLA of the models.

    Raises:
        InputError: If a name is unknown.
    """
    if not model_names:
        return [Cell(model=NO_MODEL, pipeline=name, batch_size=batch_size or 32) for name in pipeline_names]
    size = batch_size or 8
    steps = _steps(model_names, batch_size=size, heavy_batch_size=batch_size or 1, **place)
    return [replace(cell, pipeline=name) for cell in steps for name in pipeline_names or [RESIDENT]]


def accelerator(model_names: Sequence[str] = (), pipeline_names: Sequence[str] = (), **place) -> list[Cell]:
    """Training steps alone of six kinds of models in two batches that fill an accelerator, bfloat16 and float32.

    The larger batches come first: of a budget that ends early they say more.
    """
    chosen = model_names or ([] if pipeline_names else ACCELERATED)
    sizes = ({"batch_size": 256, "heavy_batch_size": 64}, {"batch_size": 32, "heavy_batch_size": 8})
    return _alone(pipeline_names) + [
        cell
        for size in sizes
        for precision in ("mixed_bfloat16", "float32")
        for cell in _steps(chosen, precision=precision, **size, **place)
    ]


PROFILES = {"quick": quick, "full": full, "accelerator": accelerator}


def profile(
    name: str,
    *,
    device: str = "cpu",
    backend: str = "tensorflow",
    model_names: Sequence[str] = (),
    pipeline_names: Sequence[str] = (),
) -> list[Cell]:
    """Cells of a named profile on one device and backend, in the order in which they are to be measured.

    Args:
        name: One of `PROFILES`.
        device: Where steps run.
        backend: Of Keras.
        model_names: Models in place of the profile's own; then it has no pipelines but those that are named.
        pipeline_names: Pipelines likewise.

    Raises:
        InputError: If there is no such profile.
    """
    one_of("profile", name, PROFILES)
    return PROFILES[name](
        model_names, pipeline_names, device=device, backend=backend, xla=BACKENDS[backend].always_compiled
    )


def in_turn(profiles: Iterable[Sequence[Cell]]) -> list[Cell]:
    """The cells of several profiles, one step on all backends after the other: what is compared is measured in a row.

    By what the step is, not by its place in the profiles: a backend that always compiles has no cells that compile.
    """
    together: dict[tuple, dict[Cell, None]] = {}
    for cells in zip_longest(*profiles):
        for cell in cells:
            if cell is not None:
                together.setdefault(cell.alike, {})[cell] = None
    return [cell for cells in together.values() for cell in cells]


def with_steps(cells: Iterable[Cell], steps: Sequence[int]) -> list[Cell]:
    """Cells with every number of steps a call, one after the other; those that do not train as they are."""
    return list(
        dict.fromkeys(
            replace(cell, steps_per_execution=number) if cell.model != NO_MODEL and cell.mode == "train" else cell
            for cell in cells
            for number in steps
        )
    )


def filter_cells(cells: list[Cell], filters: list[str]) -> list[Cell]:
    """Cells that every filter allows.

    Args:
        cells: What to pick from.
        filters: `field=value[,value]`, e.g. `model=dense,squeezenet` or `batch_size=8`.

    Raises:
        InputError: If a filter has no `=`, names no field of a cell, or nothing is left.
    """
    for text in filters:
        field, equals, values = text.partition("=")
        if not equals:
            raise InputError(f"A filter must read field=value[,value]. Received: {text!r}")
        one_of("filter", field, Cell.__dataclass_fields__)
        wanted = values.lower().split(",")
        present = sorted({str(getattr(cell, field)).lower() for cell in cells})
        cells = [cell for cell in cells if str(getattr(cell, field)).lower() in wanted]
        if not cells:
            meant = next(filter(None, (near(value, present) for value in wanted)), "")
            raise InputError(
                f"No cell is left by the filter {text!r}; {field} here is one of {', '.join(present)}{meant}"
            )
    return cells
