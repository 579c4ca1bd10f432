"""The command that compares loaders. It parses, calls and exits, nothing else."""

import shutil
from pathlib import Path

import click

from bench.cli import options
from flowers_core import progress
from flowers_core.cli import entry
from flowers_core.errors import InputError


@click.command()
@click.option("--job", "jobs", multiple=True, type=click.Choice(["photos", "records"]), help="One of both alone.")
@click.option(
    "--only",
    multiple=True,
    metavar="TEXT",
    help="Only loaders with it in their name, and the ceilings. May be repeated.",
)
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(1), help="Timed blocks of each loader.")
@click.option(
    "--processes",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Of each loader, for some of the blocks each.",
)
@click.option("--seconds", type=options.TIME, default="1", show_default=True, help="How long a block is.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images a batch.")
@click.option("--python", default="", metavar="PATH", help="Interpreter that has the peers' packages. [this one]")
@click.option("--show-last", is_flag=True, help="Measure nothing: show the last comparison again.")
@options.DATA
@options.RESULTS
@options.JSON
def loaders(*, show_last, results, json, **how) -> None:
    """Compares our pipelines with other loaders and with the decode ceiling of this machine, in the first epoch.

    Each loader runs in fresh processes, in interleaved blocks on the same bytes and cores, all others held still.
    Exit code: 0 done, 1 a loader failed (a missing package is n/a), 2 wrong use, 130 interrupted: what ran is kept.

    Example: python -m bench loaders --python ../peers/bin/python
    """  # fmt: skip
    code = 0
    if not show_last:
        try:
            _compare(results=results, **how)
        except KeyboardInterrupt:
            code = entry.INTERRUPTED
    raise click.exceptions.Exit(code or _show(results, json=json))


def _compare(*, jobs, only, photos, records, results, **how) -> None:
    """Runs a comparison and keeps what each loader did."""
    from bench.input.loaders import registry, run
    from bench.results import store
    from bench.run import data_source as sources

    python = how.pop("python")
    effort = run.Effort(**how)
    if python and not shutil.which(python):
        raise InputError(f"`--python` must be an interpreter. Received: {python!r}, which cannot be run")
    source = sources.find(photos=photos, records=records)
    source.found_photos()
    source.manifest()
    chosen = registry.select(jobs, only)
    with progress.bar("blocks", effort.steps(len(chosen))) as advance:
        run.run(
            chosen,
            source,
            effort,
            keep=lambda result: store.append(result, results),
            advance=advance,
            python=str(Path(shutil.which(python)).absolute()) if python else "",
        )


def _show(results, *, json: bool) -> int:
    """Prints and keeps the last comparison of a store; gives the exit code."""
    from bench.input.loaders import table
    from bench.input.loaders.result import LoaderResult
    from bench.results import store

    rows = table.rows(store.load(LoaderResult, results).results)
    if not rows:
        raise InputError(f"{results} holds no comparison of loaders. Leave out --show-last to run one")
    store.save_table("loaders.md", table.markdown(rows), results)
    options.show_rows(map(table.plain, rows), table.show, rows, json=json)
    return int(any(row.result.status == "error" for row in rows))
