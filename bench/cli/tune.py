"""The command that finds the fastest way to train a model: tune."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Output, Place
from bench.results.result import NOTHING_MEASURED
from bench.run import durations
from flowers_core import models, progress
from flowers_core.cli import entry
from flowers_core.errors import InputError, near
from flowers_core.train import tuned

if TYPE_CHECKING:
    from bench.compare.tune import Search


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which model is tuned, how long that may take, and by what batches it may be trained."""

    model: str
    budget: float
    image_size: int | None
    batch_size: tuple[int, ...] | None

    def search(self, place: Place) -> "Search":
        """The search that the options mean."""
        from bench.compare import tune as ways

        if models.is_users(self.model):
            meant = near(self.model.rpartition(":")[2], models.MODELS)
            raise InputError(f"`MODEL` must be one of {', '.join(models.MODELS)}. Received: {self.model}{meant}")
        size = self.image_size or models.image_size(self.model)
        models.check_image_size(self.model, size)
        batches = tuple(dict.fromkeys(self.batch_size or (ways.usual_batch_size(self.model),)))
        where = {"device": place.best_device(), "backend": place.backend, "batch_size": batches[0]}
        plain = ways.plain_cell(self.model, image_size=size, **where)
        return ways.Search(plain, ways.ways(plain, batches), budget_seconds=self.budget)


WANTED = options.group(
    "wanted",
    Wanted,
    click.argument("model", metavar="MODEL", type=options.Named("model", list(models.MODELS))),
    click.option("--budget", type=options.TIME, default="10m", show_default=True, help="How long it may take."),
    click.option("--image-size", type=click.IntRange(1), metavar="PX", help="Side of the images. [the model's]"),
    click.option("--batch-size", type=options.Several(click.IntRange(1)), metavar="N[,N]",
                 help="Images a step. Of several the fastest is trained with. [16, heavy models 4, to compare by]"),
)  # fmt: skip


@click.command()
@WANTED
@options.PLACE
@options.OUTPUT
def tune(wanted: Wanted, place: Place, output: Output) -> None:
    """Find the fastest correct way to train a model here.

    Candidates (installed backends, precisions, compilers and, if asked for, batch sizes) run in pairs against what the
    model's recipe says. One whose losses are not those of a plain float32 step, from the same weights, is refused. What
    is found is kept in RESULTS/tuned.json for this processor and these versions, and `python -m flowers_core train
    MODEL` uses it.

    Exit code: 0 done, 2 wrong use, 3 no candidate could be compared, 130 interrupted: what was found is kept.

    Example: python -m bench tune squeezenet --budget 20m
    """
    from bench.compare import tune_table

    output.check_writable()
    search = wanted.search(place)
    code = 0
    what = f"{len(search.candidates)} ways to train {wanted.model}, each in pairs with the recipe's"
    options.tell(durations.forecast(what, budget=wanted.budget))
    with progress.bar(f"ways to train {wanted.model}", len(search.candidates)) as advance:
        try:
            search.run(advance=advance, tell=options.tell)
        except KeyboardInterrupt:
            code = entry.INTERRUPTED
            options.tell(entry.how_to_go_on(sys.argv))
    found = search.result(with_batch=len(wanted.batch_size or ()) > 1)
    if found is None:
        reasons = "; ".join(candidate.reason for candidate in search.candidates if candidate.reason)
        options.tell(
            f"no way to train {wanted.model} was compared with the recipe's within {wanted.budget:.0f} s: "
            f"{reasons or 'give more time, or a smaller --batch-size'}"
        )
        options.leave(code or NOTHING_MEASURED)
    if not code or search.found:  # an interrupted search that found nothing proves nothing
        path = output.results / tuned.NAME
        tuned.keep(found, path)
        options.tell(f"kept in {path}{_how_used(path)}")
    rows = [tune_table.plain(candidate, search) for candidate in search.candidates]
    options.show([{**asdict(found), "ways": rows}], [tune_table.table(search, found).draw], json=output.json)
    options.leave(code)


def _how_used(path: Path) -> str:
    """What makes `train` read the file, where it does not by itself."""
    if path.absolute() == tuned.default_path().absolute():
        return ", where `python -m flowers_core train` finds it"
    return f"; `{tuned.VARIABLE}={path} python -m flowers_core train` reads it"


COMMANDS = (tune,)
