"""Words of the lab that train: accuracy. They parse, call and exit, nothing else."""

from pathlib import Path

import click

from bench.cli import options
from bench.training.run import WAYS
from flowers_core import models, progress
from flowers_core.cli import entry
from flowers_core.errors import InputError, one_of

# One of each kind, which a CPU trains in minutes.
FEW = ("dense", "convnet_gap", "squeezenet", "mobilenetv2")


class Weights(click.ParamType):
    """`MODEL=PATH`."""

    name = "model=path"

    def convert(self, value, param, ctx):
        """Gives model and path."""
        model, equals, path = str(value).partition("=")
        if model not in models.names_with_base() or not equals or not path:
            self.fail(
                f"expected MODEL=PATH, the model one of {', '.join(models.names_with_base())}. Received: {value!r}",
                param,
                ctx,
            )
        return model, path if path == "imagenet" else str(Path(path).resolve())


@click.command()
@click.option("--model", "named", multiple=True, metavar="NAME", help=f"May be given again. [{', '.join(FEW)}]")
@click.option(
    "--variant", "ways", multiple=True, type=click.Choice(list(WAYS)), help="May be given again. [ours, plain]"
)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each model and way.")
@click.option("--epochs", type=click.IntRange(1), help="[the codelab's]")
@click.option("--target", type=click.FloatRange(0, 1), help="Accuracy to reach. [the codelab's lowest]")
@click.option("--weights", multiple=True, type=Weights(), help="Weights of a base; may be given again.")
@click.option("--timeout", type=options.TIME, default="1h", show_default=True, help="Limit for one training.")
@click.option("--show-last", is_flag=True, help="Train nothing: show what this code has trained.")
@options.DATA
@options.RESULTS
@options.JSON
def accuracy(*, target, show_last, photos, records, results, json, timeout, **asked) -> None:
    """Trains models over seeds and ways: accuracy, time to reach it, and seconds an epoch.

    Ways: `ours` is what `train` does on this machine, `plain` the same as Keras does it of
    itself: float32, no XLA, no cached features, memory given back.
    Exit code: 0 done, 1 some training failed, 2 wrong use, 130 interrupted: what has ended is shown and kept.

    Example: python -m bench accuracy --model convnet_gap --variant float32 --variant mixed_bfloat16 --seeds 5
    """
    from bench.run import data_source as sources
    from bench.training import campaign

    if show_last:
        raise click.exceptions.Exit(_show(campaign.latest(results), results, target, json=json))
    source = sources.find(photos=photos, records=records)
    jobs = campaign.plan(records=source.records, **_settled(source.manifest().image_size, **asked))
    code = 0
    try:
        for _ in progress.track(campaign.run(jobs, results, timeout=timeout), "trainings", len(jobs)):
            pass
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
    done = campaign.stored(results, jobs[0].campaign)
    if code:
        options.tell(f"interrupted after {len(done)} of {len(jobs)} trainings")
    shown = _show(done, results, target, json=json) if done else 0
    raise click.exceptions.Exit(code or shown)


def _settled(image_size: int, *, named, ways, seeds: int, epochs: int | None, weights) -> dict:
    """What to train, checked before the first training begins."""
    for name in named:
        one_of("model", name, models.MODELS)
        models.check_image_size(name, image_size)
    return {
        "models": named or FEW,
        "ways": ways or ("ours", "plain"),
        "seeds": seeds,
        "epochs": epochs,
        "weights": dict(weights),
    }


def _show(trainings, results: Path, target: float | None, *, json: bool) -> int:
    """Prints and keeps what trainings came to; gives the exit code."""
    from bench.results import store
    from bench.training import outcome, table

    if not trainings:
        raise InputError(f"There is no training in {results}. Leave out --show-last, and some are made")
    found = outcome.outcomes(trainings, target=target)
    store.save_table("training.md", table.markdown(found), results)
    options.show_rows(table.plain(found), table.show, found, json=json)
    return int(any(one.failed for one in found))
