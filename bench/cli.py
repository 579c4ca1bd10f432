"""Words of the lab: measure, sweep, table, report. `main` parses and calls, nothing else."""

import re
from pathlib import Path

import click

from bench.lab.cell import BACKENDS, MODES, NO_MODEL, RESIDENT
from bench.lab.machine import HOUSE
from flowers_core import devices, door, models, pipelines
from flowers_core.precision import PRECISIONS

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Measures input pipelines and training steps on this machine, and reads what was measured.

    Example: python -m bench measure --model squeezenet --batch-size 32
    """


class Span(click.ParamType):
    """Seconds, as `90`, `90s`, `10m` or `2h`."""

    name = "time"

    def convert(self, value, param, ctx):
        """Gives seconds as float."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if not found or not float(found[1]):
            self.fail(f"expected a time such as 90s, 10m or 2h. Received: {value!r}", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


class Memory(click.ParamType):
    """Bytes, as `500M` or `8G`."""

    name = "memory"

    def convert(self, value, param, ctx):
        """Gives bytes as int."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG])B?", str(value))
        if not found:
            self.fail(f"expected a size such as 500M or 8G. Received: {value!r}", param, ctx)
        return int(float(found[1]) * {"K": 1e3, "M": 1e6, "G": 1e9}[found[2]])


def _options(*decorators):
    """Several options as one decorator."""

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=HOUSE / "results",
    help="The store. [results]",
)
JSON = click.option("--json", is_flag=True, help="Print one JSON object a line instead of a table.")
MEASURING = _options(
    click.option("--photos", default="", help="Folder of photos. [FLOWERS_PHOTOS, or data/garden]"),
    click.option("--records", default="", help="Folder of records. [FLOWERS_RECORDS, or data/garden-192]"),
    click.option("--device", type=click.Choice([*devices.DEVICES, "auto"]), default="auto", show_default=True,
                 help="`auto`: TPU, then GPU, then CPU."),
    click.option("--rounds", default=1, show_default=True, type=click.IntRange(1), help="Fresh processes a cell."),
    click.option("--seconds", default=3.0, show_default=True, type=click.FloatRange(0.1),
                 help="How long each process times steps."),
    click.option("--timeout", type=Span(), default="10m", show_default=True, help="Limit for one process."),
    click.option("--memory", type=Memory(), help="Limit for one process, e.g. 8G. [90 % of what is free]"),
    RESULTS,
    JSON,
)  # fmt: skip


def _device(asked: str, backend: str) -> str:
    return devices.best(backend=backend) if asked == "auto" else asked


@cli.command()
@click.option(
    "--model",
    type=click.Choice([*models.NAMES, NO_MODEL]),
    required=True,
    metavar="NAME",
    help=f"{', '.join(models.NAMES)}; or `{NO_MODEL}` for the pipeline alone.",
)
@click.option(
    "--pipeline",
    type=click.Choice([*pipelines.NAMES, RESIDENT]),
    default=RESIDENT,
    metavar="NAME",
    help=f"{', '.join(pipelines.NAMES)}; or `{RESIDENT}`, one batch of noise kept on the device.",
    show_default=True,
)
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Over all replicas.")
@click.option("--image-size", type=click.IntRange(1), help="Side in pixels. [what the model was designed for]")
@click.option("--mode", type=click.Choice(MODES), default="train", show_default=True)
@click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    envvar="KERAS_BACKEND",
    default="tensorflow",
    show_default=True,
    help="Also by KERAS_BACKEND.",
)
@click.option("--xla", type=click.Choice(["on", "off"]), help="[off; on JAX always on]")
@MEASURING
def measure(*, model, image_size, backend, xla, device, pipeline, batch_size, mode, precision, **how) -> None:  # noqa: PLR0913 - the fields of a cell
    """Measures one cell in a fresh process, stores it and prints it.

    Example: python -m bench measure --model squeezenet --batch-size 32 --precision mixed_bfloat16
    """
    from bench.lab.cell import Cell

    cell = Cell(
        model=model, pipeline=pipeline, batch_size=batch_size, mode=mode, precision=precision, backend=backend,
        image_size=image_size or (models.image_size(model) if model != NO_MODEL else 192),
        device=_device(device, backend), xla=backend == "jax" if xla is None else xla == "on",
    )  # fmt: skip
    _run([cell], resume=False, budget=None, **how)


@cli.command()
@click.option(
    "--profile",
    default="quick",
    show_default=True,
    metavar="NAME",
    help="`quick`: every pipeline and model "
    "once, a few minutes. `full`: batch sizes, precisions, XLA, inference, real feeding.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE[,VALUE]",
    help="Only cells with these values; may be given again. E.g. model=dense,squeezenet",
)
@click.option("--budget", type=Span(), help="Stop in time, e.g. 10m: cells that would not fit are left out.")
@click.option("--resume", is_flag=True, help="Go on with the last sweep; other options than limits do not count.")
@click.option("--dry-run", is_flag=True, help="Print the cells and how long they should take.")
@MEASURING
def sweep(*, profile, filters, dry_run, device, **how) -> None:
    """Measures the cells of a profile, a fresh process each; each is stored the moment it ends.

    Exit code: 0 done, 1 some cell failed, 2 wrong use, 3 nothing measured.

    Example: python -m bench sweep --profile full --filter model=squeezenet --budget 10m
    """
    from bench.lab import matrix
    from bench.ledger import watch

    cells = matrix.pick(matrix.profile(profile, device=_device(device, "tensorflow")), list(filters))
    if dry_run:
        watch.print_plan(cells, rounds=how["rounds"], results=how["results"])
    else:
        _run(cells, **how)


def _run(cells, *, resume, results, json, **how) -> None:
    """Runs cells and exits with the code that says how they went."""
    from bench.lab import source as sources
    from bench.lab.clock import Effort
    from bench.ledger import sweep as sweeps
    from bench.ledger import watch

    if resume:
        planned = sweeps.resume(results)
    else:
        source = sources.find(photos=how["photos"], records=how["records"])
        sweeps.check_source(cells, source)
        effort = Effort(seconds=how["seconds"])
        planned = sweeps.new(cells, rounds=how["rounds"], effort=effort, source=source, results=results)
    limits = sweeps.Limits(budget_seconds=how["budget"], timeout_seconds=how["timeout"], memory_bytes=how["memory"])
    click.get_current_context().exit(watch.run(planned, results, limits=limits, as_json=json))


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Also of other machines and other code.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["terminal", "markdown", "csv", "json"]),
    default="terminal",
    show_default=True,
)
@RESULTS
def table(*, everything, shape, results) -> None:
    """Prints what the store holds of this machine and this code.

    Example: python -m bench table --format csv > figures.csv
    """
    from bench.ledger import report as reports

    click.echo(reports.table_text(results, everything=everything, shape=shape), nl=False)


@cli.command()
@RESULTS
def report(results) -> None:
    """Writes the page, results/html/index.html: one file that needs no network.

    Example: python -m bench report
    """
    from bench.ledger import report as reports

    click.echo(f"page: {reports.page(results)}")


def main() -> None:
    """Runs the command line."""
    door.enter(cli)
