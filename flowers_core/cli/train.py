"""Commands that train and use models: train, evaluate, predict, export. They parse, call and print only."""

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

from flowers_core import backends, durable, models, user_code
from flowers_core.backends.devices import DEVICES, Device
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry, source_options
from flowers_core.data import photos as photo_kinds
from flowers_core.data import storage
from flowers_core.errors import InputError
from flowers_core.train import tuned
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import AUGMENTATIONS, OPTIMIZERS, Choices, Settings

if TYPE_CHECKING:
    import keras

    from flowers_core.data.manifest import Manifest

JSON = click.option("--json", is_flag=True, help="Print one JSON object.")


def _choose_backend(_: click.Context, __: click.Parameter, asked: str | None) -> None:
    """Sets Keras' backend for this process."""
    if asked:
        os.environ["KERAS_BACKEND"] = backends.choose(asked)


BACKEND = click.option(
    "--backend",
    type=entry.Choice(backends.BACKENDS),
    callback=_choose_backend,
    expose_value=False,
    help="Keras' backend. [KERAS_BACKEND, or the first that is installed]",
)
RUN = click.argument("run", type=click.Path(file_okay=False, path_type=Path))
TRAININGS = "results/training"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a training reads, where it is kept, and when it ends."""

    records: str
    output: Path | None
    resume: bool
    target: float | None
    keep_memory: bool
    dispatcher: str
    variant: str
    image_feature: str
    label_feature: str
    classes: tuple[str, ...]

    def manifest(self, records: str) -> "Manifest":
        """The manifest of the records by the path that their readers use."""
        from flowers_core.data import manifest

        features = source_options.features(self.image_feature, self.label_feature)
        return manifest.load(records, features=features, classes=self.classes)


REQUEST = entry.group(
    "request",
    Request,
    click.option(
        "--records", envvar="FLOWERS_RECORDS", required=True, help="Folder or bucket of records. [FLOWERS_RECORDS]"
    ),
    *source_options.RECORDS_OF_OTHERS,
    click.option("--output", type=click.Path(path_type=Path), help=f"Folder to keep it in. [{TRAININGS}/MODEL]"),
    click.option("--resume", is_flag=True, help="Go on after the last epoch that was kept."),
    click.option("--target", type=click.FloatRange(0, 1), help="Validation accuracy at which to stop."),
    click.option(
        "--keep-memory/--no-keep-memory", default=True, show_default=True, help="Reuse memory without the kernel."
    ),
    click.option("--dispatcher", default="", metavar="ADDRESS", help="A tf.data service to read and decode. [here]"),
    click.option(
        "--variant",
        type=entry.Choice(tuned.VARIANTS),
        default=tuned.VARIANTS[0],
        show_default=True,
        help="`default`: the fastest way that `python -m bench tune` found here; `plain`: the recipe's.",
    ),
)

CHOICES = entry.group(
    "choices",
    Choices,
    click.option("--epochs", type=int, help="Passes over the training shards. [the codelab's]"),
    click.option("--batch-size", type=int, help="Images in the global batch. [the codelab's]"),
    click.option(
        "--augmentation", metavar="NAME",
        help=f"{', '.join(AUGMENTATIONS)}; the last flips and changes saturation. [the codelab's]",
    ),
    click.option("--shuffle-buffer", type=int, help="Images to shuffle among; 1 for none. [the codelab's]"),
    click.option("--optimizer", metavar="NAME", help=f"{' or '.join(OPTIMIZERS)}. [the codelab's]"),
    click.option("--learning-rate", type=float, help="A constant rate. [the codelab's, or the optimizer's]"),
    click.option("--validation", metavar="END", help="Shards that validate, first or last. [the codelab's]"),
    click.option("--weights", metavar="PATH", help="A file of weights to begin with, or `imagenet`. [random]"),
    click.option("--pixels", metavar="RANGE", help="Input of a base: `codelab`, [0, 1], or as `weights` expect."),
    click.option("--cached-features/--no-cached-features", default=None,
                 help="Run a frozen base once on each image. [if it can be]"),
    click.option("--device", metavar="NAME", help=f"{', '.join(DEVICES)}. [the first of them here]"),
    click.option("--precision", metavar="NAME", help=f"{', '.join(PRECISIONS)}. [the fastest here]"),
    click.option("--xla/--no-xla", default=None, help="Compile the step with XLA. [where it pays]"),
    click.option("--torch-compile/--no-torch-compile", default=None, help="Compile it on torch. [no]"),
    click.option("--seed", type=int, help="The same weights, order and augmentation in every run."),
    click.option("--deterministic", is_flag=True, default=None, help="With --seed: the same bits, at a price."),
)  # fmt: skip


@click.command(
    epilog=f"Models: {', '.join(models.MODELS)}; keras.applications:NAME; or your own, path/to/file.py:function."
)
@click.argument("model")
@REQUEST
@CHOICES
@BACKEND
@JSON
def train(model: str, *, request: Request, choices: Choices, json: bool) -> None:
    """Train a model as the codelab does.

    Weights and history are kept after each epoch.

    An option that is left out is the codelab's for this model or, with --resume, the one of the beginning.
    `tensorboard --logdir results/training` shows the curves.

    Example: python -m flowers_core train convnet_gap --records data/synthetic-192
    """
    from flowers_core.backends import malloc
    from flowers_core.train import plots, settings

    if user_code.is_option(model):
        model = user_code.locate(model, user_code.MODEL).option  # found from any folder when the training goes on
    goal = models.spec(model).recipe.accuracy
    if request.keep_memory:
        malloc.keep_freed()
    records = request.records if storage.is_bucket(request.records) else str(Path(request.records))
    if request.dispatcher:
        records = _records_for_workers(records, request.dispatcher, choices)
    run = Run(request.output or Path(TRAININGS) / _shown(model).replace(":", "."))
    written = request.manifest(records)
    choices = _complete(model, choices, request, run, image_size=written.image_size)
    device = _find_device(choices.device)
    place = {"device": device.kind, "replicas": device.replicas, "backend": backends.choose()}
    resolved = settings.resolve(model, written, choices, records=records, **place)
    with run.exclusive():
        if request.resume:
            run.check_same(resolved)
        else:
            run.begin(resolved)
        rows = _train(resolved, run, device, request)
        title = f"{_shown(model)}, {resolved.precision}, batch {resolved.batch_size}"
        if plots.is_possible(tell=entry.tell):
            plots.draw_history(run.curves, rows, title=title, goal=goal)
    _print_history(resolved, run, rows, json=json)
    if request.target is not None and not _report_target(request.target, rows):
        raise click.exceptions.Exit(entry.FAILED)


def _complete(model: str, choices: Choices, request: Request, run: Run, *, image_size: int) -> Choices:
    """The choices with those of the beginning, or with what `bench tune` found here unless a part of it is chosen."""
    if request.resume:
        begun = run.settings()
        _use_backend(begun.backend)
        return choices.completed_by(begun)
    chosen = [name for name in ("precision", "xla", "torch_compile", "deterministic") if name in choices.given()]
    if chosen or request.variant == "plain" or os.environ.get("KERAS_BACKEND"):
        return choices
    found = tuned.find(model, image_size=image_size, device=choices.device, path=tuned.default_path(), tell=entry.tell)
    if found is None or not backends.is_installed(found.way.backend):
        return choices
    _use_backend(found.way.backend)
    entry.tell(f"tuned: {found} (`--variant plain` goes without)")
    return tuned.applied(found, choices)


def _use_backend(name: str) -> None:
    """Has Keras run on a backend that no option and no variable names."""
    if not os.environ.get("KERAS_BACKEND") and name != backends.choose():
        os.environ["KERAS_BACKEND"] = name


def _shown(model: str) -> str:
    """A model without the folder of its file."""
    if not user_code.is_option(model):
        return model
    path, _, function = model.rpartition(":")
    return entry.printable(f"{Path(path).stem}:{function}")


def _load_backend() -> str:
    """Loads the framework of Keras' backend, and gives its name."""
    backend = backends.choose()
    backends.check_installed(backend)
    os.environ["KERAS_BACKEND"] = backend
    entry.load(backends.BACKENDS[backend].framework)
    entry.load("keras")
    return backend


