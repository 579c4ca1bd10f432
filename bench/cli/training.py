"""The command that trains models over seeds: accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output
from bench.training.price import EXAMPLE, Price
from bench.training.run import VARIANTS
from flowers_core import models
from flowers_core.errors import InputError, near

if TYPE_CHECKING:
    from bench.training.run import Job, TrainingRun


class Weights(click.ParamType):
    """`MODEL=PATH`."""

    name = "model=path"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Reads model and path."""
        model, equals, path = str(value).partition("=")
        with_base = [name for name, spec in models.MODELS.items() if spec.has_base]
        if model not in with_base or not equals or not path:
            meant = near(model, with_base)
            known = ", ".join(with_base)
            self.fail(f"expected MODEL=PATH, the model one of {known}. Received: {value!r}{meant}", param, ctx)
        return model, path if path == "imagenet" else str(Path(path).resolve())


class PriceAnHour(click.ParamType):
    """`1.20USD/h`."""

    name = "price"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Price:
        """Reads amount and currency."""
        try:
            return Price.parse(str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """What is trained."""

    model: tuple[str, ...]
    variant: tuple[str, ...]
    seeds: int
    epochs: int | None
    weights: tuple[tuple[str, str], ...]

    def plan(self, data: Data, target: float | None, price: Price | None) -> "list[Job]":
        """The trainings, checked before the first begins."""
        from bench.training import campaign

        source = data.source()
        image_size = source.manifest().image_size
        for name in self.model:
            models.check_image_size(name, image_size)
        return campaign.plan(
            self.model or models.representatives(),
            self.variant or ("ours", "plain"),
            self.seeds,
            source=source,
            epochs=self.epochs,
            weights=dict(self.weights),
            target=target,
            price=price,
        )


TRAININGS = options.group(
    "trainings",
    Trainings,
    options.list_option(
        "--model",
        kind=options.Choice(list(models.MODELS)),
        metavar="NAME[,NAME]",
        help=f"[{', '.join(models.representatives())}]",
    ),
    options.list_option(
        "--variant",
        kind=options.Choice(list(VARIANTS)),
        metavar="NAME[,NAME]",
        help=f"{', '.join(VARIANTS)}. [ours, plain]",
    ),
    click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each variant."),
    click.option("--epochs", type=click.IntRange(1), help="[the codelab's]"),
    click.option("--weights", multiple=True, type=Weights(), help="Weights of a base; repeatable."),
)


@click.command()
@TRAININGS
@click.option("--target", type=click.FloatRange(0, 1), help="Accuracy to reach. [the codelab's lowest]")
@click.option(
    "--price", type=PriceAnHour(), metavar="PRICE", help=f"What an hour of this machine costs, e.g. {EXAMPLE}."
)
@click.option("--budget", type=options.TIME, help="Stop in time, e.g. 2h, in whole seeds of all models and variants.")
@click.option("--timeout", type=options.TIME, default="1h", show_default=True, help="Limit for one training.")
@click.option("--show-last", is_flag=True, help="Train nothing: show what this code has trained.")
@options.DATA
@options.OUTPUT
def accuracy(  # noqa: PLR0913 - its options
    trainings: Trainings,
    target: float | None,
    price: Price | None,
    budget: float | None,
    timeout: float,
    show_last: bool,
    data: Data,
    output: Output,
) -> None:
    """Train models over seeds: accuracy and time to reach it.

    The variant `ours` is what `train` does on this machine, by what `bench tune` has found in the same results; `plain`
    is the same as Keras does it by itself: float32, no XLA, no cached features, memory given back.

    By default four models are trained through all their epochs, two variants of each by three seeds, which takes hours
    on a CPU: `--model`, `--epochs`, `--seeds` and `--budget` shorten it.

    Exit code: 0 done, 1 a training failed, 2 wrong use, 130 interrupted: what has ended is shown and kept.

    Time to a target is the median over seeds, in which one that never reaches it counts as infinite; state the target
    before (`--target`), and give 5 seeds to models that train in minutes.

    Example: python -m bench accuracy --model convnet_gap --variant float32 --variant mixed_bfloat16 --seeds 5

    Example: python -m bench accuracy --model squeezenet_small --seeds 5 --target 0.5 --price 1.20USD/h
    """
    from bench.training import campaign

    if show_last:
        options.leave(_show(campaign.load_latest(output.results), target, price, output))
    jobs = trainings.plan(data, target, price)
    output.check_writable()
    planned = campaign.planned(jobs, output.results, budget_seconds=budget)
    ended, code = options.collect(campaign.run_all(jobs, output.results, timeout=timeout, tell=options.tell), planned)
    shown = _show(ended, target, price, output) if ended else 0
    options.leave(code or shown)


def _show(trainings: "Sequence[TrainingRun]", target: float | None, price: Price | None, output: Output) -> int:
    """Prints and keeps the outcome of trainings; gives the exit code."""
    from bench.results import store
    from bench.training import outcome, table

    if not trainings:
        raise InputError(f"There is no training in {output.results}. Leave out --show-last to run some")
    outcomes = outcome.summarize(trainings, target=target, price=price)
    store.save_table("training.md", table.markdown(outcomes, store.option(output.results)), output.results)
    output.show(table.plain(outcomes), table.tables(outcomes))
    return int(any(group.failed for group in outcomes))


COMMANDS = (accuracy,)
