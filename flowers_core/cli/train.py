"""Words of the product that learn: train, evaluate, predict, export. They parse, call and print, nothing else."""

import json as json_text
import sys
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

import click

from flowers_core.cli import entry
from flowers_core.data import storage
from flowers_core.errors import InputError

JSON = click.option("--json", is_flag=True, help="Print one JSON object.")
RUN = click.argument("run", type=click.Path(file_okay=False, path_type=Path))
TRAININGS = "results/training"


@click.command()
@click.argument("model")
@click.option(
    "--records", envvar="FLOWERS_RECORDS", required=True, help="Folder or bucket of records. [FLOWERS_RECORDS]"
)
@click.option("--output", type=click.Path(path_type=Path), help=f"Folder to keep it in. [{TRAININGS}/MODEL]")
@click.option("--resume", is_flag=True, help="Go on after the last epoch that was kept.")
@click.option("--target", type=click.FloatRange(0, 1), help="Validation accuracy at which to stop.")
@click.option("--epochs", type=int, help="Passes over the training shards. [the codelab's]")
@click.option("--batch-size", type=int, help="Images of the global batch. [the codelab's]")
@click.option("--augmentation", help="none, flip, or codelab: flip and change saturation. [the codelab's]")
@click.option("--shuffle-buffer", type=int, help="Images to shuffle among; 1 for none. [the codelab's]")
@click.option("--optimizer", help="adam or sgd. [the codelab's]")
@click.option("--learning-rate", type=float, help="A constant rate. [the codelab's schedule, or the optimizer's rate]")
@click.option("--validation", help="Shards that validate, first or last. [the codelab's]")
@click.option("--weights", help="A file of weights to begin with, or `imagenet`. [random]")
@click.option("--pixels", help="What a base is shown: `codelab` for [0, 1], or as `weights` expect. [codelab]")
@click.option(
    "--cached-features/--no-cached-features", default=None, help="Show a frozen base each image once. [if it can be]"
)
@click.option("--device", help="tpu, gpu or cpu. [the best there is]")
@click.option("--precision", help="float32, mixed_bfloat16 or mixed_float16. [the fastest here]")
@click.option("--xla/--no-xla", default=None, help="Compile the step with XLA. [where it pays]")
@click.option(
    "--keep-memory/--no-keep-memory", default=True, show_default=True, help="Use memory again without the kernel."
)
@click.option("--seed", type=int, help="The same weights, order and augmentation in every run.")
@click.option("--deterministic", is_flag=True, default=None, help="With --seed: the same to the bit, at a price.")
@click.option("--dispatcher", default="", metavar="ADDRESS", help="A tf.data service to read and decode. [here]")
@JSON
def train(model, *, records, output, resume, target, keep_memory, dispatcher, json, **values):  # noqa: PLR0913 - options
    """Trains a model as the codelab does, and keeps weights and history after each epoch.

    Every option left out is the codelab's for this model, or with --resume that of the beginning. `tensorboard --logdir
    results/training` shows the curves.

    Example: python -m flowers_core train convnet_gap --records data/synthetic-192
    """
    from flowers_core import models
    from flowers_core.backends import malloc
    from flowers_core.data import manifest
    from flowers_core.train import plots, run_dir
    from flowers_core.train import settings as settings_of

    choices = settings_of.Choices(**values)
    if keep_memory:
        malloc.keep_freed()
    records = records if storage.is_bucket(records) else str(Path(records))
    if dispatcher:
        records = _for_all(records, dispatcher, choices)
    run = run_dir.Run(output or Path(TRAININGS) / model)
    if resume:
        choices = choices.completed_by(run.settings())
    device = _device(choices.device)
    settings = settings_of.resolve(
        model, manifest.load(records), choices, records=records, device=device.kind, replicas=device.replicas
    )
    if resume:
        run.check_same(settings)
    else:
        run.begin(settings)
    rows = _trained(settings, run, device, target, dispatcher)
    goal = models.spec(model).recipe.accuracy
    plots.draw(run.curves, rows, title=f"{model}, {settings.precision}, batch {settings.batch_size}", goal=goal)
    reached = next((row for row in rows if target is not None and row["val_accuracy"] >= target), None)
    _print_history(settings, run, rows, goal, json=json)
    if target is not None:
        _print_target(target, reached, rows)
    if target is not None and reached is None:
        raise click.exceptions.Exit(entry.FAILED)


