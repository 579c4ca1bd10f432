"""Words of the lab that race: peers. They parse, call and exit, nothing else."""

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
    "--only", multiple=True, metavar="WORD", help="Only lanes with it in their name, beside the limits; again."
)
@click.option("--ingredients", is_flag=True, help="Race the limit with one thing done otherwise each, not loaders.")
@click.option("--rounds", default=9, show_default=True, type=click.IntRange(1), help="Turns of each lane.")
@click.option(
    "--processes",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Of each lane, for some of the turns each.",
)
@click.option("--seconds", type=options.TIME, default="1", show_default=True, help="How long a turn is.")
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Images a batch.")
@click.option("--python", default="", metavar="PATH", help="Interpreter that has the peers' packages. [this one]")
@click.option("--show-last", is_flag=True, help="Race nothing: show the last race again.")
@options.DATA
@options.RESULTS
@options.JSON
def loaders(*, show_last, results, json, **how) -> None:
    """Races our pipelines against other loaders and against what the machine could do at most, first epoch.

    Each lane is a fresh process, anew after some turns; they take turns on the same bytes and cores, all others held
    still meanwhile.
    Exit code: 0 done, 1 some lane failed (a missing package is n/a), 2 wrong use, 130 interrupted: what ran is kept.

    Example: python -m bench loaders --python ../peers/bin/python

    Example: python -m bench loaders --ingredients
    """  # fmt: skip
    code = 0
    if not show_last:
        try:
            _race(results=results, **how)
        except KeyboardInterrupt:
            code = entry.INTERRUPTED
    raise click.exceptions.Exit(code or _show(results, json=json))


def _race(*, jobs, only, ingredients, photos, records, results, **how) -> None:
    """Runs a race and keeps what each lane did."""
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
    chosen = registry.chosen(jobs, only, ingredients=ingredients)
    with progress.bar("turns", effort.calls(len(chosen))) as advance:
        run.run(
            chosen,
            source,
            effort,
            keep=lambda turns: store.append(turns, results),
            advance=advance,
            python=str(Path(shutil.which(python)).absolute()) if python else "",
        )


def _show(results, *, json: bool) -> int:
    """Prints and keeps the last race of a store; gives the exit code."""
    from bench.input.loaders import table
    from bench.input.loaders.result import LoaderResult
    from bench.results import store

    rows = table.rows(store.load(LoaderResult, results).results)
    if not rows:
        raise InputError(f"There is no race in {results}. Leave out --show-last, and one is run")
    name = "ingredients.md" if any(row.lane.side == "ingredient" for row in rows) else "loaders.md"
    store.save_table(name, table.markdown(rows), results)
    options.show_rows(map(table.plain, rows), table.show, rows, json=json)
    return int(any(row.turns.status == "error" for row in rows))
