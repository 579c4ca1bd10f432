"""Commands on what a device can do at most: peak, batch, accelerator-check."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options, trace
from bench.cli.options import Data, Output, Place, Places
from bench.cli.trace import CellOptions
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import DONE, FAILED, NOTHING_MEASURED
from flowers_core import backends, progress
from flowers_core.cli import entry

if TYPE_CHECKING:
    from bench.run.batch_search import BatchSearch


@click.command()
@options.PLACES
@click.option("--seconds", type=options.TIME, default="5", show_default=True, help="For each limit, at most.")
@options.OUTPUT
def peak(places: Places, seconds: float, output: Output) -> None:
    """Measure the peak rates of this machine: matmul, memory.

    Matrix products in each number format, and copies within the device's memory. Tables and page hold the arithmetic of
    each model against them: model FLOP utilisation, and whether memory or arithmetic is the limit (roofline).

    Exit code: 0 done, 2 wrong use, 3 no device to measure on.

    Example: python -m bench peak

    Example: python -m bench peak --device gpu --backend jax,torch
    """
    from bench.results import store
    from bench.run import durations, product
    from bench.run import peak as peaks

    output.check_writable()
    chosen = places.each()
    for place in chosen:
        backends.check_installed(place.backend)
    limits = len(chosen) * (len(product.FORMATS) + 1)
    what = f"{limits} limits of {len(chosen)} backend{'s' * (len(chosen) > 1)}"
    options.tell(durations.forecast(what, limits * seconds, by="or less, and what starting takes"))
    measured = []
    for place in progress.track(chosen, "backends", len(chosen)):
        measured.append(peaks.measure(**place.fields(), seconds=seconds))
        store.append(measured[-1], output.results)
    if output.json:
        for result in measured:
            click.echo(options.json_line(result.to_json()))
    else:
        for result in measured:
            entry.say(f"{result.backend} on {result.device}{f': n/a: {result.reason}' if result.reason else ''}")
            for name, limit in result.limits.items():
                entry.say(
                    f"  {name}: {limit['value']:,.1f} [{limit['low']:,.1f}, {limit['high']:,.1f}] {limit['unit']}"
                )
    options.leave(DONE if any(result.limits for result in measured) else NOTHING_MEASURED)


@click.command()
@trace.CELL
@click.option("--most", default=4096, show_default=True, type=click.IntRange(1), help="The largest batch to try.")
@options.DATA
@options.PLACE
@click.option("--seconds", type=options.TIME, default="1", show_default=True, help="How long each batch is timed.")
@options.TIMEOUT
@options.MEMORY_LIMIT
@options.OUTPUT
def batch(  # noqa: PLR0913 - its options
    chosen: CellOptions,
    most: int,
    data: Data,
    place: Place,
    seconds: float,
    timeout: float,
    memory: float | None,
    output: Output,
) -> None:
    """Find the largest batch that fits, and a fast small one.

    The search begins with --batch-size, doubles until a batch runs out of memory, and bisects to a sixteenth; each
    batch is tried in a fresh process and stored as a measurement. Of the batches tried the smallest within 3 % of the
    best images/s is named. On a CPU, where memory is not the device's own, --memory sets the limit.

    Exit code: 0 found, 1 no batch fits or the step failed, 2 wrong use, 3 not to be measured here, 130 interrupted:
    what is known so far is kept.

    Example: python -m bench batch --model squeezenet --device gpu --precision mixed_bfloat16

    Example: python -m bench batch --model dense_single --batch-size 8 --memory 2G
    """
    from bench.results import store
    from bench.run import batch_search, durations, sweep
    from bench.run.measure import Job
    from bench.run.process import spawn
    from bench.run.timing import Effort

    cell, source = chosen.cell(place), data.source()
    sweep.check([cell], source, tell=options.tell)
    output.check_writable()
    limit = int(memory) if memory else None
    effort, classes = Effort(seconds=seconds, least_steps=3), source.classes([cell])

    def measure(tried: Cell) -> Measurement:
        done = spawn(
            Job(cell=tried, effort=effort, source=source, classes=classes), timeout=timeout, memory_bytes=limit
        )
        store.append(done, output.results)
        return done

    tries = batch_search.most_tries(cell.batch_size, most)
    options.tell(durations.forecast(f"at most {tries} batches, a fresh process each"))
    code, tried, found = _search(batch_search.run(cell, most=most, measure=measure, memory_bytes=limit), cell, most)
    if found:
        store.append(found, output.results)
        output.show([found.to_json()], [batch_search.table(tried, found)])
        code = code or {"ok": DONE, "n/a": NOTHING_MEASURED}.get(found.status, FAILED)
    options.leave(code)


def _search(
    results: "Iterable[Measurement | BatchSearch]", cell: Cell, most: int
) -> "tuple[int, list[Measurement], BatchSearch | None]":
    """Follows a search behind a bar; gives the exit code so far, what was tried, and the result."""
    from bench.run import batch_search

    tried: list[Measurement] = []
    found = None
    try:
        with progress.bar("batches", batch_search.most_tries(cell.batch_size, most)) as advance:
            for result in results:
                if isinstance(result, Measurement):
                    tried.append(result)
                    advance()
                else:
                    found = result
    except KeyboardInterrupt:
        again = entry.how_to_go_on(sys.argv)
        options.tell(f"interrupted after {len(tried)} batches; what they say is kept; {again}")
        return entry.INTERRUPTED, tried, found
    return 0, tried, found


@click.command("accelerator-check")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--records", default="data/synthetic-192", show_default=True, help="Records of 192 pixels.")
@click.option("--python", "versions", default=f"{sys.version_info.major}.{sys.version_info.minor}", show_default=True,
              metavar="VERSION[,VERSION]", help="Versions of Python that the machine may have.")  # fmt: skip
def accelerator_check(folder: Path, records: str, versions: str) -> None:
    """Prepare a folder that checks an accelerator offline.

    It holds a script, wheels of this package and of what it needs beside torch and JAX, and records: 60 MiB at most.
    On a machine with Python, torch or JAX and no network the script measures, in 8 minutes: peak rates, training steps
    of six models, the stall of real loaders, a trace, the largest batch, a training, other libraries' models. It leaves
    tables, and store and logs as an archive.

    Example: python -m bench accelerator-check data/check --records data/synthetic-192 --python 3.12
    """
    from bench.run import accelerator_folder

    names = versions.split(",")
    entry.tell(f"wheels for Python {', '.join(names)} by pip, which takes what the network does, then {records}")
    held = accelerator_folder.prepare(folder, records, names)
    entry.say(f"{folder}: {held / 2**20:.0f} MiB. There: python3 {folder}/accelerator_check.py --output results")


COMMANDS = (peak, batch, accelerator_check)
