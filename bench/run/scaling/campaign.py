"""A model on one replica and on several, in turns and in fresh processes; each result is stored as it ends."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import lcm
from pathlib import Path
from typing import Any

from bench.machine import facts
from bench.machine.cpu_time import ForeignLoad
from bench.results import store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.run import product
from bench.run.data_source import CLASSES, Source
from bench.run.durations import Durations, Planned, alike
from bench.run.process import Died
from bench.run.product import InputError
from bench.run.scaling import processes
from bench.run.scaling.member import Job
from bench.run.scaling.processes import Host, Limits, LocalHost, LocalMember, Lost, Member
from bench.run.scaling.result import STRONG, WEAK, ScalingResult
from bench.run.timing import Effort

CHECKED_IMAGES = 8  # of the batch whose losses are compared, at least


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to train.

    Attributes:
        cells: Model and backend each; their batch is that of a replica where scaling is weak, else the global one.
        replicas: Numbers of replicas of a worker to try.
        workers: Numbers of training workers to try.
        scaling: `weak` or `strong`.
        rounds: Fresh groups of processes for each.
        effort: How long steps are timed.
        check: Whether losses are compared.
        limits: How long to wait.
        source: What a pipeline reads, and where a user's own models and loaders are found.
    """

    cells: tuple[Cell, ...]
    replicas: tuple[int, ...] = (1, 2)
    workers: tuple[int, ...] = (1,)
    scaling: str = WEAK
    rounds: int = 3
    effort: Effort = field(default_factory=Effort)
    check: bool = True
    limits: Limits = field(default_factory=Limits)
    source: Source = field(default_factory=Source)

    def __post_init__(self):
        for name in ("replicas", "workers"):
            numbers = getattr(self, name)
            if not numbers or min(numbers) < 1:
                raise InputError(f"`{name}` must be numbers from 1. Received: {name}={numbers}")
        for cell in self.cells:
            for workers, replicas in self.shapes:
                product.check_batch(self.global_batch(cell, workers * replicas), workers * replicas)

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Workers and replicas of each; one replica of one worker is always among them, which others are held against.

        Its step is the plain one, without what keeps replicas alike.
        """
        pairs = {(workers, replicas) for workers in self.workers for replicas in self.replicas}
        return sorted({(1, 1), *pairs}, key=lambda pair: (pair[0] * pair[1], pair[0]))

    @property
    def checked_batch(self) -> int:
        """A small batch that all numbers of replicas can split."""
        least = lcm(*(workers * replicas for workers, replicas in self.shapes))
        return least * -(-CHECKED_IMAGES // least)

    def global_batch(self, cell: Cell, total: int) -> int:
        """The batch of all replicas together."""
        return cell.batch_size * (1 if self.scaling == STRONG else total)

    def schedule(self) -> list[tuple[int, Cell, int, int]]:
        """Round, cell, workers and replicas of each group, in turns: a drift of the machine hits all alike."""
        return [(number, cell, *shape) for number in range(self.rounds) for cell in self.cells for shape in self.shapes]

    def pending(self, earlier: Sequence[ScalingResult]) -> list[tuple[int, Cell, int, int]]:
        """What is left of the schedule when some groups have ended well, or could not be had."""
        done = {
            (result.round, result.cell, result.workers, result.replicas)
            for result in earlier
            if result.status in ("ok", "n/a") and result.scaling == self.scaling
        }
        return [entry for entry in self.schedule() if (entry[0], self.cell(*entry[1:]), *entry[2:]) not in done]

    def cell(self, cell: Cell, workers: int, replicas: int) -> Cell:
        """A cell with the global batch of a group."""
        return replace(cell, batch_size=self.global_batch(cell, workers * replicas))


def unfinished(plan: Plan, results: Path) -> tuple[ScalingResult, ...]:
    """The results of the last campaign of a store, to go on with.

    Raises:
        InputError: If there is none, or the code has changed since.
    """
    stored = store.load(ScalingResult, results).results
    if not stored:
        raise InputError("There is no campaign to resume in this store: start it without `--resume`")
    last = max(result.campaign for result in stored)
    earlier = tuple(result for result in stored if result.campaign == last)
    if any(result.code.get("digest") != facts.code_digest() for result in earlier):
        raise InputError("`flowers_core` has changed since the campaign was interrupted: start it without `--resume`")
    if plan.pending(earlier) == plan.schedule():
        raise InputError("The last campaign measured other models or replicas: start this one without `--resume`")
    return earlier


def planned(
    plan: Plan, results: Path, earlier: Sequence[ScalingResult] = (), *, budget_seconds: float | None = None
) -> Planned:
    """The groups that are left of a plan, and how long they should take: by others like them, or by single steps.

    Args:
        plan: What to train.
        results: The store.
        earlier: Results of the same campaign, which are not measured again.
        budget_seconds: How long it may take.
    """
    known = Durations(store.load(Measurement, results).results)
    known.note_campaigns(
        store.load(ScalingResult, results).results,
        lambda group: [_alike(group.cell, group.workers, group.replicas, group.round)],
    )
    pending = [
        (number, plan.cell(cell, workers, replicas), workers, replicas)
        for number, cell, workers, replicas in plan.pending(earlier)
    ]
    # Of single steps only those of the same batch: on stand-ins a group takes as long as its images.
    keys = [[_alike(cell, workers, replicas, number), *alike(cell)[:2]] for number, cell, workers, replicas in pending]
    return Planned(
        what="groups of processes",
        rounds=[number for number, *_ in pending],
        seconds=known.total(keys),
        budget_seconds=budget_seconds,
    )


def _alike(cell: Cell, workers: int, replicas: int, number: int) -> tuple:
    """What groups that take about as long have in common; those of the first round compare losses as well."""
    return cell, workers, replicas, number == 0


def run(
    plan: Plan, results: Path, *, hosts: Sequence[Host] = (), earlier: Sequence[ScalingResult] = ()
) -> Iterator[ScalingResult]:
    """Trains all that is planned; gives each result when it is stored, and ends with the first that lost a worker.

    Args:
        plan: What to train.
        results: The store.
        hosts: Of the workers; stand-ins of this machine unless given.
        earlier: Results of the same campaign, which are not measured again.
    """
    campaign = earlier[0].campaign if earlier else datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number, cell, workers, replicas in plan.pending(earlier):
        result = ScalingResult(
            campaign=campaign,
            cell=plan.cell(cell, workers, replicas),
            scaling=plan.scaling,
            workers=workers,
            replicas=replicas,
            round=number,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=facts.fingerprint(),
            code=facts.code(),
        )
        chosen = hosts[:workers] or [LocalHost(sharing=workers) for _ in range(workers)]
        shared = processes.is_shared(chosen, device=cell.device, replicas=replicas)
        result = replace(result, shares_cores=shared)
        lost = ""
        try:
            result = measure(result, chosen, plan)
        except (Lost, Died) as error:  # a host may be lost before its processes start
            lost = str(error)
            result = replace(result, status="crash", reason=lost)
        store.append(result, results)
        yield result
        if lost:
            return


def measure(result: ScalingResult, hosts: Sequence[Host], plan: Plan) -> ScalingResult:
    """Times a group's steps and, in the first round, takes the losses of another group of fresh processes.

    Raises:
        Lost: If a process dies or is silent.
    """
    timed = train(result, hosts, plan, check=False)
    if timed.status != "ok" or not plan.check or result.round:
        return timed
    checked = replace(result, cell=replace(result.cell, batch_size=plan.checked_batch))
    losses = train(checked, hosts, plan, check=True)
    if losses.status != "ok":
        return replace(timed, status=losses.status, reason=losses.reason)
    return replace(timed, losses=losses.losses, checked_batch=plan.checked_batch)


def train(result: ScalingResult, hosts: Sequence[Host], plan: Plan, *, check: bool) -> ScalingResult:
    """Runs a group of fresh processes and fills in what it gave.

    Raises:
        Lost: If a process dies or is silent.
    """
    with ExitStack() as stack:
        members: list[Member] = []
        for host, jobs in zip(hosts, make_jobs(result, hosts, plan, check=check), strict=True):
            stack.callback(host.end)
            members += host.start(jobs, [member_name(host, job.rank, result) for job in jobs])
        load = ForeignLoad(*(member.child.pid for member in members if isinstance(member, LocalMember)))
        answer = processes.outcome(members, plan.limits, at_timing=load.start)
        found: dict[str, Any] = {} if check else {"foreign_cpu_share": load.share()}
    for name, value in answer.items():
        found[name] = tuple(value) if isinstance(value, list) else value
    return replace(result, **found)


def make_jobs(result: ScalingResult, hosts: Sequence[Host], plan: Plan, *, check: bool) -> list[list[Job]]:
    """The jobs of each host's processes: one for all replicas of a worker, or one for each."""
    each = result.replicas if product.backends()[result.cell.backend].process_per_replica else 1
    addresses = tuple(f"{host.address}:{port}" for host in hosts for port in host.free_ports(each))
    classes = plan.source.classes([result.cell]) if result.cell.reads else CLASSES
    first = count_before(hosts, result.replicas) if result.cell.device != "cpu" else [0] * len(hosts)
    return [
        [
            Job(
                cell=result.cell,
                addresses=addresses,
                rank=worker * each + number,
                replicas=result.replicas // each,
                first_device=first[worker] + number * (result.replicas // each),
                meet_seconds=plan.limits.timeout_seconds,
                effort=plan.effort,
                check=check,
                source=plan.source,
                classes=classes,
            )
            for number in range(each)
        ]
        for worker in range(len(hosts))
    ]


def count_before(hosts: Sequence[Host], replicas: int) -> list[int]:
    """How many accelerators of its machine the workers before each one use."""
    return [
        replicas * sum(other.address == host.address for other in hosts[:number]) for number, host in enumerate(hosts)
    ]


def member_name(host: Host, rank: int, result: ScalingResult) -> str:
    """What a process is called: worker 1 of 2, or on one host replica 1 of 2, counted from 0."""
    if result.total == 1:
        return "the process that trains"
    each = result.replicas if product.backends()[result.cell.backend].process_per_replica else 1
    if result.workers == 1:
        return f"replica {rank} of {result.replicas}"
    worker = f"worker {rank // each} of {result.workers}{f' at {host.name}' if host.name else ''}"
    return f"replica {rank % each} of {worker}" if each > 1 else worker
