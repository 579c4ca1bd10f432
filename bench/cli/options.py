"""Options that several words of the lab share, and how they read quantities."""

import json as json_text
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from bench.results import store
from bench.results.cell import BACKENDS
from flowers_core.backends import devices


class Quantity(click.ParamType):
    """A number above 0 with a unit, as a number of the first unit."""

    def __init__(self, name: str, units: dict[str, float], example: str):
        self.name, self.units, self.example = name, units, example

    def convert(self, value, param, ctx):
        """Gives a float."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-zA-Z%]*)", str(value))
        if not found or found[2] not in self.units or not float(found[1]):
            self.fail(f"expected a {self.name} such as {self.example}. Received: {value!r}", param, ctx)
        return float(found[1]) * self.units[found[2]]


class Several(click.ParamType):
    """Some quantities with commas between them."""

    def __init__(self, one: Quantity):
        self.one, self.name = one, one.name

    def convert(self, value, param, ctx):
        """Gives a tuple of floats."""
        return tuple(self.one.convert(part.strip(), param, ctx) for part in str(value).split(","))


TIME = Quantity("time", {"": 1, "s": 1, "m": 60, "h": 3600}, "90s, 10m or 2h")
MEMORY = Quantity("memory", {"M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}, "500M or 8G")
LATENCIES = Several(Quantity("latency", {"ms": 1e-3, "s": 1}, "30ms, or 5ms,30ms,100ms"))
BANDWIDTH = Quantity("bandwidth", {"M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}, "100MB or 1G, bytes a second")
PERCENT = Quantity("share", {"": 0.01, "%": 0.01}, "3% or 3")

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=store.RESULTS,
    help="The store. [results]",
)
JSON = click.option("--json", is_flag=True, help="Print one JSON object a line instead of a table.")


def together(*options):
    """Several options as one decorator, shown by `--help` in this order."""

    def decorate(function):
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


DATA = together(
    click.option("--photos", default="", help="Folder of photos. [FLOWERS_PHOTOS, or data/synthetic]"),
    click.option("--records", default="", help="Folder of records. [FLOWERS_RECORDS, or data/synthetic-192]"),
)

PLACE = together(
    click.option("--device", type=click.Choice([*devices.DEVICES, "auto"]), default="auto", show_default=True,
                 help="`auto`: TPU, then GPU, then CPU."),
    click.option("--backend", type=click.Choice(BACKENDS), envvar="KERAS_BACKEND", default="tensorflow",
                 show_default=True, help="Also by KERAS_BACKEND."),
)  # fmt: skip


def device(asked: str, backend: str) -> str:
    """The device asked for, or the best there is; says why a better one was passed over."""
    return devices.best(backend=backend, tell=tell) if asked == "auto" else asked


def show_rows(rows: Iterable[dict], show: Callable, found, *, json: bool) -> None:
    """Prints one JSON object a row, or draws what was found, by `show`, on a rich console."""
    from rich.console import Console

    if not json:
        show(found, Console())
        return
    for row in rows:
        click.echo(json_text.dumps(row))


def tell(line: str) -> None:
    """Says a line to the user, beside what a program reads."""
    click.echo(line, err=True)
