"""Words of the lab: measure, trace, sweep, table, report, and those of other rooms. They parse and call."""

import click

from bench.cli import compare, data_service, loaders, object_store, options, stall, training
from bench.cli import trace as tracing
from flowers_core.cli import entry

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """Measures input pipelines and training steps on this machine, and reads what was measured.

    Example: python -m bench measure --model squeezenet --batch-size 32
    """


MEASURING = options.together(
    options.DATA,
    options.PLACE,
    click.option("--rounds", default=1, show_default=True, type=click.IntRange(1), help="Fresh processes a cell."),
    click.option("--seconds", type=options.TIME, default="3", show_default=True,
                 help="How long each process times steps."),
    click.option("--timeout", type=options.TIME, default="10m", show_default=True, help="Limit for one process."),
    click.option("--trace", is_flag=True, help="Then take a profiler trace of further steps."),
    click.option("--memory", type=options.MEMORY, help="Limit for one process, e.g. 8G. [90 % of what is free]"),
    options.RESULTS,
    options.JSON,
)  # fmt: skip


@cli.command()
@tracing.CELL
@MEASURING
def measure(**how) -> None:
    """Measures one cell in fresh processes, stores it and prints it.

    Example: python -m bench measure --model squeezenet --batch-size 32 --precision mixed_bfloat16
    """  # fmt: skip
    cell = tracing.cell(**{name: how.pop(name) for name in tracing.FIELDS})
    _run([cell], budget=None, resumable=False, **how)


@cli.command()
@click.option("--diff", nargs=2, metavar="A B", help="Two traces side by side, by path or below results/traces.")
@tracing.CELL
@MEASURING
def trace(*, diff, **how) -> None:
    """Measures one cell, then traces some further steps; without a model it lists the traces there are.

    XProf reads the trace at once: its step time stands beside ours, with waiting for input and the longest operations.

    Example: python -m bench trace --model squeezenet --batch-size 8

    Example: python -m bench trace --diff CELL/TIME CELL/TIME
    """  # fmt: skip
    if diff:
        tracing.show_difference(diff, how["results"])
    elif how["model"] is None:
        tracing.show_all(how["results"])
    else:
        cell = tracing.cell(**{name: how.pop(name) for name in tracing.FIELDS})
        _run([cell], budget=None, resumable=False, **{**how, "trace": True})


@cli.command()
@click.option(
    "--profile",
    default="quick",
    show_default=True,
    metavar="NAME",
    help="`quick`: every pipeline and model once, a few minutes. `full`: batch sizes, precisions, XLA, "
    "inference, real feeding.",
)
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE[,VALUE]",
    help="Only cells with these values; may be given again. E.g. model=dense,squeezenet",
)
@click.option("--budget", type=options.TIME, help="Stop in time, e.g. 10m: cells that would not fit are left out.")
@click.option("--resume", is_flag=True, help="Go on with the last sweep; other options than limits do not count.")
@click.option("--dry-run", is_flag=True, help="Print the cells and how long they should take.")
@MEASURING
def sweep(*, profile, filters, device, backend, **how) -> None:
    """Measures the cells of a profile, a fresh process each; each is stored the moment it ends.

    Exit code: 0 done, 1 some cell failed, 2 wrong use, 3 nothing measured.

    Example: python -m bench sweep --profile full --filter model=squeezenet --budget 10m
    """  # fmt: skip
    from bench.run import matrix

    place = {"device": options.device(device, backend), "backend": backend}
    _run(matrix.pick(matrix.profile(profile, **place), list(filters)), **how)


def _run(cells, *, results, json, resume=False, dry_run=False, resumable=True, **how) -> None:
    """Runs cells and exits with the code that says how they went."""
    from bench.run import data_source as sources
    from bench.run import sweep as sweeps
    from bench.run import sweep_progress
    from bench.run.timing import Effort

    if resume:
        planned = sweeps.resume(results)
    else:
        source = sources.find(photos=how["photos"], records=how["records"])
        effort = Effort(seconds=how["seconds"])
        planned = sweeps.Sweep(
            cells=tuple(cells), rounds=how["rounds"], effort=effort, source=source, traced=how["trace"]
        )
    if dry_run:
        sweep_progress.print_plan(planned, results)
        return
    sweeps.check(planned.cells, planned.source)
    if resumable and not resume:
        planned = sweeps.start(planned, results)
    limits = sweeps.Limits(budget_seconds=how["budget"], timeout_seconds=how["timeout"], memory_bytes=how["memory"])
    click.get_current_context().exit(sweep_progress.run(planned, results, limits=limits, as_json=json))


@cli.command()
@click.option("--all", "everything", is_flag=True, help="Also of other machines and other code.")
@click.option(
    "--format",
    "shape",
    type=click.Choice(["terminal", "markdown", "csv", "json"]),
    default="terminal",
    show_default=True,
)
@options.RESULTS
def table(*, everything, shape, results) -> None:
    """Prints what the store holds of this machine and this code.

    Example: python -m bench table --format csv > figures.csv
    """  # fmt: skip
    from bench.results import report as reports

    click.echo(reports.table_text(results, everything=everything, shape=shape), nl=False)


@cli.command()
@click.option("--markdown", is_flag=True, help="Print the answer and the tables for a pull request instead.")
@options.RESULTS
def report(markdown, results) -> None:
    """Writes the page, results/html/index.html: one file that needs no network.

    Example: python -m bench report
    """
    from bench.report import page

    click.echo(page.markdown(results) if markdown else f"page: {page.write(results)}")


@cli.command()
@options.RESULTS
@options.JSON
def peak(results, json) -> None:
    """Measures what this machine could do at most: matrix products in each precision, copies of memory.

    The page holds the arithmetic of each model against them.

    Example: python -m bench peak
    """
    import json as json_text

    from bench.results import store
    from bench.run import peak as peaks

    found = peaks.measure()
    store.append(found, results)
    if json:
        click.echo(json_text.dumps(found.to_json()))
        return
    for name, one in found.limits.items():
        click.echo(f"{name}: {one['value']:,.1f} [{one['low']:,.1f}, {one['high']:,.1f}] {one['unit']}")


@cli.command()
@options.RESULTS
def publish(results) -> None:
    """Writes asv's own page as `asv publish` does, and puts beside it what it would load: it needs no network then.

    Example: python -m bench publish
    """
    from bench.report import asv_page

    click.echo(f"asv's page: {asv_page.publish(results)}")


COMMANDS = (
    training.accuracy,
    loaders.loaders,
    data_service.data_service,
    object_store.object_store,
    tracing.tensorboard,
)
for command in (*compare.COMMANDS, *stall.COMMANDS, *COMMANDS):
    cli.add_command(command)


def main() -> None:
    """Runs the command line."""
    entry.enter(cli)
