"""What both command lines share: how they end, how frameworks are loaded, options as dataclasses, and tables."""

import functools
import io
import json
import math
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from flowers_core import backends
from flowers_core.cli import quiet
from flowers_core.data import storage
from flowers_core.errors import InputError, RunFailed, near
from flowers_core.progress import printable

WRONG_USE, FAILED, INTERRUPTED = 2, 1, 130

RESUMED = ("peers", "scaling", "sweep", "train")
"""Commands that go on with `--resume` where an earlier one was interrupted."""

INSTALL = "Install what is missing: `make bench EXTRAS=[tensorflow]`, `[jax]`, `[torch]`, `[gpu]` or `[tpu]`"

Decorator = Callable[[Callable], Callable]


def enter(command: click.Command) -> None:
    """Runs a command line and exits: 0 done, 1 it failed (disk, network, a lost process), 2 wrong use, 130 Ctrl-C.

    Whatever went wrong is one sentence, never a traceback; a letter that a terminal lacks is printed as `?`. A terminal
    that closes and `kill` end it as Ctrl-C does, so that its children and its temporary folders end with it; folders of
    processes that could not do so are removed.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores one
            signal.signal(number, signal.default_int_handler)
    storage.prune_temporary()
    quiet.imports()
    try:
        code = command.main(standalone_mode=False)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(file=shown)
        tell(shown.getvalue().rstrip("\n"))
        code = error.exit_code
    except (InputError, RunFailed) as error:
        tell(f"error: {error}")
        code = WRONG_USE if isinstance(error, InputError) else FAILED
    except OSError as error:
        tell(f"error: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
        code = FAILED
    except (KeyboardInterrupt, click.Abort):
        tell(f"interrupted; {how_to_go_on(sys.argv)}")
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def how_to_go_on(words: Sequence[str], *, kept: bool = True) -> str:
    """The command that goes on after an interruption, or begins again, and which of the two it does.

    Args:
        words: Those of the command line, the program first.
        kept: Whether there is anything to go on with.
    """
    resumes = kept and words[1:2] and words[1] in RESUMED
    return f"this {'goes on' if resumes else 'begins again'}: {again(words, resume=bool(resumes))}"


def again(words: Sequence[str], *, resume: bool = True) -> str:
    """The command that goes on after an interruption: the same, with `--resume` where the command has it.

    Args:
        words: Those of the command line, the program first.
        resume: Whether to go on where the command can, or to begin again.
    """
    program, *rest = words
    module = Path(program).parent.name if Path(program).name == "__main__.py" else ""
    python = Path(sys.executable)
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    start = [str(shown), "-m", module] if module else [Path(program).name]
    if resume and rest[:1] == ["sweep"]:  # its plan is in the store
        kept = [word for number, word in enumerate(rest) if "--results" in (word, *rest[number - 1 : number])]
        rest = ["sweep", "--resume", *kept, *(word for word in rest if word.startswith("--results="))]
    elif resume and rest and rest[0] in RESUMED and "--resume" not in rest:
        rest = [*rest, "--resume"]
    return shlex.join([*start, *rest])


def load(framework: str) -> None:
    """Imports a framework without its chatter, which TensorFlow 2.21 prints below Python at any log level.

    Raises:
        InputError: If it is not installed, or KERAS_BACKEND names none; its own output is printed then.
    """
    backend = backends.name_from_environment()
    try:
        with quiet.held_back(), _keras_backend(backend):
            import_module(framework)
    except ImportError as error:
        raise InputError(f"{error}. {INSTALL}") from error


@contextmanager
def _keras_backend(name: str) -> Iterator[None]:
    """Names Keras' backend while it is imported: its own choice is TensorFlow, installed or not."""
    before = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = before


class Choice(click.Choice):
    """One of some names; of another one it says which was probably meant."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        """As click says it, with the nearest name."""
        return super().get_invalid_choice_message(value, ctx).removesuffix(".") + (near(value, self.choices) or ".")


class Several(click.ParamType):
    """Values of one type, separated by commas."""

    def __init__(self, kind: click.ParamType):
        self.kind, self.name = kind, kind.name

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple:
        """Reads each value."""
        return tuple(self.kind.convert(part.strip(), param, ctx) for part in str(value).split(","))


def list_option(*names: str, kind: click.ParamType = click.STRING, **settings: Any) -> Decorator:
    """An option that takes several values: by commas, again and again, or both; each counts once.

    Args:
        names: Of the option.
        kind: Type of a value.
        settings: Those of `click.option`.
    """

    def flatten(_: click.Context, __: click.Parameter, given: Sequence[tuple]) -> tuple:
        return tuple(dict.fromkeys(value for values in given for value in values))

    return click.option(*names, multiple=True, type=Several(kind), callback=flatten, **settings)


def json_line(values: object) -> str:
    """Values as one line of JSON that any program reads: numbers that JSON has none of, such as NaN, become null."""
    try:
        return json.dumps(values, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(values), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, list | tuple) else value


class Quantity(click.ParamType):
    """A positive number with a unit, converted to the first unit."""

    def __init__(self, name: str, units: dict[str, float], example: str):
        self.name, self.units, self.example = name, units, example

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Reads the number and multiplies it by its unit."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z%]*)", str(value))
        if not match or match[2] not in self.units or not float(match[1]):
            self.fail(f"expected a {self.name} such as {self.example}. Received: {value!r}", param, ctx)
        return float(match[1]) * self.units[match[2]]


TIME = Quantity("time", {"": 1, "s": 1, "m": 60, "h": 3600}, "90s, 10m or 2h")


def group(name: str, kind: type, *options: Decorator) -> Decorator:
    """Adds options to a command, which receives their values as one dataclass.

    Args:
        name: The parameter under which the command receives it.
        kind: The dataclass; its fields are named as the options, and those without an option have a default.
        options: In the order in which `--help` shows them.
    """
    names = [field.name for field in fields(kind)]

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def call(*args: object, **values: Any) -> object:
            return command(*args, **{name: kind(**{key: values.pop(key) for key in names if key in values})}, **values)

        for option in reversed(options):
            call = option(call)
        return call

    return decorate


def tell(line: str) -> None:
    """Prints a line for the user, on standard error beside what a program reads; it may hold line feeds."""
    click.echo("\n".join(map(printable, line.split("\n"))), err=True)


def say(line: str) -> None:
    """Prints a line of results."""
    click.echo(printable(line))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Prints rows as a table, its first column to the left; without a header where there are no titles.

    Cells are shown as they are, not as Rich's markup, and whole: a table wider than the terminal is not cut.
    """
    from rich import box, console, measure, table, text

    drawing = table.Table(
        box=box.SIMPLE_HEAD,
        title=text.Text(printable(title)) if title else None,
        title_justify="left",
        show_header=bool(titles),
        padding=(0, 1, 0, 0),
    )
    for number, name in enumerate(titles or rows[0]):
        shown = text.Text(printable(name) if titles else "")
        drawing.add_column(shown, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        drawing.add_row(*(text.Text(printable(cell)) for cell in row))
    screen = console.Console()
    needed = measure.Measurement.get(screen, screen.options.update(max_width=100_000), drawing).maximum
    screen.width = max(screen.width, needed)
    screen.print(drawing)
