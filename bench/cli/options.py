"""Options that several commands share, each group as one frozen dataclass, and how quantities are read."""

import itertools
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from bench.results import store
from bench.results.cell import INPUT_OPTIONS, Cell, read_input_option
from bench.results.result import Result
from bench.run import product
from bench.run.durations import Budget, Planned
from flowers_core import backends, progress, user_code
from flowers_core.backends import BACKENDS, devices
from flowers_core.cli import entry, source_options
from flowers_core.cli.entry import TIME, Choice, Quantity, Several, group, json_line, list_option, tell
from flowers_core.errors import InputError, near
from flowers_core.input.registry import PIPELINES
from flowers_core.models import MODELS

if TYPE_CHECKING:
    from rich.console import Console

    from bench.results.table import Table
    from bench.run.data_source import Source

Collected = TypeVar("Collected", bound=Result)


MEMORY = Quantity("memory", {"M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}, "500M or 8G")
LATENCIES = Several(Quantity("latency", {"ms": 1e-3, "s": 1}, "30ms, or 5ms,30ms,100ms"))
BANDWIDTH = Quantity("bandwidth", {"M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}, "100MB or 1G, bytes a second")
PERCENT = Quantity("share", {"": 0.01, "%": 0.01}, "3% or 3")


class Named(click.ParamType):
    """A model or loader by its name; a user's own is located and gets its name.

    Where the file lies is kept with the command, for `Data.source`: a cell holds the name alone.
    """

    name = "name"

    def __init__(self, kind: str, allowed: Sequence[str]):
        """Reads a name.

        Args:
            kind: `model` or `pipeline`.
            allowed: Names there are.
        """
        self.kind, self.allowed = kind, allowed

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Checks the name, and locates a file."""
        text = str(value)
        if user_code.is_option(text):
            return locate(text, self.kind)
        own = "path/to/file.py:function"
        if self.kind == "model":
            own += ", keras.applications:NAME, timm:NAME or torch:NAME"
        other = self.kind == "model" and (user_code.is_application(text) or user_code.peer(text))
        in_torch = [f"torch:{name}" for name in MODELS] if user_code.peers_library(text) == "torch" else []
        if text not in (*self.allowed, *in_torch) and (in_torch or not other):
            meant = near(text, in_torch or self.allowed)
            self.fail(f"expected one of {', '.join(self.allowed)}, {own}. Received: {text!r}{meant}", param, ctx)
        return text


_FILES = "bench.files"


def locate(text: str, kind: str) -> str:
    """The name in a cell of a user's model or loader, whose place is kept with the command.

    Raises:
        InputError: If the file or the function is not there, or its parameters are others.
    """
    found = user_code.locate(text, user_code.MODEL if kind == "model" else user_code.LOADER)
    context = click.get_current_context(silent=True)
    if context:
        context.meta.setdefault(_FILES, {})[found.name] = found.option
    return found.name


@dataclass(frozen=True, kw_only=True)
class Data:
    """Folders of photos and of records, as given, and how they are read."""

    photos: str
    records: str
    image_feature: str
    label_feature: str
    classes: tuple[str, ...]
    exif: str | None
    decode: str | None

    def source(self) -> "Source":
        """The folders to read, those of the environment or of `make bench` where none is given."""
        from bench.run import data_source

        context = click.get_current_context(silent=True)
        files = context.meta.get(_FILES, {}) if context else {}
        return data_source.find(**vars(self), files=files.items())


DATA = group(
    "data",
    Data,
    click.option("--photos", default="", help="Folder of photos. [FLOWERS_PHOTOS, or data/synthetic]"),
    click.option("--records", default="", help="Folder of records. [FLOWERS_RECORDS, or data/synthetic-192]"),
    *source_options.RECORDS_OF_OTHERS,
    *source_options.PHOTOS,
)


class InputOption(click.ParamType):
    """A value of one of `cell.INPUT_OPTIONS`."""

    def __init__(self, option: str):
        self.name = option

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> bool | int | None:
        """Reads it as an axis of `compare` does."""
        try:
            return read_input_option(self.name, str(value))
        except InputError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """What is chosen of pipelines: values of `cell.INPUT_OPTIONS`, each with each; None as pipelines are."""

    augment: tuple[bool, ...] | None = None
    ordered: tuple[bool, ...] | None = None
    parallel_calls: tuple[int | None, ...] | None = None
    parallel_reads: tuple[int | None, ...] | None = None
    prefetch: tuple[int | None, ...] | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """What is given, by field of a cell."""
        return {name: values for name in INPUT_OPTIONS if (values := getattr(self, name))}

    @property
    def options(self) -> str:
        """The options that are given, as a user writes them."""
        return ", ".join(f"`--{name.replace('_', '-')}`" for name in self.chosen)

    def vary(self, cells: Iterable[Cell], *, strict: bool = True) -> list[Cell]:
        """The cells with every choice; those without a pipeline of the package as they are.

        Args:
            cells: What is to be measured.
            strict: Whether each pipeline must take what is chosen; a sweep says n/a of those that do not.

        Raises:
            InputError: If no cell has such a pipeline, or one does not take what is chosen.
        """
        cells, chosen = list(cells), self.chosen
        if not chosen:
            return cells
        if not any(cell.pipeline in PIPELINES for cell in cells):
            raise InputError(f"{self.options} is for an input pipeline: give `--pipeline {', '.join(PIPELINES)}`")
        varied = []
        for cell in cells:
            ways = itertools.product(*chosen.values()) if cell.pipeline in PIPELINES else [()]
            varied += [replace(cell, **dict(zip(chosen, values, strict=False))) for values in ways]
        reasons = (product.why_not_input(cell.pipeline, cell.input_options) for cell in varied if strict)
        if reason := next(filter(None, reasons), ""):
            raise InputError(f"{reason}. Leave it out, or give another `--pipeline`")
        return list(dict.fromkeys(varied))


def _input_option(name: str, metavar: str, about: str) -> Callable:
    return click.option(
        f"--{name.replace('_', '-')}", type=Several(InputOption(name)), metavar=f"{metavar}[,{metavar}]", help=about
    )


INPUT = (
    _input_option("augment", "on|off", "Flip images and change their saturation at random. [off]"),
    _input_option("ordered", "on|off", "Images in the order of the files, not as they are ready. [off]"),
    _input_option("parallel_calls", "N", "Images decoded at once, or decode workers. [auto: AUTOTUNE, one a core]"),
    _input_option("parallel_reads", "N", "Shards read at once. [auto]"),
    _input_option("prefetch", "N", "Batches made ahead, 0 for none. [auto]"),
)


@dataclass(frozen=True, kw_only=True)
class Swept(InputOptions):
    """Models and pipelines in place of a profile's own, and what is chosen of pipelines."""

    model: tuple[str, ...]
    pipeline: tuple[str, ...]


SWEPT = group(
    "swept",
    Swept,
    list_option("--model", kind=Named("model", list(MODELS)), metavar="NAME[,NAME]",
           help="In place of the profile's models; keras.applications:NAME and your own path/to/file.py:function "
           "among them."),
    list_option("--pipeline", kind=Named("pipeline", list(PIPELINES)), metavar="NAME[,NAME]",
           help="In place of the profile's pipelines, your own among them."),
    *INPUT,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where steps run."""

    device: str
    backend: str

    def fields(self) -> dict[str, Any]:
        """Fields of a cell: device and backend."""
        return {"device": self.best_device(), "backend": self.backend}

    def step_fields(self) -> dict[str, Any]:
        """Fields of a cell with a training step: XLA as well, which JAX always uses."""
        return {**self.fields(), "xla": BACKENDS[self.backend].always_compiled}

    def best_device(self) -> str:
        """The device asked for, or the best that is available; says why a better one was passed over."""
        return devices.best(backend=self.backend, tell=tell) if self.device == "auto" else self.device


DEVICE = click.option("--device", type=Choice([*devices.DEVICES, "auto"]), default="auto", show_default=True,
                      help="`auto`: TPU, then GPU, then CPU.")  # fmt: skip
PLACE = group(
    "place",
    Place,
    DEVICE,
    click.option("--backend", type=Choice(BACKENDS), callback=lambda _, __, asked: backends.choose(asked),
                 help="[KERAS_BACKEND, or the first of them that is installed]"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where steps run that are measured on several backends."""

    device: str
    backend: tuple[str, ...]

    def each(self) -> list[Place]:
        """The place of each backend."""
        return [Place(device=self.device, backend=name) for name in dict.fromkeys(self.backend)]


def _choose_backends(_: click.Context, __: click.Parameter, asked: tuple[str, ...] | None) -> tuple[str, ...]:
    """Several as they are named, for each process is told its own; one as everywhere."""
    return asked if asked and len(asked) > 1 else (backends.choose(asked[0] if asked else None),)


PLACES = group(
    "places",
    Places,
    DEVICE,
    click.option("--backend", type=Several(Choice(BACKENDS)), callback=_choose_backends, metavar="NAME[,NAME]",
                 help=f"{', '.join(BACKENDS)}. [KERAS_BACKEND, or the first of them that is installed]"),
)  # fmt: skip

RESULTS = click.option(
    "--results", type=click.Path(path_type=Path, file_okay=False), default=store.RESULTS, help="The store. [results]"
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where results are kept, and how they are printed."""

    results: Path
    json: bool

    def check_writable(self) -> None:
        """Checks, before anything is measured, that the results can be kept."""
        store.check_writable(self.results)

    def show(self, rows: Iterable[dict], tables: "Iterable[Table]") -> None:
        """Prints one JSON object a row, or draws tables."""
        show(rows, (table.draw for table in tables), json=self.json)


JSON = click.option("--json", is_flag=True, help="Print one JSON object a line, not a table.")
OUTPUT = group("output", Output, RESULTS, JSON)

ROUNDS = click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Fresh processes of each.")
SECONDS = click.option("--seconds", type=TIME, default="3", show_default=True, help="How long each process is timed.")
STEPS_PER_EXECUTION = click.option(
    "--steps-per-execution",
    type=Several(click.IntRange(1, 1000)),
    default="1",
    show_default=True,
    metavar="N[,N]",
    help="Training steps that one call runs, in a loop on the device; n/a on torch.",
)
BUDGET = click.option(
    "--budget",
    type=TIME,
    default="10m",
    show_default=True,
    help="How long it may take, in whole rounds; of the first, what fits.",
)
SHOW_LAST = click.option("--show-last", is_flag=True, help="Measure nothing: show the last comparison again.")
TIMEOUT = click.option("--timeout", type=TIME, default="10m", show_default=True, help="Limit for one process.")
MEMORY_LIMIT = click.option("--memory", type=MEMORY, help="Limit for one process, e.g. 8G. [90 % of what is free]")
FILTERS = click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE[,VALUE]",
    help="Only cells with these values, e.g. model=dense,squeezenet; repeatable.",
)


def collect(results: Iterable[Collected], planned: Planned, *, keep: Path | None = None) -> tuple[list[Collected], int]:
    """Says what is to come and how long that takes, and collects results behind a progress bar within the budget.

    Ctrl-C ends it with those that there are, and so does the end of the budget, in whole rounds.

    Args:
        results: What a campaign gives, one by one.
        planned: What is to come.
        keep: The store to which each is appended as it ends, unless the campaign does that.

    Returns:
        The results, and the exit code: 0, or 130 after Ctrl-C.
    """
    collected: list[Collected] = []
    what, total = planned.what, len(planned.rounds)
    tell(str(planned))
    budget = Budget(planned)
    try:
        with progress.bar(what, total) as advance:
            for result in results:
                if keep:
                    store.append(result, keep)
                collected.append(result)
                advance()
                if not budget.has_time():
                    break
    except KeyboardInterrupt:
        kept = (
            f"after {len(collected)} of {total} {what}; those are kept"
            if collected
            else f"before the first of {total} {what} had ended"
        )
        tell(f"interrupted {kept}")
        tell(entry.how_to_go_on(sys.argv, kept=bool(collected)))
        return collected, entry.INTERRUPTED
    tell_left_out(planned, budget)
    return collected, 0


def tell_left_out(planned: Planned, budget: Budget) -> None:
    """Says what a budget had no time for, if anything, and what brings it."""
    if budget.left_out:
        resumed = sys.argv[1:2] and sys.argv[1] in entry.RESUMED
        advice = f"`{entry.again(sys.argv)}` goes on" if resumed else "A longer one measures more"
        tell(f"{planned.what}: {budget.left_out}. {advice}")


def show(rows: Iterable[dict], draws: "Iterable[Callable[[Console], object]]", *, json: bool) -> None:
    """Prints one JSON object a row, or draws on a rich console."""
    from rich.console import Console

    if json:
        for row in rows:
            click.echo(json_line(row))
        return
    terminal = Console()
    for draw in draws:
        draw(terminal)


def command_line() -> str:
    """The command line of this process, so that it can be run again."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def leave(code: int) -> NoReturn:
    """Ends the command with an exit code."""
    raise click.exceptions.Exit(code)
