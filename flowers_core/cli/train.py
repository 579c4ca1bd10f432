"""The command that trains a model, on one host or as one of several workers. It parses, calls and prints only."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click

from flowers_core import backends, durable, models, user_code
from flowers_core.backends.devices import DEVICES, Device
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry, host_options, source_options
from flowers_core.cli.host_options import Hosts
from flowers_core.data import storage
from flowers_core.errors import InputError
from flowers_core.train import tuned
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import AUGMENTATIONS, OPTIMIZERS, Choices, Settings

if TYPE_CHECKING:
    from flowers_core.data.manifest import Manifest
    from flowers_core.train.meeting import Place

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

    @property
    def path(self) -> str:
        """The records as a path, or as their address in a bucket."""
        return self.records if storage.is_bucket(self.records) else str(Path(self.records))

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
    click.option("--fine-tune", is_flag=True, default=None, help="All of a base learns, by our recipe for that."),
    click.option("--cached-features/--no-cached-features", default=None,
                 help="Run a frozen base once on each image. [if it can be]"),
    click.option("--device", metavar="NAME", help=f"{', '.join(DEVICES)}. [the first of them here]"),
    click.option("--precision", metavar="NAME", help=f"{', '.join(PRECISIONS)}. [the fastest here]"),
    click.option("--xla/--no-xla", default=None, help="Compile the step with XLA. [where it pays]"),
    click.option("--torch-compile/--no-torch-compile", default=None, help="Compile it on torch. [no]"),
    click.option("--steps-per-execution", type=click.IntRange(1), metavar="N",
                 help="Steps that one call trains, a divisor of those of an epoch: on TensorFlow in a loop on the "
                 "device, on JAX between two looks of Keras; 1 on torch and over replicas. [1]"),
    click.option("--seed", type=int, help="The same weights, order and augmentation in every run."),
    click.option("--pipeline", metavar="FILE:FUNCTION",
                 help="Your own loader, path/to/file.py:function, to train on; records validate. [the records]"),
    click.option("--deterministic", is_flag=True, default=None, help="With --seed: the same bits, at a price."),
)  # fmt: skip


@click.command(
    epilog=f"Models: {', '.join(models.MODELS)}; keras.applications:NAME; or your own, path/to/file.py:function."
)
@click.argument("model")
@REQUEST
@CHOICES
@host_options.HOSTS
@BACKEND
@JSON
def train(model: str, *, request: Request, choices: Choices, hosts: Hosts, json: bool) -> None:
    """Train a model as the codelab does.

    Weights and history are kept after each epoch.

    An option that is left out is the codelab's for this model or, with --resume, the one of the beginning.
    `tensorboard --logdir results/training` shows the curves.

    Several hosts run the same command, each with its --rank, or under torchrun. A worker that is lost ends the training
    on all of them; started again with --resume it goes on, or begins where nothing is kept yet.

    Example: python -m flowers_core train convnet_gap --records data/synthetic-192

    Example: python -m flowers_core train path/to/net.py:build --pipeline path/to/load.py:batches --records data/192

    Example: python -m flowers_core train squeezenet --coordinator 10.0.0.2:5070 --workers 2 --rank 0 --resume
    """
    from flowers_core.backends import malloc
    from flowers_core.train import settings

    if user_code.is_option(model):
        model = user_code.locate(model, user_code.MODEL).option  # found from any folder when the training goes on
    models.spec(model)  # a name that nobody knows is refused before records are asked for
    if choices.pipeline:
        choices = replace(choices, pipeline=user_code.locate(choices.pipeline, user_code.LOADER).option)
    if request.keep_memory:
        malloc.keep_freed()
    records = request.path
    if request.dispatcher:
        records = _records_for_workers(records, request.dispatcher, choices)
    run = Run(request.output or Path(TRAININGS) / shown_name(model).replace(":", "."))
    written = request.manifest(records)
    if among := hosts.place(backend=backends.choose()):
        resolved = _resolve_over_hosts(model, request, choices, written, among)
        _train_over_hosts(resolved, request, run, among, json=json)
        return
    choices = _complete(model, choices, request, run, image_size=written.image_size)
    device = _find_device(choices.device)
    place = {"device": device.kind, "replicas": device.replicas, "backend": backends.choose()}
    resolved = settings.resolve(model, written, choices, records=records, **place)
    with run.exclusive():
        _begin(resolved, run, resume=request.resume)
        rows = _train(resolved, run, device, request)
        _draw_history(resolved, run, rows)
    _report(resolved, run, rows, request, json=json)


def _begin(settings: Settings, run: Run, *, resume: bool) -> None:
    """Goes on with a training, or begins one, and says where that hardly makes sense."""
    if resume:
        run.check_same(settings)
        return
    run.begin(settings)
    if models.spec(settings.model).has_base and not settings.weights:
        entry.tell(
            f"the base of {settings.model} is random, where the codelab takes ImageNet's: give `--weights imagenet`, "
            "or a file"
        )


def _draw_history(settings: Settings, run: Run, rows: Sequence[dict[str, float]]) -> None:
    from flowers_core.train import plots

    title = f"{shown_name(settings.model)}, {settings.precision}, batch {settings.batch_size}"
    if plots.is_possible(tell=entry.tell):
        plots.draw_history(run.curves, rows, title=title, goal=settings.recipe.accuracy)


def _report(settings: Settings, run: Run, rows: Sequence[dict[str, float]], request: Request, *, json: bool) -> None:
    """Prints what came of a training; its exit code is 1 where a target was missed."""
    _print_history(settings, run, rows, json=json)
    if request.target is not None and not _report_target(request.target, rows):
        raise click.exceptions.Exit(entry.FAILED)


def _resolve_over_hosts(
    model: str, request: Request, choices: Choices, written: "Manifest", place: "Place"
) -> Settings:
    """The settings of one of several workers; loads the framework."""
    from flowers_core.train import settings

    single = {
        "--dispatcher": request.dispatcher,
        "--cached-features": choices.cached_features,
        "--torch-compile": choices.torch_compile,
        "--steps-per-execution": choices.steps_per_execution,
    }
    if given := [option for option, value in single.items() if value]:
        raise InputError(
            f"{', '.join(f'`{option}`' for option in single)} are for a training on one host: each worker reads and "
            f"decodes its part of the shards, and computes the whole model in every step. Received: {', '.join(given)} "
            f"and {place.workers} workers. Leave it out"
        )
    backend = load_backend()
    kind = choices.device or backends.devices.best(backend=backend, tell=entry.tell)
    known = {"records": request.path, "device": kind, "replicas": place.total, "backend": backend}
    return settings.resolve(model, written, replace(choices, cached_features=False), **known)


def _train_over_hosts(resolved: Settings, request: Request, run: Run, place: "Place", *, json: bool) -> None:
    """Trains as one of several workers; the coordinator keeps and reports what comes of it."""
    from flowers_core.train import meeting, over_hosts

    with ExitStack() as stack:
        if place.leads:
            stack.enter_context(run.exclusive())
            _begin(resolved, run, resume=request.resume and run.begun)
        meet = meeting.meet(place, over_hosts.terms(resolved), tell=entry.tell, seed=resolved.seed)
        with meet, _explain_errors(run) if place.leads else nullcontext(), _print_to_stderr():
            rows = over_hosts.train(
                resolved, run if place.leads else None, meet, target=request.target, tell=entry.tell
            )
        if place.leads:
            _draw_history(resolved, run, rows)
    if place.leads:
        _report(resolved, run, rows, request, json=json)


def _complete(model: str, choices: Choices, request: Request, run: Run, *, image_size: int) -> Choices:
    """The choices with those of the beginning, or with what `bench tune` found here unless a part of it is chosen."""
    if request.resume:
        begun = run.settings()
        _use_backend(begun.backend)
        return choices.completed_by(begun)
    chosen = [name for name in ("precision", "xla", "torch_compile", "deterministic") if name in choices.given()]
    unlike = choices.fine_tune and models.recipe(model).frozen  # `tune` measures a step in which the base is frozen
    if chosen or request.variant == "plain" or unlike or os.environ.get("KERAS_BACKEND"):
        return choices
    found = tuned.find(model, image_size=image_size, device=choices.device, path=tuned.default_path(), tell=entry.tell)
    if found is None or not backends.is_installed(found.way.backend):
        return choices
    _use_backend(found.way.backend)
    entry.tell(f"tuned: {found} (`--variant plain` goes without)")
    return tuned.apply(found, choices)


def _use_backend(name: str) -> None:
    """Has Keras run on a backend that no option and no variable names."""
    if not os.environ.get("KERAS_BACKEND") and name != backends.choose():
        os.environ["KERAS_BACKEND"] = name


def shown_name(model: str) -> str:
    """A model without the folder of its file."""
    if not user_code.is_option(model):
        return model
    path, _, function = model.rpartition(":")
    return entry.printable(f"{Path(path).stem}:{function}")


def load_backend() -> str:
    """Loads the framework of Keras' backend, and gives its name."""
    backend = backends.choose()
    backends.check_installed(backend)
    os.environ["KERAS_BACKEND"] = backend
    entry.load(backends.BACKENDS[backend].framework)
    entry.load("keras")
    return backend