def _device(kind: str | None):
    """The device asked for, or the best there is; loads the frameworks."""
    from flowers_core import backends

    entry.load("tensorflow")
    entry.load("keras")
    name = backends.name_from_environment()
    kind = kind or backends.devices.best(backend=name, tell=_tell)
    try:
        return backends.get(name).find(kind)
    except backends.DeviceAbsent as error:
        raise InputError(f"`device` must be one that is there. Received: device={kind!r}: {error}") from error


def _for_all(records: str, dispatcher: str, choices) -> str:
    """The records as workers elsewhere have to find them; checks that the dispatcher answers."""
    from flowers_core.input import data_service

    if choices.deterministic:
        raise InputError("`--deterministic` fixes the order of images, which workers of a `--dispatcher` do not keep")
    if choices.seed is not None:
        _tell("--seed fixes the weights, but not the order in which the workers of a --dispatcher deliver images")
    data_service.reach(dispatcher)
    return records if storage.is_bucket(records) else str(Path(records).resolve())


def _trained(settings, run, device, target: float | None, dispatcher: str) -> list[dict[str, float]]:
    from flowers_core.train import fit
    from flowers_core.train.callbacks import NotFinite

    try:
        with redirect_stdout(sys.stderr):  # Keras tells of weights that it fetches, which is no result
            return fit.train(settings, run, device=device, target=target, dispatcher=dispatcher, tell=_tell)
    except NotFinite as error:
        click.echo(f"error: {error}", err=True)
        raise click.exceptions.Exit(entry.FAILED) from error
    except OSError as error:
        if not storage.is_full(error):
            raise
        told = f"{error.strerror}; what was kept before is whole: make room, and --resume goes on"
        raise OSError(error.errno, told, f"{run.folder}:") from error
    except KeyboardInterrupt:
        click.echo(f"{len(run.history())} epochs are kept in {run.folder}: --resume goes on", err=True)
        raise


def _print_history(settings, run, rows, goal, *, json: bool) -> None:
    if json:
        click.echo(json_text.dumps({"folder": str(run.folder), "codelab_accuracy": goal, "history": rows}))
        return
    last, best = rows[-1], max(rows, key=lambda row: row["val_accuracy"])
    codelab = f"{goal[0]:.3f} to {goal[1]:.3f}" if goal else "n/a: it has none for this model"
    _print_table(
        (),
        [
            ("validation accuracy after the last epoch", f"{last['val_accuracy']:.3f}"),
            (f"the best, after epoch {best['epoch']:.0f} of {last['epoch']:.0f}", f"{best['val_accuracy']:.3f}"),
            ("the codelab's, trained on 2,980 photos", codelab),
            ("seconds in all", f"{last['elapsed_seconds']:,.1f}"),
            ("images/s of an epoch, median", f"{median(row['images_per_second'] for row in rows):,.0f}"),
        ],
        title=f"{settings.model}: {settings.precision}, batch {settings.batch_size}, {settings.device}",
    )
    click.echo(f"weights {run.model}, history {run.folder / 'history.csv'}, curves {run.curves}")


def _print_target(target: float, reached: dict | None, rows: list[dict]) -> None:
    if reached:
        click.echo(
            f"accuracy {target} reached in {reached['elapsed_seconds']:,.1f} s, {reached['epoch']:.0f} epochs", err=True
        )
    else:
        best = max(row["val_accuracy"] for row in rows)
        click.echo(f"accuracy {target}: n/a, not reached in {len(rows)} epochs; the best is {best:.3f}", err=True)


