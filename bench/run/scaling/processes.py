"""Starts the processes of a group, and watches all of them at once: who is lost is named, and the others are ended."""

import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from bench.machine.own import resources
from bench.results.format import duration
from bench.run import process
from bench.run.process import ChildProcess, Died
from bench.run.product import RunFailed
from bench.run.scaling.member import Job

LOOK_SECONDS = 0.1
SECOND_LOOK_SECONDS = 3.0  # how long others may take to die of the same cause
COMMAND = [sys.executable, "-m", "bench.run.scaling.member"]


class Member(Protocol):
    """The parent's end of a process of the group, here or on another host."""

    name: str

    def next_answer(self, seconds: float) -> dict | None:
        """What it says next, None where it says nothing for so long.

        Raises:
            Died: If it, or its host, is lost.
        """


class Host(Protocol):
    """Where processes of a group run."""

    name: str
    address: str

    def free_ports(self, count: int) -> list[int]:
        """Ports on which nobody listens."""

    def start(self, jobs: Sequence[Job], names: Sequence[str]) -> Sequence[Member]:
        """Starts a process for each job."""

    def end(self) -> None:
        """Ends what was started."""


class Lost(RunFailed):
    """A process of a group is gone or silent; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long to wait.

    Attributes:
        timeout_seconds: For all that a group does.
        lost_seconds: For a sign of life of one of its processes, which gives one a second.
    """

    timeout_seconds: float = 600.0
    lost_seconds: float = 30.0


class LocalMember:
    """A process of this machine."""

    def __init__(self, name: str, child: ChildProcess):
        self.name, self.child = f"{name} (process {child.pid})", child

    def next_answer(self, seconds: float) -> dict | None:
        """See `Member.next_answer`."""
        try:
            return self.child.answer(timeout=seconds)
        except Died as died:
            if died.status == "timeout":
                return None
            raise


class LocalHost:
    """This machine, or on it the stand-in for a host of a group."""

    def __init__(self, address: str = "127.0.0.1", *, name: str = "", sharing: int = 1):
        """Names it.

        Args:
            address: By which the others reach it.
            name: What it is, for messages.
            sharing: How many hosts of the group this machine stands for, who share its cores.
        """
        self.address, self.name, self._sharing = address, name, sharing
        self._stack = ExitStack()

    def free_ports(self, count: int) -> list[int]:
        """Ports of this machine on which nobody listens."""
        return free_ports(self.address, count)

    def start(self, jobs: Sequence[Job], names: Sequence[str]) -> list[LocalMember]:
        """Starts a process for each job; they share the cores evenly."""
        folder = Path(self._stack.enter_context(process.scratch()))
        members = []
        for number, (job, name) in enumerate(zip(jobs, names, strict=True)):
            place = folder / str(number)
            place.mkdir()
            env = environment(job, processes=len(jobs) * self._sharing)
            child = self._stack.enter_context(ChildProcess(COMMAND, place, name=name, env=env))
            child.tell(job.to_json())
            members.append(LocalMember(name, child))
        return members

    def end(self) -> None:
        """Ends the processes."""
        self._stack.close()
        self._stack = ExitStack()


def environment(job: Job, *, processes: int) -> dict[str, str]:
    """Variables of a process that shares this machine's cores with others: as many threads as its part of them.

    Each framework would take all cores, and all of them together several times as many threads as there are.
    """
    variables = process.environment(job.cell)
    variables.pop("TF_CONFIG", None)  # of whoever started us: the group has its own
    if processes > 1:
        threads = max(job.replicas, resources.parallelism() // processes, 1)
        for name in resources.THREAD_VARIABLES:
            variables.setdefault(name, str(threads))
    return variables


def free_ports(host: str, count: int) -> list[int]:
    """Ports of an address on which nobody listens, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((host, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def outcome(
    members: Sequence[Member], limits: Limits, *, at_timing: Callable[[], object], now: Callable[[], float] = monotonic
) -> dict:
    """Waits until the first member has ended, and gives what it found.

    Args:
        members: Of a group, by rank.
        limits: How long to wait.
        at_timing: Called when timed steps begin.
        now: Clock in seconds.

    Returns:
        Its answer: a `timing.Timing` or losses, or `status` and `reason` where it could not.

    Raises:
        Lost: If a member dies, gives no sign of life for too long, or the group is not done in time.
    """
    begun, heard = now(), dict[int, float]()
    while True:
        for rank, member in enumerate(members):
            answer = _next_answer(members, member)
            event = answer.pop("event") if answer else ""
            if event == "joined" or (event and rank in heard):  # before, an import may hold up the signs of life
                heard[rank] = now()
            if event == "failed":
                return _failure(members, member, answer)
            if rank == 0 and event == "timing":
                at_timing()
            if rank == 0 and event == "ended":
                return answer
        _check(members, limits, heard, begun=begun, now=now())


def _next_answer(members: Sequence[Member], member: Member) -> dict:
    """What a member says next; empty where it says nothing for a moment.

    Raises:
        Lost: If it has died.
    """
    try:
        return member.next_answer(LOOK_SECONDS / len(members)) or {}
    except Died as died:
        raise Lost(_first_cause(members, member, died)) from died


def _check(members: Sequence[Member], limits: Limits, heard: dict[int, float], *, begun: float, now: float) -> None:
    """Checks that all members live and that the group has time left.

    Raises:
        Lost: If not.
    """
    silent = [rank for rank, last in heard.items() if now - last > limits.lost_seconds]
    if silent:
        raise Lost(
            f"{members[silent[0]].name} was lost: it gave no sign of life for "
            f"{duration(limits.lost_seconds)} (`--lost-after`)"
        )
    if now - begun > limits.timeout_seconds:
        missing = [member.name for rank, member in enumerate(members) if rank not in heard]
        waiting = f"; {', '.join(missing)} had not joined the others" if missing else ""
        raise Lost(f"The group was not done within {duration(limits.timeout_seconds)} (`--timeout`){waiting}")


def _failure(members: Sequence[Member], member: Member, answer: dict) -> dict:
    """The failure that a member reports, unless it is that another one has died.

    Raises:
        Lost: If another one has died.
    """
    if answer["status"] == "error":
        deadline = monotonic() + SECOND_LOOK_SECONDS
        while monotonic() < deadline:
            for other in members:
                _next_answer(members, other)
    return {"status": answer["status"], "reason": f"{member.name}: {answer['reason']}"}


def _first_cause(members: Sequence[Member], lost: Member, died: Died) -> str:
    """A sentence on who was lost: of several who die at once the one that was killed, not who died of its death."""
    causes = [(lost, died)]
    for other in members:
        if other is not lost:
            try:
                other.next_answer(LOOK_SECONDS)
            except Died as also:
                causes.append((other, also))
    member, cause = min(causes, key=lambda entry: entry[1].status != "oom")
    # Who was killed had no last words: what it said last was of something else.
    reason = cause.reason.split("; it said")[0] if cause.status == "oom" else cause.reason
    return f"{member.name} was lost: {reason}"


def is_shared(hosts: Sequence[Host], *, device: str, replicas: int) -> bool:
    """Whether replicas share the cores of a machine, so that they stand in for devices of their own."""
    shared = len({host.address for host in hosts}) < len(hosts)
    return device == "cpu" and (shared or replicas > 1)
