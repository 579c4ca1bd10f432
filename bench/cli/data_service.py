"""Words of the lab past one host: service, serve. They parse, call and exit, nothing else."""

import click

from bench.cli import options
from flowers_core import progress
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES

RECORDS = [name for name, pipeline in PIPELINES.items() if pipeline.reads == "records" and pipeline.distributable]


class Numbers(click.ParamType):
    """`1,2,4`."""

    name = "numbers"

    def convert(self, value, param, ctx):
        """Gives whole numbers from 1."""
        parts = str(value).split(",")
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"expected numbers from 1, such as 1,2. Received: {value!r}", param, ctx)
        return tuple(map(int, parts))


@click.group(invoke_without_command=True)
@click.option("--workers", type=Numbers(), default="1,2", show_default=True, metavar="N[,N]", help="Numbers to try.")
@click.option("--dispatcher", default="", metavar="ADDRESS", help="A service that runs already, grpc://host:port.")
@click.option(
    "--pipeline", "named", multiple=True, type=click.Choice(RECORDS), help="May be given again. [parallel, uint8]"
)
@click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Fresh processes of each.")
@click.option("--seconds", type=options.TIME, default="3", show_default=True, help="How long each is timed.")
@options.DATA
@options.RESULTS
@options.JSON
@click.pass_context
def data_service(context, *, named, photos, records, results, json, **how) -> None:
    """Spreads the records pipeline over workers of tf.data service: images/s, and whether epochs are equal.

    Each number of workers takes its turn beside the same pipeline without a service.
    Exit code: 0 done, 1 something failed or an epoch was not whole, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench data-service --workers 1,2
    """
    if context.invoked_subcommand:
        return
    from bench.input.data_service import campaign
    from bench.run import data_source as sources

    source = sources.find(photos=photos, records=records)
    source.manifest()
    plan = campaign.Plan(records=source.records, pipelines=named or campaign.FEW, **how)
    found, code = [], 0
    try:
        found.extend(progress.track(campaign.run(plan, results), "pipelines read", campaign.count(plan)))
    except KeyboardInterrupt:
        code = entry.INTERRUPTED
        options.tell(f"interrupted after {len(found)} of {campaign.count(plan)}")
    shown = _show(found, results, json=json) if found else 0
    raise click.exceptions.Exit(code or shown)


def _show(found, results, *, json: bool) -> int:
    """Prints and keeps what was drawn; gives the exit code."""
    from bench.input.data_service import table
    from bench.results import store

    store.save_table("data-service.md", table.markdown(found), results)
    options.show_rows((one.to_json() for one in found), table.show, found, json=json)
    return table.exit_code(found)


@data_service.command()
@click.argument("role", type=click.Choice(["dispatcher", "worker"]))
@click.option("--bind", metavar="HOST:PORT", help="Where others reach it. [127.0.0.1, port 5050 or 5051]")
@click.option("--dispatcher", default="", metavar="ADDRESS", help="Of a worker: its dispatcher, grpc://host:port.")
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="HOST:PORT",
    help="Of a dispatcher: a worker to come, which static sharding needs; may be given again.",
)
def serve(*, role, bind, dispatcher, workers) -> None:
    """Runs a dispatcher or a worker of tf.data service until Ctrl-C, on any host.

    It answers only what is sent to the address it is bound to, but asks nobody for a password: in a network of yours
    alone. A worker must see the records under the same path as the host that trains.

    Example: python -m bench data-service serve dispatcher --bind 10.0.0.2:5050

    Example: python -m bench data-service serve worker --bind 10.0.0.3:5051 --dispatcher grpc://10.0.0.2:5050
    """
    from bench.input.data_service import server

    if role == "worker" and not dispatcher:
        raise InputError("A worker needs `--dispatcher`, an address such as grpc://10.0.0.2:5050. Received: none")
    bind = bind or f"{server.LOCAL}:{5051 if role == 'worker' else 5050}"
    entry.load("tensorflow")
    running = server.start(role, bind, dispatcher=dispatcher, workers=workers)
    options.tell(f"{role} at {bind}; Ctrl-C ends it")
    server.wait(running)
