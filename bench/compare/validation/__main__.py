"""`python -m bench.compare.validation`: tests the verdicts themselves, on pairs whose truth is known."""

from pathlib import Path

import click

from bench.compare.inject import KINDS
from bench.compare.pair_result import PairResult
from bench.results import store
from flowers_core.cli import entry

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=store.RESULTS,
    help="The store. [results]",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Tests the verdicts of `compare` on injected slowdowns and identical pairs.

    `record` runs such pairs; `report` says how often our rule, asv's rule and pooled tests are right about them.
    """


@cli.command()
@click.option("--minutes", required=True, type=click.FloatRange(0, min_open=True), help="How long to record.")
@click.option(
    "--load",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.95),
    help="Share of a core that a background load takes meanwhile, in bursts.",
)
@entry.list_option(
    "--inject",
    "kinds",
    kind=entry.Choice(KINDS[1:]),
    metavar="KIND[,KIND]",
    help=f"Only these slowdowns of {', '.join(KINDS[1:])}, beside identical pairs. [all]",
)
@click.option("--photos", default="", help="Folder of photos. [FLOWERS_PHOTOS]")
@click.option("--records", default="", help="Folder of records. [FLOWERS_RECORDS]")
@RESULTS
def record(*, minutes: float, load: float, kinds: tuple[str, ...], photos: str, records: str, results: Path) -> None:
    """Records pairs of processes with injected slowdowns, and identical pairs.

    Example: python -m bench.compare.validation record --minutes 40 --load 0.5
    """
    from bench.compare.validation import record as recording
    from bench.run import data_source, sweep

    source = data_source.find(photos=photos, records=records)
    sweep.check(recording.CELLS, source)
    recording.record(results, source, seconds=60 * minutes, load_share=load, kinds=kinds)


@cli.command()
@click.option("--json", is_flag=True, help="Print one JSON object instead of a table.")
@RESULTS
def report(*, json: bool, results: Path) -> None:
    """Says how often each rule is right, from all pairs of the store; writes tables/validation.md there.

    Example: python -m bench.compare.validation report --results results/reference
    """
    from rich.console import Console

    from bench.compare.validation import error_rates, table

    validation = error_rates.validate(store.load(PairResult, results).results)
    store.save_table("validation.md", table.markdown(validation), results)
    if json:
        click.echo(entry.json_line(validation.to_json()))
    else:
        table.show(validation, Console())


if __name__ == "__main__":
    entry.enter(cli)