def _find_device(kind: str | None) -> Device:
    """The device asked for, or the best there is; loads the frameworks."""
    backend = load_backend()
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

    # Keras reports weights that it downloads, which is no result.
    with _explain_errors(run), redirect_stdout(sys.stderr):
        return fit.train(
            settings,
            run,
            device=device,
            target=request.target,
            dispatcher=request.dispatcher,
            tell=entry.tell,
        )


@contextmanager
def _print_to_stderr() -> Iterator[None]:
    """Sends what is printed meanwhile to standard error, that of libraries below Python, too: it is no result."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _explain_errors(run: Run) -> Iterator[None]:
    """While something trains: says what is kept when the disk is full or the user interrupts."""
    try:
        yield
    except OSError as error:
        if not durable.is_full(error):
            raise
        message = f"{error.strerror}; what {run.folder} keeps is whole: make room, and --resume goes on"
        raise OSError(error.errno, message, error.filename or str(run.folder)) from error
    except KeyboardInterrupt:
        entry.tell(f"{len(run.history())} epochs are kept in {run.folder}: --resume goes on")
        raise


def _print_history(settings: Settings, run: Run, rows: Sequence[dict[str, float]], *, json: bool) -> None:
    goal = settings.recipe.accuracy
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
        title=f"{shown_name(settings.model)}: {settings.precision}, batch {settings.batch_size}, {settings.device}",
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
