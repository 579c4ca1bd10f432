"""Commands on tf.data service, the input pipeline past one host: data-service, data-service serve."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.input.data_service.campaign import Plan

RECORDS = [name for name, pipeline in PIPELINES.items() if pipeline.reads == "records" and pipeline.distributable]
PORTS = {"dispatcher": 5050, "worker": 5051}


class Count(click.ParamType):
    """A whole number from 1."""

    name = "number"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Reads the number."""
        if not str(value).isdecimal() or not int(str(value)):
            self.fail(f"expected numbers from 1, such as 1,2. Received: {value!r}", param, ctx)
        return int(str(value))


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Over which workers pipelines are spread, and how each is measured."""

    workers: tuple[int, ...]
    dispatcher: str
    pipeline: tuple[str, ...]
    batch_size: int
    rounds: int
    budget: float
    seconds: float

    def plan(self, data: Data) -> "Plan":
        """The processes that measure."""
        from bench.input.data_service import campaign

        source = data.source()
        source.manifest()
        return campaign.Plan(
            source=source,
            workers=self.workers,
            dispatcher=self.dispatcher,
            pipelines=self.pipeline or campaign.FEW,
            batch_size=self.batch_size,
            rounds=self.rounds,
            seconds=self.seconds,
        )


SPREAD = options.group(
    "spread",
    Spread,
    click.option("--workers", type=options.Several(Count()), default="1,2", show_default=True, metavar="N[,N]",
                 help="Numbers to try."),
    click.option("--dispatcher", default="", metavar="ADDRESS", help="A service that runs already, grpc://host:port."),
    options.list_option("--pipeline", kind=options.Choice(RECORDS), metavar="NAME[,NAME]",
                   help=f"{', '.join(RECORDS)}. [parallel, uint8]"),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1)),
    options.ROUNDS,
    options.BUDGET,
    options.SECONDS,
)  # fmt: skip


@click.group(invoke_without_command=True)
@SPREAD
@options.DATA
@options.OUTPUT
@click.pass_context
def data_service(context: click.Context, spread: Spread, data: Data, output: Output) -> None:
    """Measure a pipeline spread over tf.data service workers.

    Images/s, and whether epochs are whole. Each number of workers takes its turn beside the same pipeline without a
    service.

    Exit code: 0 done, 1 something failed or an epoch was not whole, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench data-service --workers 1,2
    """
    if context.invoked_subcommand:
        return
    from bench.input.data_service import campaign, table
    from bench.results import store

    plan = spread.plan(data)
    output.check_writable()
    planned = campaign.planned(plan, output.results, budget_seconds=spread.budget)
    ended, code = options.collect(campaign.run(plan, output.results), planned)
    if not ended:
        options.leave(code)
    store.save_table("data-service.md", table.markdown(ended, store.option(output.results)), output.results)
    output.show((result.to_json() for result in ended), table.tables(ended))
    options.leave(code or table.exit_code(ended))


@data_service.command()
@click.argument("role", type=options.Choice(list(PORTS)))
@click.option("--bind", metavar="HOST:PORT", help="Where others reach it. [127.0.0.1, port 5050 or 5051]")
@click.option("--dispatcher", default="", metavar="ADDRESS", help="Of a worker: its dispatcher, grpc://host:port.")
@options.list_option(
    "--worker",
    "workers",
    metavar="HOST:PORT[,HOST:PORT]",
    help="Of a dispatcher: the workers to come, which static sharding needs.",
)
def serve(role: str, bind: str | None, dispatcher: str, workers: tuple[str, ...]) -> None:
    """Run a dispatcher or a worker until Ctrl-C.

    It answers only what is sent to the address it is bound to, but has no authentication: use it on a network of
    your own. A worker must see the records under the same path as the host that trains.

    Example: python -m bench data-service serve dispatcher --bind 10.0.0.2:5050

    Example: python -m bench data-service serve worker --bind 10.0.0.3:5051 --dispatcher grpc://10.0.0.2:5050
    """
    from bench.input.data_service import server

    if role == "worker" and not dispatcher:
        raise InputError("A worker needs `--dispatcher`, an address such as grpc://10.0.0.2:5050. Received: none")
    bind = bind or f"{server.LOCAL}:{PORTS[role]}"
    entry.load("tensorflow")
    running = server.start(role, bind, dispatcher=dispatcher, workers=workers)
    options.tell(f"{role} at {bind}; Ctrl-C ends it")
    server.wait(running)


COMMANDS = (data_service,)
