"""The word store: an object store on this machine, served to any program or measured from. It parses and calls."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import click

from bench.cli import options
from flowers_core import progress
from flowers_core.cli import entry
from flowers_core.errors import InputError, one_of
from flowers_core.input.registry import PIPELINES


@click.command()
@click.option(
    "--latency",
    "latencies",
    type=options.LATENCIES,
    default="30ms",
    show_default=True,
    help="Of a request; several with commas.",
)
@click.option(
    "--round-trips",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0),
    help="What a new connection costs, in latencies.",
)
@click.option("--bandwidth", type=options.BANDWIDTH, help="Of all together, bytes a second, e.g. 100MB. [no limit]")
@click.option("--pipeline", "piped", multiple=True, metavar="NAME", help="May be given again. [one of each kind]")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Fresh processes a row.")
@click.option("--seconds", type=options.TIME, default="3", show_default=True, help="How long each is timed.")
@click.option("--timeout", type=options.TIME, default="10m", show_default=True, help="Limit for one process.")
@click.option("--serve", is_flag=True, help="Only serve, until Ctrl-C: prints what another program needs.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the server. [any that is free]")
@click.option("--show-last", is_flag=True, help="Measure nothing: show again what the last call measured.")
@options.DATA
@options.RESULTS
@options.JSON
def object_store(  # noqa: PLR0913 - its options
    *, latencies, round_trips, bandwidth, photos, records, results, json, serve, port, show_last, **asked
) -> None:
    """Reads photos and records from an object store of stated latency on this machine, and from the disk, in turns.

    TensorFlow's own gs:// client reads it. Exit code: 0 done, 1 some reading failed, 2 wrong use, 130 interrupted.

    Example: python -m bench object-store --latency 5ms,30ms,100ms

    Example: python -m bench object-store --latency 30ms --serve
    """  # fmt: skip
    from bench.input.object_store.network import Conditions
    from bench.run import data_source as sources

    if show_last:
        raise click.exceptions.Exit(_show(_last(results), results, json=json))
    source = sources.find(photos=photos, records=records)
    far = [Conditions(latency_seconds=one, round_trips=round_trips, bytes_per_second=bandwidth) for one in latencies]
    if serve:
        _serve(source, far[0], port)
        return
    asked["piped"] = _checked(asked["piped"], source)
    campaign, code = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"), 0
    total = len(asked["piped"]) * (1 + len(far)) * asked["rounds"]
    try:
        for _ in progress.track(_readings(source, far, campaign, results, **asked), "readings", total):
            pass
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
    done = _of(campaign, results)
    if code:
        options.tell(f"interrupted after {len(done)} of {total} readings")
    shown = _show(done, results, json=json) if done else 0
    raise click.exceptions.Exit(code or shown)


def _checked(piped, source) -> tuple[str, ...]:
    """Pipelines to read by, checked before the first process starts."""
    from bench.input.object_store import measure

    for name in piped:
        one_of("pipeline", name, PIPELINES)
    chosen = tuple(piped) or measure.PIPELINES
    for reads in dict.fromkeys(PIPELINES[name].reads for name in chosen):
        source.describe(reads)
    return chosen


def _readings(source, far, campaign: str, results: Path, *, piped, rounds: int, **how) -> Iterator:
    """Takes readings, the disk beside each store; the order turns round each time. Each is stored as it ends."""
    from bench.input.object_store import measure
    from bench.results import store as ledger
    from bench.run.timing import Effort

    with measure.open_store(source, far[0]) as opened:
        for number in range(rounds):
            places = [None, *far] if number % 2 == 0 else [*reversed(far), None]
            for pipeline, place in ((pipeline, place) for pipeline in piped for place in places):
                opened.traffic.conditions = place or far[0]
                done = measure.take(
                    measure.cell(pipeline),
                    source,
                    store=opened if place else None,
                    effort=Effort(seconds=how["seconds"]),
                    timeout=how["timeout"],
                )
                ledger.append(replace(done, campaign=campaign, round=number), results)
                yield done


def _of(campaign: str, results: Path) -> list:
    from bench.input.object_store.measure import Reading
    from bench.results import store as ledger

    return [one for one in ledger.load(Reading, results).results if one.campaign == campaign]


def _last(results: Path) -> list:
    from bench.input.object_store import table
    from bench.input.object_store.measure import Reading
    from bench.results import store as ledger

    return table.latest(ledger.load(Reading, results).results)


def _serve(source, conditions, port: int) -> None:
    """Serves until Ctrl-C."""
    from bench.input.object_store import measure

    with measure.open_store(source, conditions, port=port, tell=options.tell) as opened:
        for name, value in opened.environment().items():
            click.echo(f"export {name}={shlex.quote(value)}")
        options.tell(f"serves {', '.join(f'gs://{name}' for name in measure.buckets(source))}; Ctrl-C ends it")
        Event().wait()


def _show(readings, results: Path, *, json: bool) -> int:
    """Prints and keeps what readings came to; gives the exit code."""
    from bench.input.object_store import table
    from bench.results import store as ledger

    if not readings:
        raise InputError(f"There is no reading in {results}. Leave out --show-last, and some are made")
    found = table.far(readings)
    ledger.save_table("object-store.md", table.markdown(found), results)
    options.show_rows(table.plain(found), table.show, found, json=json)
    return int(any(one.failed for one in found))
