"""Saving and restoring models: checkpoint."""

import tempfile
from pathlib import Path
from typing import Any

import click

from bench.cli import options
from bench.cli.options import Output, Place
from flowers_core import backends, models
from flowers_core.backends.precision import PRECISIONS


@click.command()
@options.list_option("--model", kind=options.Named("model", list(models.MODELS)), metavar="NAME[,NAME]",
                help=f"[{', '.join(models.representatives())}]")  # fmt: skip
@click.option("--precision", type=options.Choice(PRECISIONS), default="float32", show_default=True)
@options.ROUNDS
@options.BUDGET
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="On the disk that is to be measured. [the store]")  # fmt: skip
@options.TIMEOUT
@options.PLACE
@options.OUTPUT
def checkpoint(  # noqa: PLR0913 - its options
    model: tuple[str, ...],
    precision: str,
    rounds: int,
    budget: float,
    folder: Path | None,
    timeout: float,
    place: Place,
    output: Output,
) -> None:
    """Measure saving and restoring of models.

    Weights alone, and the model whole with its weights and the optimizer's state, until they are on the disk (fsync);
    restored once from the disk, the page cache emptied, and once from the page cache.

    Exit code: 0 done, 1 a model failed, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench checkpoint --model squeezenet,mobilenetv2 --rounds 3
    """
    from bench.results import store
    from bench.results.cell import Cell
    from bench.training import checkpoint as measuring
    from bench.training import checkpoint_table as table
    from bench.training.checkpoint import FILES

    backends.check_installed(place.backend)
    shape: dict[str, Any] = {**place.step_fields(), "precision": precision, "batch_size": 1}
    names = model or models.representatives()
    cells = [Cell(model=name, image_size=models.image_size(name), **shape) for name in names]
    output.check_writable()
    with tempfile.TemporaryDirectory(dir=folder or output.results, prefix=".checkpoints-") as place_of_files:
        schedule = [(number, cell, content) for number in range(rounds) for cell in cells for content in FILES]
        planned = measuring.planned(schedule, output.results, budget_seconds=budget)
        running = measuring.run(schedule, Path(place_of_files), timeout=timeout)
        ended, code = options.collect(running, planned, keep=output.results)
    if ended:
        store.save_table("checkpoints.md", table.markdown(ended, store.option(output.results)), output.results)
        output.show((result.to_json() for result in ended), table.tables(ended))
    options.leave(code or int(any(result.status not in ("ok", "n/a") for result in ended)))


COMMANDS = (checkpoint,)
