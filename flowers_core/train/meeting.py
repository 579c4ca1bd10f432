"""The workers of a training over several hosts: they meet, agree on what they train from, and notice who is lost.

Rank 0 is the coordinator. It compares what each worker is about to do with what it does itself, sends all of them the
weights to begin with, and says after each epoch whether there is another one. Whoever loses a worker ends: frameworks
would wait for it, some of them for ever. The same command, started anew everywhere, goes on from what was kept.
"""

import base64
import json
import os
import platform
import queue
import random
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from flowers_core import connection
from flowers_core.backends.replicas import Group
from flowers_core.connection import Address, Line
from flowers_core.errors import ReportedError, RunFailed

LOOK_SECONDS = 0.1
SECOND_LOOK_SECONDS = 5.0
"""How long it may take until the worker is known to be lost for want of which a step has failed."""

LEAVE_SECONDS = 20.0
"""How long a process that fails may take to leave: frameworks wait for the others at their end, who may be gone."""

PIECE = 1 << 20  # bytes of weights in a message: signs of life come in between
GO_ON = "the same command, started again on every host, goes on after the last epoch that was kept"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Which of the workers this process is, and where they meet.

    Attributes:
        coordinator: Host and port of rank 0.
        rank: Of this process, from 0.
        workers: How many processes train together.
        replicas: Copies of the model in each, a device each.
        first_device: Which of its host's accelerators is its first, where several processes share a host.
        meet_seconds: How long they wait to meet.
        lost_seconds: A process without a sign of life for so long is lost.
    """

    coordinator: Address
    rank: int
    workers: int
    replicas: int = 1
    first_device: int = 0
    meet_seconds: float = connection.MEET_SECONDS
    lost_seconds: float = 30.0

    @property
    def total(self) -> int:
        """How many replicas share the global batch."""
        return self.workers * self.replicas

    @property
    def leads(self) -> bool:
        """Whether this is the coordinator, which keeps rows and weights."""
        return self.rank == 0

    def name(self, rank: int, host: str) -> str:
        """What a worker is called in messages."""
        return f"worker {rank} of {self.workers} ({host})" if rank else f"the coordinator ({host})"


class Peer(NamedTuple):
    """The other end of a connection."""

    name: str
    line: Line
    address: str


class Meeting:
    """This process among the others, while they train: `with meeting: …`."""

    def __init__(
        self,
        place: Place,
        peers: Mapping[int, Peer],
        group: Group,
        seed: int,
        *,
        tell: Callable[[str], None],
        leave: Callable[[int], Any] = os._exit,
    ):
        """Begins to watch the others.

        Args:
            place: Which of them this is.
            peers: Those that it is connected with, by rank: all others for the coordinator, which is it for the others.
            group: As the framework is to know them.
            seed: For whatever all have to draw alike.
            tell: Called with a line for the user.
            leave: Ends this process at once, with an exit code.
        """
        self.place, self.group, self.seed = place, group, seed
        self._peers, self._tell, self._leave = dict(peers), tell, leave
        self._said: queue.SimpleQueue[tuple[int, dict]] = queue.SimpleQueue()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Parts: all is done, or the others learn why it is not."""
        del trace
        if error is None:
            self._part()
            self._close()
            return
        if not isinstance(error, ReportedError | KeyboardInterrupt | OSError):
            sleep(SECOND_LOOK_SECONDS)  # a step fails when a worker dies: who watches says which, and ends this process
        said = "it was interrupted" if isinstance(error, KeyboardInterrupt) else " ".join(str(error).split())
        who = self.place.name(self.place.rank, platform.node())
        self._over.set()
        self._send({"failed": f"{who}: {said or type(error).__name__}"})
        self._close()
        threading.Thread(target=self._leave_in_time, daemon=True).start()

    def share(self, path: Path | None, folder: Path) -> Path | None:
        """Gives all the file that the coordinator has.

        Args:
            path: The coordinator's file; None where it has none, and on the others.
            folder: Where the others put it.

        Returns:
            Where the file is here; None where there is none.
        """
        if self.place.leads:
            for piece in _pieces(path):
                self._send({"piece": base64.b64encode(piece).decode()})
            self._send({"piece": "", "whole": path is not None})
            return path
        received = folder / "received"
        with received.open("wb") as file:
            while (message := self._next("piece"))["piece"]:
                file.write(base64.b64decode(message["piece"]))
        if not message["whole"]:
            received.unlink()
            return None
        return received

    def decide(self, *, more: bool) -> bool:
        """The coordinator's word on whether there is another epoch; the others wait for it, however long it takes."""
        if self.place.leads:
            self._send({"more": more})
            return more
        return self._next("more")["more"]

    def _next(self, key: str) -> dict:
        """The next message that has a key."""
        while key not in (message := self._said.get()[1]):
            pass
        return message

    def _send(self, message: dict) -> None:
        for peer in self._peers.values():
            peer.line.send(message)

    def _close(self) -> None:
        for peer in self._peers.values():
            peer.line.close()

    def _part(self) -> None:
        """Leaves when all have heard the last word."""
        if not self.place.leads:
            self._over.set()
            self._send({"done": True})
            return
        deadline, here = monotonic() + SECOND_LOOK_SECONDS, set[int]()
        while len(here) < len(self._peers) and (left := deadline - monotonic()) > 0:
            try:
                rank, message = self._said.get(timeout=left)
            except queue.Empty:
                break
            if "done" in message:
                here.add(rank)
        self._over.set()

    def _watch(self) -> None:
        """Looks after the others until all is over."""
        parted = set[int]()
        while not self._over.is_set():
            for rank, peer in self._peers.items():
                message = peer.line.next_message(LOOK_SECONDS / len(self._peers)) if rank not in parted else None
                if message and "failed" in message:
                    self._end(message["failed"])
                elif message:
                    parted |= {rank} if "done" in message else set()
                    self._said.put((rank, message))
                elif rank not in parted and (reason := peer.line.why_lost(self.place.lost_seconds)):
                    self._end(f"{peer.name} was lost: {reason}")

    def _end(self, reason: str) -> None:
        """Ends this process, for whatever it computes waits for one that is gone."""
        if self._over.is_set():
            return
        self._over.set()
        self._send({"failed": reason})
        self._tell(f"error: {reason}; {GO_ON}")
        sys.stderr.flush()
        self._close()
        self._leave(1)

    def _leave_in_time(self) -> None:
        sleep(LEAVE_SECONDS)
        self._leave(1)