def _find_device(kind: str | None) -> Device:
    """The device asked for, or the best there is; loads the frameworks."""
    backend = _load_backend()
    kind = kind or backends.devices.best(backend=backend, tell=entry.tell)
    try:
        return backends.get(backend).find(kind)
    except backends.DeviceAbsent as error:
        raise InputError(f"`device` must be one that is there. Received: device={kind!r}: {error}") from error


def _records_for_workers(records: str, dispatcher: str, choices: Choices) -> str:
    """The path by which workers elsewhere find the records; checks that the dispatcher answers."""
    from flowers_core.input import data_service

    if choices.deterministic:
        raise InputError("`--deterministic` fixes the order of images, which workers of a `--dispatcher` do not keep")
    if choices.seed is not None:
        entry.tell("--seed fixes the weights, but not the order in which the workers of a --dispatcher deliver images")
    data_service.reach(dispatcher)
    return records if storage.is_bucket(records) else str(Path(records).resolve())


def _train(settings: Settings, run: Run, device: Device, request: Request) -> list[dict[str, float]]:
    """Trains and returns the history; says what is kept when the disk is full or the user interrupts."""
    from flowers_core.train import fit

    try:
        with redirect_stdout(sys.stderr):  # Keras reports weights that it downloads, which is no result
            return fit.train(
                settings,
                run,
                device=device,
                target=request.target,
                dispatcher=request.dispatcher,
                tell=entry.tell,
            )
    except OSError as error:
        if not durable.is_full(error):
            raise
        message = f"{error.strerror}; what {run.folder} keeps is whole: make room, and --resume goes on"
        raise OSError(error.errno, message, error.filename or str(run.folder)) from error
    except KeyboardInterrupt:
        entry.tell(f"{len(run.history())} epochs are kept in {run.folder}: --resume goes on")
        raise