@click.command()
@RUN
@click.option("--split", default="validation", show_default=True, help="Which of its shards, validation or training.")
@click.option("--records", help="Other records, all of them.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw what it mistook, as PNG.")
@JSON
def evaluate(run: Path, *, split: str, records: str | None, sheet: Path | None, json: bool) -> None:
    """Evaluates a trained model: accuracy, and for each class what its images were taken for.

    Example: python -m flowers_core evaluate results/training/convnet_gap --sheet mistaken.png
    """
    settings, model = _loaded(run)
    from flowers_core.train import contact_sheet, evaluate

    found, mistaken = evaluate.evaluate(model, settings, split=split, records=records)
    if sheet:
        wrong = [place for place, label in enumerate(found.labels) if found.predicted[place] != label]
        lines = [
            (
                f"is {found.classes[found.labels[place]]}",
                f"{found.classes[found.predicted[place]]} {found.probabilities[place].max():.0%}?",
            )
            for place in wrong
        ]
        contact_sheet.write(sheet, mistaken, lines)
    if json:
        click.echo(json_text.dumps(found.to_json()))
        return
    _print_table(
        ("class", "images", "precision", "recall", *(f"as {number}" for number in range(1, len(found.classes) + 1))),
        [
            (
                f"{number} {row['class']}",
                str(row["images"]),
                _part(row["precision"]),
                _part(row["recall"]),
                *map(str, row["taken_for"].values()),
            )
            for number, row in enumerate(found.rows(), start=1)
        ],
        title=f"{settings.model}: accuracy {found.accuracy:.3f} over {len(found.labels)} images",
    )


@click.command()
@RUN
@click.argument("photos", nargs=-1, required=True)
@JSON
def predict(run: Path, photos: tuple[str, ...], *, json: bool) -> None:
    """Says what is on photos: files, or folders of them. Exit code 1 if one of them does not decode.

    Example: python -m flowers_core predict results/training/convnet_gap data/synthetic/roses
    """
    paths = [path for given in photos for path in _files(given)]
    settings, model = _loaded(run)
    from flowers_core.train import evaluate

    given = evaluate.predict(model, paths, image_size=settings.image_size)
    rows = [
        {"photo": path, "class": None, "reason": "does not decode"}
        if row[0] != row[0]
        else {"photo": path, "class": settings.classes[row.argmax()], "probability": float(row.max())}
        for path, row in zip(paths, given, strict=True)
    ]
    if json:
        click.echo(json_text.dumps(rows))
    else:
        for row in rows:
            said = f"{row['class']} {row['probability']:.1%}" if row["class"] else f"n/a: {row['reason']}"
            click.echo(f"{row['photo']}: {said}")
    if any(row["class"] is None for row in rows):
        raise click.exceptions.Exit(entry.FAILED)


def _files(given: str) -> list[str]:
    """A photo, or those in a folder and its folders."""
    path = Path(given)
    if path.is_file():
        return [given]
    found = sorted(str(file) for file in path.rglob("*") if file.suffix.lower() in {".jpg", ".jpeg"})
    if not found:
        raise InputError(f"`photos` must be JPEG files or folders that hold some. Received: {given!r}, with none")
    return found


@click.command()
@RUN
@click.argument("target", type=click.Path(path_type=Path))
def export(run: Path, target: Path) -> None:
    """Writes a trained model: NAME.keras, NAME.weights.h5, or a folder for a TensorFlow SavedModel.

    Example: python -m flowers_core export results/training/convnet_gap flowers.keras
    """
    if target.exists():
        raise InputError(f"`target` must not be there yet. Received: {target}. Remove it, or give another name")
    _, model = _loaded(run)
    from flowers_core.train import fit

    fit.export(model, target)
    click.echo(f"{run} in {target}")


def _loaded(run: Path):
    """Settings and model of a training."""
    from flowers_core.train import run_dir

    kept = run_dir.Run(run)
    settings = kept.settings()
    entry.load("tensorflow")
    from flowers_core.train import fit

    return settings, fit.load(kept.model)


def _part(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"


def _print_table(titles, rows, *, title: str) -> None:
    from rich import box, console, table

    drawn = table.Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", show_header=bool(titles), padding=(0, 1, 0, 0)
    )
    for number, name in enumerate(titles or rows[0]):
        drawn.add_column(name if titles else "", justify="right" if number else "left", no_wrap=True)
    for row in rows:
        drawn.add_row(*row)
    console.Console().print(drawn)


def _tell(line: str) -> None:
    click.echo(line, err=True)
