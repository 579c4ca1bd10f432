"""Scaling over replicas and hosts: scaling."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, Output, Places
from bench.results.cell import RESIDENT
from bench.run.scaling.result import SCALING, WEAK
from flowers_core import connection, user_code
from flowers_core.backends import replicas as groups
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.input.registry import PIPELINES
from flowers_core.models import MODELS

if TYPE_CHECKING:
    from bench.run.scaling.campaign import Plan
    from bench.run.scaling.processes import Host
    from bench.run.scaling.result import ScalingResult

INTERRUPTED = "The coordinator was interrupted"
COUNTS = entry.Several(click.IntRange(1))


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """What is trained, over how many replicas and workers, and how it is measured."""

    model: tuple[str, ...]
    pipeline: str
    replicas: tuple[int, ...]
    workers: tuple[int, ...]
    scaling: str
    batch_size: int
    image_size: int
    precision: str
    rounds: int
    budget: float
    seconds: float
    check: bool
    timeout: float
    lost_after: float

    def plan(self, places: Places, data: Data) -> "Plan":
        """The groups of processes to start.

        Raises:
            InputError: If a backend or data are missing, or a user's model or loader does not fit.
        """
        from bench.results.cell import Cell
        from bench.run import sweep
        from bench.run.scaling.campaign import Limits, Plan
        from bench.run.timing import Effort

        if peers := [name for name in self.model if user_code.peer(name)]:
            raise InputError(
                f"Models of other libraries are measured on one device (`bench measure`). Received: {peers[0]}"
            )
        shape = {"batch_size": self.batch_size, "image_size": self.image_size, "precision": self.precision}
        shape["pipeline"] = self.pipeline
        cells = tuple(
            Cell(model=model, **place.step_fields(), **shape) for model in self.model for place in places.each()
        )
        source = data.source()
        sweep.check(cells, source, tell=entry.tell)
        return Plan(
            cells=cells,
            source=source,
            replicas=tuple(sorted(set(self.replicas))),
            workers=tuple(sorted(set(self.workers))),
            scaling=self.scaling,
            rounds=self.rounds,
            effort=Effort(seconds=self.seconds),
            check=self.check,
            limits=Limits(timeout_seconds=self.timeout, lost_seconds=self.lost_after),
        )


SCALED = options.group(
    "scaled",
    Scaled,
    options.list_option("--model", kind=options.Named("model", list(MODELS)), default=["convnet_gap"],
                   show_default=True, metavar="NAME[,NAME]",
                   help="Your own path/to/file.py:function among them; on several hosts each under the same path."),
    click.option("--pipeline", type=options.Named("pipeline", [*PIPELINES, RESIDENT]), default=RESIDENT, metavar="NAME",
                 show_default=True,
                 help="What feeds each process its share of a batch, your own path/to/file.py:function among them; "
                 f"or `{RESIDENT}`, one batch of noise."),
    click.option("--replicas", type=COUNTS, default="1,2", show_default=True, metavar="N[,N]",
                 help="Numbers of replicas on each worker."),
    click.option("--workers", type=COUNTS, default="1", show_default=True, metavar="N[,N]",
                 help="Numbers of training workers, each of which is a host, or a process that stands for one."),
    click.option("--scaling", type=options.Choice(list(SCALING)), default=WEAK, show_default=True,
                 help="; ".join(f"`{name}`: {meaning}" for name, meaning in SCALING.items()) + "."),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1),
                 help="Of a replica where scaling is weak, of all together where it is strong."),
    click.option("--image-size", default=192, show_default=True, type=click.IntRange(1)),
    click.option("--precision", type=options.Choice(PRECISIONS), default="float32", show_default=True),
    options.ROUNDS,
    options.BUDGET,
    options.SECONDS,
    click.option("--check/--no-check", default=True, show_default=True,
                 help="Whether losses after three steps are held against those of one replica."),
    options.TIMEOUT,
    click.option("--lost-after", type=options.TIME, default="30s", show_default=True,
                 help="A worker without a sign of life for so long is lost, which ends the run."),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where training workers of several hosts meet, and which of them this is."""

    coordinator: str
    rank: int | None
    meet: float

    def place(self, plan: "Plan") -> tuple[tuple[str, int], int] | None:
        """The coordinator's address and the rank of this worker, by options or TF_CONFIG; None on one host.

        Raises:
            InputError: If they are malformed, or name another number of workers than the plan.
        """
        config, most = os.environ.get("TF_CONFIG", ""), max(plan.workers)
        if not self.coordinator and config:
            addresses, rank = groups.parse_tf_config(config)
            if len(addresses) != most:
                raise InputError(
                    f"`--workers` must end at the number of workers in TF_CONFIG, {len(addresses)}. Received: {most}"
                )
            return groups.parse_address(addresses[0], "TF_CONFIG"), rank
        if not self.coordinator:
            if self.rank is not None:
                raise InputError(f"`--rank` needs `--coordinator`, where all workers meet. Received: {self.rank} alone")
            return None
        if self.rank is None or self.rank >= most:
            raise InputError(
                f"`--rank` must be from 0 to {most - 1}, for `--workers` names {most} at most. Received: {self.rank}"
            )
        return groups.parse_address(self.coordinator, "--coordinator"), self.rank