def _print_history(settings: Settings, run: Run, rows: Sequence[dict[str, float]], *, json: bool) -> None:
    goal = models.spec(settings.model).recipe.accuracy
    if json:
        click.echo(entry.json_line({"folder": str(run.folder), "codelab_accuracy": goal, "history": rows}))
        return
    last, best = rows[-1], max(rows, key=lambda row: row["val_accuracy"])
    entry.print_table(
        (),
        [
            ("validation accuracy after the last epoch", f"{last['val_accuracy']:.3f}"),
            (f"the best, after epoch {best['epoch']:.0f} of {last['epoch']:.0f}", f"{best['val_accuracy']:.3f}"),
            ("the codelab's, trained on 2,980 photos",
             f"{goal[0]:.3f} to {goal[1]:.3f}" if goal else "n/a: it has none for this model"),
            ("seconds in all", f"{last['elapsed_seconds']:,.1f}"),
            ("images/s of an epoch, median", f"{median(row['images_per_second'] for row in rows):,.0f}"),
        ],
        title=f"{_shown(settings.model)}: {settings.precision}, batch {settings.batch_size}, {settings.device}",
    )  # fmt: skip
    curves = f", curves {run.curves}" if run.curves.exists() else ""
    entry.say(f"weights {run.model}, history {run.folder / 'history.csv'}{curves}")


def _report_target(target: float, rows: Sequence[dict[str, float]]) -> bool:
    """Whether the target was reached, and prints when."""
    reached = next((row for row in rows if row["val_accuracy"] >= target), None)
    if reached:
        entry.tell(f"accuracy {target} reached in {reached['elapsed_seconds']:,.1f} s, {reached['epoch']:.0f} epochs")
    else:
        best = max(row["val_accuracy"] for row in rows)
        entry.tell(f"accuracy {target}: n/a, not reached in {len(rows)} epochs; the best is {best:.3f}")
    return reached is not None


