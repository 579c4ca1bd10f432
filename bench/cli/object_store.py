"""The command that serves an object store of stated latency, and measures reading from it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.input.object_store.campaign import Plan
    from bench.input.object_store.measure import ObjectStoreResult
    from bench.input.object_store.network import Conditions
    from bench.run.data_source import Source


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network to the store."""

    latency: tuple[float, ...]
    round_trips: float
    bandwidth: float | None

    def conditions(self) -> "tuple[Conditions, ...]":
        """Those of each latency."""
        from bench.input.object_store.network import Conditions

        fixed = {"round_trips": self.round_trips, "bytes_per_second": self.bandwidth}
        return tuple(Conditions(latency_seconds=latency, **fixed) for latency in self.latency)


NETWORK = options.group(
    "network",
    Network,
    click.option("--latency", type=options.LATENCIES, default="30ms", show_default=True,
                 help="Latency of a request; several with commas."),
    click.option("--round-trips", default=3.0, show_default=True, type=click.FloatRange(0),
                 help="What a new connection costs, in latencies."),
    click.option("--bandwidth", type=options.BANDWIDTH,
                 help="Limit of all connections together, bytes a second, e.g. 100MB. [no limit]"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Reads:
    """Which pipelines read, and how long."""

    pipeline: tuple[str, ...]
    rounds: int
    budget: float
    seconds: float
    timeout: float

    def plan(self, source: "Source", network: Network) -> "Plan":
        """The processes that measure."""
        from bench.input.object_store import campaign, measure

        return campaign.Plan(
            source=source,
            stores=network.conditions(),
            pipelines=self.pipeline or measure.PIPELINES,
            rounds=self.rounds,
            seconds=self.seconds,
            timeout=self.timeout,
        )


READS = options.group(
    "reads",
    Reads,
    options.list_option(
        "--pipeline",
        kind=options.Choice(list(PIPELINES)),
        metavar="NAME[,NAME]",
        help=f"{', '.join(PIPELINES)}. [one of each kind]",
    ),
    options.ROUNDS,
    options.BUDGET,
    options.SECONDS,
    options.TIMEOUT,
)


@click.command()
@NETWORK
@READS
@click.option("--serve", is_flag=True, help="Only serve, until Ctrl-C: prints what another program needs.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port of the server. [any that is free]")
@click.option("--writable", is_flag=True, help="With --serve: clients may write and delete.")
@click.option("--show-last", is_flag=True, help="Measure nothing: show again what the last call measured.")
@options.DATA
@options.OUTPUT
def object_store(  # noqa: PLR0913 - its options
    network: Network,
    reads: Reads,
    *,
    serve: bool,
    port: int,
    writable: bool,
    show_last: bool,
    data: Data,
    output: Output,
) -> None:
    """Measure reading from an object store of stated latency.

    The store runs on this machine. TensorFlow's own gs:// client reads photos and records from it, in turns with the
    disk.

    Exit code: 0 done, 1 a measurement failed, 2 wrong use, 130 interrupted.

    Example: python -m bench object-store --latency 5ms,30ms,100ms

    Example: python -m bench object-store --latency 30ms --serve
    """
    from bench.input.object_store import campaign, table
    from bench.input.object_store.measure import ObjectStoreResult
    from bench.results import store

    if show_last:
        options.leave(_show(table.latest(store.load(ObjectStoreResult, output.results).results), output))
    source = data.source()
    if serve:
        _serve(source, network.conditions()[0], port=port, writable=writable)
        return
    plan = reads.plan(source, network)
    output.check_writable()
    planned = campaign.planned(plan, output.results, budget_seconds=reads.budget)
    ended, code = options.collect(campaign.run(plan, output.results), planned)
    shown = _show(ended, output) if ended else 0
    options.leave(code or shown)


def _serve(source: "Source", conditions: "Conditions", *, port: int, writable: bool) -> None:
    """Serves until Ctrl-C."""
    from bench.input.object_store import measure

    with measure.open_store(source, conditions, port=port, writable=writable, tell=options.tell) as opened:
        for name, value in opened.environment().items():
            click.echo(f"export {name}={shlex.quote(value)}")
        options.tell(f"serves {', '.join(f'gs://{name}' for name in measure.buckets(source))}; Ctrl-C ends it")
        Event().wait()


def _show(results: "Sequence[ObjectStoreResult]", output: Output) -> int:
    """Prints and keeps the table of the results; gives the exit code."""
    from bench.input.object_store import table
    from bench.results import store

    if not results:
        raise InputError(f"There is no measurement in {output.results}. Leave out --show-last to take some")
    rows = table.rows(results)
    store.save_table("object-store.md", table.markdown(rows, store.option(output.results)), output.results)
    output.show(table.plain(rows), [table.table(rows)])
    return int(any(row.failed for row in rows))


COMMANDS = (object_store,)
