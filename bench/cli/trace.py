"""What words that name a cell share; traces as they are asked for; and the word tensorboard."""

from collections.abc import Sequence
from pathlib import Path

import click

from bench.cli import options
from bench.results import store
from bench.results.cell import MODES, NO_MODEL, RESIDENT
from flowers_core import models
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

CELL = options.together(
    click.option("--model", type=click.Choice([*models.MODELS, NO_MODEL]), metavar="NAME",
                 help=f"{', '.join(models.MODELS)}; or `{NO_MODEL}` for the pipeline alone."),
    click.option("--pipeline", type=click.Choice([*PIPELINES, RESIDENT]), default=RESIDENT, metavar="NAME",
                 show_default=True,
                 help=f"{', '.join(PIPELINES)}; or `{RESIDENT}`, one batch of noise kept on the device."),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Over all replicas."),
    click.option("--image-size", type=click.IntRange(1), help="Side in pixels. [what the model was designed for]"),
    click.option("--mode", type=click.Choice(MODES), default="train", show_default=True),
    click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True),
    click.option("--xla", type=click.Choice(["on", "off"]), help="[off; on JAX always on]"),
)  # fmt: skip
FIELDS = ("model", "pipeline", "batch_size", "image_size", "mode", "precision", "xla", "device", "backend")


def cell(*, model, image_size, backend, xla, device, pipeline, batch_size, mode, precision):  # noqa: PLR0913 - its fields
    """The cell that options of `CELL` and `options.PLACE` name.

    Raises:
        InputError: If no model is named, or the fields exclude each other.
    """
    from bench.results.cell import Cell

    if model is None:
        raise InputError(f"Name a model: --model {', '.join(models.MODELS)}, or {NO_MODEL} for a pipeline alone")
    fields = {"pipeline": pipeline, "batch_size": batch_size, "mode": mode, "precision": precision}
    if model == NO_MODEL:
        return Cell(model=model, image_size=image_size or 192, **fields)
    compiled = backend == "jax" if xla is None else xla == "on"
    place = {"device": options.device(device, backend), "backend": backend, "xla": compiled}
    return Cell(model=model, image_size=image_size or models.image_size(model), **fields, **place)


def show_all(results: Path) -> None:
    """Prints a table of all traces there are.

    Raises:
        InputError: If there is none.
    """
    from rich import console

    from bench.run import profiler_trace, trace_table

    found = [(f"{folder.parent.name}/{folder.name}", profiler_trace.read(folder)) for folder in store.traces(results)]
    if not found:
        raise InputError(f"There is no trace in {results}: take one by `python -m bench trace --model dense`")
    trace_table.show(found, console.Console())


def show_difference(folders: Sequence[str], results: Path) -> None:
    """Prints two traces side by side, given by path or as `show_all` names them.

    Raises:
        InputError: If one is not there, or XProf cannot read it.
    """
    from rich import console

    from bench.run import profiler_trace, trace_table

    one, other = (profiler_trace.read(_folder(given, results)) for given in folders)
    for found in (one, other):
        if found.problem:
            raise InputError(f"{found.folder} must be a trace that XProf can read. Received: {found.problem}")
    trace_table.show_difference(one, other, console.Console())


def _folder(given: str, results: Path) -> Path:
    for folder in (Path(given), Path(results) / "traces" / given):
        if folder.is_dir():
            return folder
    raise InputError(f"`--diff` takes folders of traces, as `python -m bench trace` names them. Received: {given!r}")


@click.command()
@click.option("--port", default=6006, show_default=True, type=click.IntRange(1, 65535))
@options.RESULTS
def tensorboard(*, port, results) -> None:
    """Opens TensorBoard, for this machine alone: traces, the sweep as a table (HParams), curves of trainings.

    Example: python -m bench tensorboard
    """
    entry.load("tensorflow")
    from bench.report import tensorboard

    room = tensorboard.write(results)
    click.echo(f"http://127.0.0.1:{port}/ shows {room}; Ctrl-C ends it", err=True)
    raise click.exceptions.Exit(tensorboard.serve(room, port=port))