MEETING = options.group(
    "meeting",
    Meeting,
    click.option("--coordinator", default="", metavar="HOST:PORT",
                 help="Of the first worker, where those of several hosts meet. [TF_CONFIG; none: all on this host]"),
    click.option("--rank", type=click.IntRange(0), help="Which worker this is, from 0, the coordinator. [TF_CONFIG]"),
    click.option("--meet", type=options.TIME, default="60s", show_default=True, help="How long they wait to meet."),
)  # fmt: skip


@click.command()
@SCALED
@MEETING
@options.DATA
@options.PLACES
@click.option("--resume", is_flag=True, help="Go on with the last campaign: what it has measured is kept.")
@options.OUTPUT
def scaling(scaled: Scaled, meeting: Meeting, data: Data, places: Places, resume: bool, output: Output) -> None:
    """Measure how training scales over replicas and hosts.

    Images/s of all replicas together, efficiency, and whether losses stay those of one replica. Replicas are GPUs or
    TPU cores where there are any; on a CPU stand-ins take the same path and share its cores.

    With `--pipeline` each process is fed its share of a batch; else all train on one resident batch of noise.

    Several hosts run the same command, each with its `--rank`: docs/scale.md has recipes for Kubernetes and Slurm.

    Exit code: 0 done, 1 a worker was lost or losses differ, 2 wrong use, 130 interrupted: what ended is kept.

    Example: python -m bench scaling --model squeezenet --replicas 1,2 --backend tensorflow,jax,torch --budget 1h

    Example: python -m bench scaling --replicas 1 --workers 1,2,4 --backend jax

    Example: python -m bench scaling --workers 1,2 --coordinator 10.0.0.2:5070 --rank 0
    """
    from bench.run.scaling import campaign, hosts

    plan = scaled.plan(places, data)
    place = meeting.place(plan)
    if place and place[1]:
        hosts.serve(connection.Line(connection.connect(place[0], seconds=meeting.meet)), place[1], scaled.lost_after)
        return
    output.check_writable()
    earlier = campaign.unfinished(plan, output.results) if resume else ()
    if not place:
        code, _ = _run(plan, scaled.budget, output, earlier, ())
        options.leave(code)
    workers = max(plan.workers)
    with connection.listen(place[0], "--coordinator", seconds=meeting.meet) as server:
        entry.tell(f"waiting for {workers - 1} workers at {place[0][0]}:{place[0][1]}")
        others = hosts.gather(server, workers, plan.limits, tell=entry.tell, seconds=meeting.meet)
    reason = INTERRUPTED
    try:
        code, reason = _run(plan, scaled.budget, output, earlier, (hosts.first(place[0][0]), *others))
    finally:
        hosts.dismiss(others, reason)
    options.leave(code)


def _run(
    plan: "Plan", budget: float, output: Output, earlier: "Sequence[ScalingResult]", hosts: "Sequence[Host]"
) -> tuple[int, str]:
    """Measures what is left of a plan within the budget, and shows it with what was there.

    Returns:
        The exit code, and why other hosts have failed with this one; empty where they have not.
    """
    from bench.results import store
    from bench.run.scaling import campaign, table

    running = campaign.run(plan, output.results, hosts=hosts, earlier=earlier)
    ended, code = options.collect(running, campaign.planned(plan, output.results, earlier, budget_seconds=budget))
    shown = table.last([*earlier, *ended])
    reason = INTERRUPTED if code else ""
    if not shown:
        return code, reason
    store.save_table("scaling.md", table.markdown(shown, store.option(output.results)), output.results)
    output.show((result.to_json() for result in ended), table.tables(shown))
    lost = next((result.reason for result in ended if result.status == "crash"), "")
    if lost:
        entry.tell(f"error: {lost}. What ended before is kept; `{entry.again(sys.argv)}` goes on")
    return code or table.exit_code(shown), lost or reason


COMMANDS = (scaling,)
