"""Several machines: a coordinator orders processes on those that have connected to it, which start them and report.

JSON lines over TCP. Whoever connects shows its versions, and is refused if they differ from the coordinator's: figures
of a mixture would be nobody's. Both sides send a sign of life every second. Nobody is asked for a password, and what a
coordinator can order is to train a model of this package: use it in a network of your own.
"""

import platform
import queue
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic

from bench.machine import facts
from bench.results.result import HARNESS_VERSION
from bench.run.process import Died
from bench.run.product import RunFailed
from bench.run.scaling.member import Job, job_from_json
from bench.run.scaling.processes import LOOK_SECONDS, Limits, LocalHost, Member
from flowers_core.connection import HELLO_SECONDS, MEET_SECONDS, Line

EVERYWHERE = ""  # all addresses of a host: on which of them its processes listen is for their frameworks to say
COMPARED = ("python", "keras", "numpy", "tensorflow", "jax", "torch", "harness", "flowers_core")


def versions() -> dict[str, str]:
    """What must be alike on all hosts."""
    machine = facts.fingerprint()
    known = {**machine["distributions"], **machine["packages"], "python": platform.python_version()}
    own = {"harness": HARNESS_VERSION, "flowers_core": facts.code_digest()}
    return {name: str({**known, **own}.get(name, "not installed")) for name in COMPARED}


class RemoteHost:
    """The coordinator's end of a worker's host."""

    def __init__(self, line: Line, hello: dict, limits: Limits):
        self.line, self.address, self._limits = line, hello["address"], limits
        self.name, self.rank = hello["name"], hello["rank"]
        self._waiting: dict[int, queue.SimpleQueue[dict]] = {}
        self._ports: list[int] | None = None
        self._order = 0

    def pump(self, seconds: float) -> None:
        """Sorts what has come by the process that said it.

        Raises:
            Died: If the host is lost.
        """
        message = self.line.next_message(seconds)
        if message is None:
            if reason := self.line.why_lost(self._limits.lost_seconds):
                raise Died(f"worker {self.rank} at {self.name} was lost", "crash", reason)
        elif "ports" in message:
            self._ports = message["ports"]
        elif message.get("order") == self._order:  # what an earlier group still says is nobody's
            self._waiting[message["process"]].put(message)

    def free_ports(self, count: int) -> list[int]:
        """Asks the host for ports on which nobody listens.

        Raises:
            Died: If it is lost.
        """
        self._ports = None
        self.line.send({"do": "ports", "count": count})
        while self._ports is None:
            self.pump(LOOK_SECONDS)
        return self._ports

    def start(self, jobs: Sequence[Job], names: Sequence[str]) -> list["RemoteMember"]:
        """Starts a process there for each job."""
        self._order += 1
        self._waiting = {number: queue.SimpleQueue() for number in range(len(jobs))}
        orders = [job.to_json() for job in jobs]
        self.line.send({"do": "start", "order": self._order, "jobs": orders, "names": list(names)})
        return [RemoteMember(self, name, self._waiting[number]) for number, name in enumerate(names)]

    def end(self) -> None:
        """Ends the processes there."""
        self.line.send({"do": "end"})


class RemoteMember:
    """A process on another host."""

    def __init__(self, host: RemoteHost, name: str, waiting: "queue.SimpleQueue[dict]"):
        self.name, self._host, self._waiting = name, host, waiting

    def next_answer(self, seconds: float) -> dict | None:
        """See `processes.Member.next_answer`."""
        if self._waiting.empty():
            self._host.pump(seconds)
        if self._waiting.empty():
            return None
        message = self._waiting.get()
        if "died" in message:
            raise Died(self.name, *message["died"])
        return message["answer"]