def _pieces(path: Path | None) -> Iterator[bytes]:
    if path is not None:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


def meet(place: Place, terms: Mapping[str, Any], *, tell: Callable[[str], None], seed: int | None) -> Meeting:
    """Waits for the others, and compares what each is about to do.

    Args:
        place: Which of them this is.
        terms: What must be alike on all, as plain values by name.
        tell: Called with a line for the user.
        seed: Of the coordinator's settings; drawn where there is none.

    Raises:
        InputError: If the coordinator's port is taken.
        RunFailed: If they do not come in time, or one is about to do something else.
    """
    terms = json.loads(json.dumps(terms))  # as those of others come
    if not place.leads:
        return _join(place, terms, tell=tell)
    with connection.listen(place.coordinator, "--coordinator", seconds=place.meet_seconds) as server:
        tell(f"waiting for {place.workers - 1} workers at {place.coordinator[0]}:{place.coordinator[1]}")
        peers, hellos = _gather(server, place, terms, tell=tell)
    addresses = (
        f"{place.coordinator[0]}:{_free_port(place.coordinator[0])}",
        *(f"{peers[rank].address}:{hellos[rank]['port']}" for rank in sorted(peers)),
    )
    drawn = random.SystemRandom().randrange(2**32) if seed is None else seed
    for peer in peers.values():
        peer.line.send({"welcome": True, "addresses": addresses, "seed": drawn, "name": platform.node()})
    return Meeting(place, peers, _group(place, addresses), drawn, tell=tell)


def _gather(
    server: socket.socket, place: Place, terms: Mapping[str, Any], *, tell: Callable[[str], None]
) -> tuple[dict[int, Peer], dict[int, dict]]:
    """All workers but this one, with what they said.

    Raises:
        RunFailed: If they do not come in time, or one is about to do something else.
    """
    peers, hellos = dict[int, Peer](), dict[int, dict]()
    deadline = monotonic() + place.meet_seconds

    def refuse(reason: str, *lines: Line) -> NoReturn:
        for line in (*lines, *(peer.line for peer in peers.values())):
            line.send({"failed": reason})
            line.close()
        raise RunFailed(reason)

    while len(peers) < place.workers - 1:
        missing = ", ".join(str(rank) for rank in range(1, place.workers) if rank not in peers)
        server.settimeout(max(0.01, deadline - monotonic()))
        try:
            opened, (address, _) = server.accept()
        except TimeoutError:
            refuse(
                f"Workers {missing} of {place.workers} did not come within {place.meet_seconds:g} s (`--meet`). Start "
                f"the same command there, each with its `--rank`"
            )
        line = Line(opened)
        hello = line.next_message(connection.HELLO_SECONDS)
        if not hello or not {"rank", "name", "port", "terms"} <= hello.keys():
            line.close()  # a scanner, or a browser
            continue
        rank, name = hello["rank"], place.name(hello["rank"], hello["name"])
        if type(rank) is not int or not 0 < rank < place.workers or rank in peers:
            refuse(f"{name} must have a `--rank` of its own from 1 to {place.workers - 1}", line)
        if differing := _differing(hello["terms"], terms):
            refuse(f"{name} is about to train otherwise than the coordinator: {differing}", line)
        peers[rank], hellos[rank] = Peer(name, line, address), hello
        tell(f"{name} has come")
    return peers, hellos


def _differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """What is not alike; empty where all is."""
    return "; ".join(
        f"{name} {theirs.get(name)!r:.60} there, {value!r:.60} here"
        for name, value in ours.items()
        if theirs.get(name) != value
    )


def _join(place: Place, terms: Mapping[str, Any], *, tell: Callable[[str], None]) -> Meeting:
    """Connects with the coordinator.

    Raises:
        RunFailed: If it cannot be reached, refuses this worker, or is lost.
    """
    opened = connection.connect(place.coordinator, seconds=place.meet_seconds)
    port = _free_port(opened.getsockname()[0])
    line = Line(opened)
    line.send({"rank": place.rank, "name": platform.node(), "port": port, "terms": terms})
    deadline = monotonic() + place.meet_seconds
    while (message := line.next_message(LOOK_SECONDS)) is None:
        reason = line.why_lost(place.lost_seconds)
        if not reason and monotonic() > deadline:
            reason = f"it said nothing for {place.meet_seconds:g} s (`--meet`)"
        if reason:
            line.close()
            raise RunFailed(f"The coordinator was lost: {reason}")
    if "failed" in message:
        line.close()
        raise RunFailed(message["failed"])
    peer = Peer(place.name(0, message["name"]), line, place.coordinator[0])
    return Meeting(place, {0: peer}, _group(place, message["addresses"]), message["seed"], tell=tell)


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        return probe.getsockname()[1]


def _group(place: Place, addresses: Any) -> Group:
    """The group as the framework is to know it."""
    return Group(addresses=tuple(addresses), rank=place.rank, replicas=place.replicas, first_device=place.first_device)