@click.command()
@RUN
@click.option("--split", default="validation", show_default=True, help="Which of its shards, validation or training.")
@click.option("--records", help="Other records, all of them.")
@source_options.IMAGE_FEATURE
@source_options.LABEL_FEATURE
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw the mistaken images, as PNG.")
@BACKEND
@JSON
def evaluate(
    run: Path,
    *,
    split: str,
    records: str | None,
    image_feature: str,
    label_feature: str,
    sheet: Path | None,
    json: bool,
) -> None:
    """Evaluate a trained model: accuracy and confusion.

    For each class it says how its images were classified.

    Example: python -m flowers_core evaluate results/training/convnet_gap --sheet mistaken.png
    """
    features = source_options.features(image_feature, label_feature)
    settings, model = _load(run)
    from flowers_core.train import evaluate, plots

    evaluation, mistaken = evaluate.evaluate(model, settings, split=split, records=records, features=features)
    if sheet:
        plots.draw_contact_sheet(sheet, mistaken, evaluation.captions())
    if json:
        click.echo(entry.json_line(evaluation.to_json()))
        return
    entry.print_table(
        ("class", "images", "precision", "recall", *(f"as {number}" for number, _ in enumerate(settings.classes, 1))),
        [
            (
                f"{number} {row['class']}",
                str(row["images"]),
                _share(row["precision"]),
                _share(row["recall"]),
                *map(str, row["taken_for"].values()),
            )
            for number, row in enumerate(evaluation.rows(), start=1)
        ],
        title=f"{_shown(settings.model)}: accuracy {evaluation.accuracy:.3f} over {len(evaluation.labels)} images",
    )


@click.command()
@RUN
@click.argument("photos", nargs=-1, required=True)
@BACKEND
@source_options.EXIF
@source_options.DECODE
@source_options.MAX_MEGAPIXELS
@JSON
def predict(
    run: Path,
    photos: tuple[str, ...],
    *,
    exif: str | None,
    decode: str | None,
    max_megapixels: int | None,
    json: bool,
) -> None:
    """Classify photos: files, or folders of them.

    JPEG, PNG or WebP, which become pixels as those of the training's records unless told otherwise. Hidden files in
    folders are passed over.

    Exit code: 0 done, 1 a photo does not decode, 2 wrong use.

    Example: python -m flowers_core predict results/training/convnet_gap data/synthetic/roses
    """
    paths = [path for name in photos for path in _photo_files(name)]
    settings, model = _load(run)
    from flowers_core.train import evaluate

    how = source_options.decoding(exif=exif, decode=decode, max_megapixels=max_megapixels, usual=settings.decoding)
    probabilities = evaluate.predict(model, paths, image_size=settings.image_size, decoding=how)
    rows = [
        {"photo": path, "class": None, "reason": row}
        if isinstance(row, str)
        else {"photo": path, "class": settings.classes[row.argmax()], "probability": float(row.max())}
        for path, row in zip(paths, probabilities, strict=True)
    ]
    if json:
        click.echo(entry.json_line(rows))
    else:
        for row in rows:
            answer = f"{row['class']} {row['probability']:.1%}" if row["class"] else f"n/a: {row['reason']}"
            entry.say(f"{row['photo']}: {answer}")
    if any(row["class"] is None for row in rows):
        raise click.exceptions.Exit(entry.FAILED)


def _photo_files(name: str) -> list[str]:
    """A photo, or those in a folder and its folders."""
    path = Path(name)
    if path.is_file():
        return [name]
    suffixes = (*photo_kinds.JPEG_SUFFIXES, *(f".{kind}" for kind in photo_kinds.ACCEPTABLE))
    files = sorted(
        str(file)
        for file in path.rglob("*")
        if file.suffix.lower() in suffixes and not file.is_dir() and not file.name.startswith(".")
    )
    if not files:
        raise InputError(
            f"`photos` must be JPEG, PNG or WebP files or folders that hold some. Received: {name!r}, with none"
        )
    return files


@click.command()
@RUN
@click.argument("target", type=click.Path(path_type=Path))
@BACKEND
def export(run: Path, target: Path) -> None:
    """Export a trained model.

    To NAME.keras, NAME.weights.h5, or a folder for a TensorFlow SavedModel.

    Example: python -m flowers_core export results/training/convnet_gap flowers.keras
    """
    if target.exists():
        raise InputError(f"`target` must not exist yet. Received: {target}. Remove it, or give another name")
    _, model = _load(run)
    from flowers_core.train import fit

    fit.export(model, target)
    entry.say(f"{run} in {target}")


def _load(folder: Path) -> tuple[Settings, "keras.Model"]:
    """Settings and model of a training; loads the frameworks."""
    run = Run(folder)
    settings = run.settings()
    _load_backend()
    from flowers_core.train import fit

    return settings, fit.load_trained(run, settings)


def _share(share: float | None) -> str:
    return "n/a" if share is None else f"{share:.3f}"