def gather(
    server: socket.socket, workers: int, limits: Limits, *, tell: Callable[[str], object], seconds: float = MEET_SECONDS
) -> list[RemoteHost]:
    """Waits for all workers but the first, which is here; gives them by rank.

    Raises:
        RunFailed: If they do not come in time, or one of other versions comes; the message names them.
    """
    ours, found, deadline = versions(), dict[int, RemoteHost](), monotonic() + seconds
    while len(found) < workers - 1:
        missing = ", ".join(str(rank) for rank in range(1, workers) if rank not in found)
        server.settimeout(max(0.01, deadline - monotonic()))
        try:
            connection, (address, _) = server.accept()
        except TimeoutError:
            reason = f"Workers {missing} of {workers} did not come within {seconds:g} s (`--meet`)"
            dismiss(found.values(), reason)
            raise RunFailed(f"{reason}. Start the same command there, each with its `--rank`") from None
        line = Line(connection)
        hello = line.next_message(HELLO_SECONDS)
        if not hello or not {"rank", "name"} <= hello.keys():
            line.close()  # a scanner, or a browser
            continue
        host = RemoteHost(line, {**hello, "address": address}, limits)
        refused = _refusal(hello, ours, workers, found)
        if refused:
            dismiss([host, *found.values()], refused)
            raise RunFailed(refused)
        found[hello["rank"]] = host
        tell(f"worker {hello['rank']} of {workers} has come: {host.name}")
    for host in found.values():
        host.line.send({"do": "welcome"})
    return [found[rank] for rank in range(1, workers)]


def _refusal(hello: dict, ours: dict[str, str], workers: int, found: dict[int, RemoteHost]) -> str:
    """Why a worker cannot take part; empty where it can."""
    rank, who = hello["rank"], f"worker {hello['rank']} ({hello['name']})"
    if type(rank) is not int or not 0 < rank < workers:
        return f"{who} must have a `--rank` from 1 to {workers - 1}"
    if rank in found:
        return f"{who} has the `--rank` of {found[rank].name}: each worker needs its own"
    theirs = hello.get("versions", {})
    differing = [f"{name} {theirs.get(name)} there, {version} here" for name, version in ours.items()
                 if theirs.get(name) != version]  # fmt: skip
    return f"{who} runs other versions than the coordinator: {'; '.join(differing)}" if differing else ""


def dismiss(hosts: Iterable[RemoteHost], reason: str) -> None:
    """Ends a run on all hosts, and says why where it failed."""
    for host in hosts:
        host.line.send({"do": "leave", "reason": reason})
        host.line.close()


def first(address: str) -> LocalHost:
    """The host of the coordinator, as the others reach it."""
    return LocalHost(address, name=platform.node())


def serve(line: Line, rank: int, lost_seconds: float) -> None:
    """Does what a coordinator orders until it is done.

    Raises:
        RunFailed: If the run failed, this worker is refused, or the coordinator is lost.
    """
    line.send({"rank": rank, "name": platform.node(), "versions": versions()})
    host, order = LocalHost(EVERYWHERE), 0
    members: list[tuple[int, Member]] = []
    try:
        for message in _messages(line, lost_seconds):
            action = message.get("do")
            if action == "leave":
                if message["reason"]:
                    raise RunFailed(message["reason"])
                return
            if action == "ports":
                line.send({"ports": host.free_ports(message["count"])})
            elif action == "end":
                host.end()
                members = []
            elif action == "start":
                order = message["order"]
                members = list(enumerate(host.start([*map(job_from_json, message["jobs"])], message["names"])))
            members = [entry for entry in members if _report(line, order, *entry)]
    finally:
        host.end()
        line.close()


def _messages(line: Line, lost_seconds: float) -> Iterator[dict]:
    """What the coordinator says; empty ones in between."""
    while True:
        message = line.next_message(LOOK_SECONDS)
        if message is None and (reason := line.why_lost(lost_seconds)):
            raise RunFailed(f"The coordinator was lost: {reason}")
        yield message or {}


def _report(line: Line, order: int, number: int, member: Member) -> bool:
    """Passes on what a process says; gives whether it lives."""
    place = {"order": order, "process": number}
    try:
        if answer := member.next_answer(LOOK_SECONDS):
            line.send({**place, "answer": answer})
    except Died as died:
        line.send({**place, "died": [died.status, died.reason]})
        return False
    return True
