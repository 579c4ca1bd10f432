"""The command line of the harness: sweep, table, report, publish, and the commands of the other modules."""

from functools import partial
from itertools import chain
from pathlib import Path

import click

from bench.cli import (
    accelerator,
    checkpoint,
    compare,
    data_service,
    formats,
    loaders,
    machine,
    object_store,
    options,
    peers,
    scaling,
    stall,
    trace,
    training,
    tune,
    write,
)
from bench.cli.options import Data, Output, Places, Swept
from bench.cli.trace import MEASURING, Measuring
from bench.results import summary_table
from bench.results.result import Kind, of_last_campaign
from bench.results.table import Table, markdown_text, say
from flowers_core.cli import entry
from flowers_core.data import storage
from flowers_core.errors import InputError

MOST_FINDINGS = 3  # that `report` prints; the page has all
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Measures input pipelines and training steps on this machine, and answers questions about the results.

    Example: python -m bench measure --model squeezenet --batch-size 32
    """


@cli.command()
@click.option(
    "--profile",
    default="quick",
    show_default=True,
    metavar="NAME",
    help="`quick`: every pipeline and model once, a few minutes. `full`: batch sizes, precisions, XLA, inference, and "
    "models fed by pipelines. `accelerator`: six models in two batches, bfloat16 and float32.",
)
@options.SWEPT
@options.STEPS_PER_EXECUTION
@options.FILTERS
@click.option("--budget", type=options.TIME, help="Stop in time, e.g. 10m: cells that would not fit are left out.")
@click.option("--resume", is_flag=True, help="Go on with the last sweep; options other than limits are ignored.")
@click.option("--dry-run", is_flag=True, help="Print the cells and how long they should take.")
@options.DATA
@options.PLACES
@MEASURING
@options.OUTPUT
def sweep(  # noqa: PLR0913 - its options
    profile: str,
    swept: Swept,
    steps_per_execution: tuple[int, ...],
    filters: tuple[str, ...],
    budget: float | None,
    resume: bool,
    dry_run: bool,
    data: Data,
    places: Places,
    measuring: Measuring,
    output: Output,
) -> None:
    """Measure the cells of a profile, one fresh process each.

    Each result is stored the moment its process ends.

    Exit code: 0 done, 1 a cell failed, 2 wrong use, 3 nothing could be measured.

    Example: python -m bench sweep --profile full --filter model=squeezenet --budget 10m

    Example: python -m bench sweep --profile full --backend tensorflow,jax,torch

    Example: python -m bench sweep --profile full --model path/to/file.py:build --pipeline records_parallel

    Example: python -m bench sweep --filter model=none --augment off,on --prefetch 0,1,4,auto
    """
    from bench.run import matrix, sweep_progress
    from bench.run import sweep as sweeps

    if resume:
        planned = sweeps.resume(output.results)
    else:
        chosen = {"model_names": swept.model, "pipeline_names": swept.pipeline}
        cells = matrix.in_turn([matrix.profile(profile, **chosen, **place.fields()) for place in places.each()])
        cells = matrix.with_steps(swept.vary(cells, strict=False), steps_per_execution)
        cells = matrix.filter_cells(cells, list(filters))
        planned = measuring.sweep(sweeps.fit_batches(cells, data.source(), tell=options.tell), data)
    if dry_run:
        sweep_progress.print_plan(planned, output.results, as_json=output.json)
        return
    sweeps.check(planned.cells, planned.source, tell=options.tell)
    output.check_writable()
    with storage.exclusive(output.results / "measurements", "sweep"):
        if not resume:
            planned = sweeps.start(planned, output.results)
        measuring.run(planned, output, budget=budget)


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Of other machines and other code as well.")
@click.option(
    "--format",
    "shape",
    type=options.Choice(summary_table.SHAPES),
    default="terminal",
    show_default=True,
    help="`bencher` and `github-action-benchmark` are what those services read.",
)
@click.option("--backends", is_flag=True, help="Only which backend trains each model fastest, and by how much.")
@options.RESULTS
def table(everything: bool, shape: str, backends: bool, results: Path) -> None:
    """Print the stored figures of this machine and this code.

    In the terminal and as Markdown those of `write` and `checkpoint` as well.

    Example: python -m bench table --format csv > figures.csv

    Example: python -m bench table --backends --format markdown > backends.md
    """
    if backends:
        click.echo(summary_table.text(results, everything=everything, shape=shape, backends=True), nl=False)
        return
    further = _further_tables(results, everything=everything) if shape in ("terminal", "markdown") else []
    try:
        click.echo(summary_table.text(results, everything=everything, shape=shape), nl=False)
    except InputError:
        if not further:
            raise
    if shape == "markdown":
        text = "".join(f"\n{markdown_text(origin)}\n\n{shown.markdown()}" for shown, origin in further)
        click.echo(text, nl=False)
    elif further:
        draws = ((shown.draw, partial(say, text=origin, style="dim")) for shown, origin in further)
        options.show([], chain.from_iterable(draws), json=False)


def _further_tables(results: Path, *, everything: bool) -> list[tuple[Table, str]]:
    """Tables of the last commands that measured something else than cells, each with its origin."""
    from bench.input.writing import table as writing_table
    from bench.input.writing.result import WriteResult
    from bench.results import store, summary
    from bench.training import checkpoint_table
    from bench.training.checkpoint import CheckpointResult

    def choose(kind: type[Kind]) -> list[Kind]:
        stored = store.load(kind, results).results
        return list(stored if everything else summary.current(stored))

    writes = of_last_campaign(choose(WriteResult))
    checkpoints = of_last_campaign(choose(CheckpointResult))
    return [
        *((table, writes[0].origin) for table in writing_table.tables(writes)),
        *((table, checkpoints[0].origin) for table in checkpoint_table.tables(checkpoints)),
    ]


@cli.command()
@click.argument("base", required=False, type=click.Path(exists=True, path_type=Path))
@click.argument("candidate", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--markdown", is_flag=True, help="Print the key findings and the tables for a pull request instead.")
@options.RESULTS
def report(base: Path | None, candidate: Path | None, markdown: bool, results: Path) -> None:
    """Write the page: one HTML file that needs no network.

    It is results/html/index.html. Of two stored sets, files or folders, it is results/html/two-sets.html: what differs
    in their environments, both times with their ratio, and what mixed precision gains on each side.

    Example: python -m bench report

    Example: python -m bench report laptop.jsonl server.jsonl
    """
    if base and candidate:
        _report_two(base, candidate, markdown, results)
        return
    if base:
        raise click.UsageError(f"Give two stored sets, or none for the page of the store. Received: only {base}.")
    from bench.report import page

    if markdown:
        click.echo(page.markdown(results))
        return
    path, answer = page.write_and_answer(results)
    for finding in answer[:MOST_FINDINGS]:
        entry.say(finding)
    entry.say(f"page: {path}")


def _report_two(base: Path, candidate: Path, markdown: bool, results: Path) -> None:
    """Reports two stored sets beside each other."""
    from bench.report import two_sets

    sets = two_sets.gather(base, candidate)
    if markdown:
        click.echo(two_sets.markdown(sets))
    else:
        entry.say(f"page: {two_sets.write(sets, results)}")


@cli.command()
@options.RESULTS
def publish(results: Path) -> None:
    """Build asv's own page so that it needs no network.

    As `asv publish` does, with all that its page would load put beside it: it opens from the disk, without a server.
    Each commit is linked to where it can be seen, if the remote `origin` is on the web or asv.conf.json says
    `show_commit_url`.

    Example: python -m bench publish
    """
    from bench.report import asv_page

    entry.say(f"asv's page: {asv_page.publish(results).resolve().as_uri()}")


for module in (
    trace,
    accelerator,
    compare,
    machine,
    stall,
    training,
    tune,
    peers,
    checkpoint,
    formats,
    write,
    loaders,
    data_service,
    object_store,
    scaling,
):
    for command in module.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Runs the command line."""
    entry.enter(cli)
