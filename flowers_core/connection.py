"""Messages between processes on several hosts: JSON lines over TCP, and a sign of life every second.

There is no authentication: use it on a network of your own.
"""

import json
import queue
import socket
import threading
from contextlib import suppress
from time import monotonic, sleep

from flowers_core.errors import InputError, RunFailed

BEAT_SECONDS = 1.0

MEET_SECONDS = 60.0
"""How long workers try to reach a coordinator, and how long that waits for all of them."""

HELLO_SECONDS = 10.0
"""How long whoever has connected may take to say who it is: it may be no worker at all."""

RETRY_SECONDS = 0.5

Address = tuple[str, int]


class Line:
    """One end of a connection: JSON lines both ways, and a sign of life every second."""

    def __init__(self, connection: socket.socket):
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection, self._lock = connection, threading.Lock()
        self.received: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        self.heard, self.is_open = monotonic(), True
        for work in (self._read, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError, ValueError, TypeError), self._connection.makefile("rb") as lines:
            for line in lines:
                self.heard = monotonic()
                message = dict(json.loads(line))
                if "beat" not in message:
                    self.received.put(message)
        self.is_open = False
        self.received.put(None)

    def _beat(self) -> None:
        while self.is_open:
            self.send({"beat": True})
            sleep(BEAT_SECONDS)

    def send(self, message: dict) -> None:
        """Sends a message; a lost connection shows when something is expected."""
        with suppress(OSError), self._lock:
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def next_message(self, seconds: float) -> dict | None:
        """What comes next, None where nothing comes in time or ever again."""
        with suppress(queue.Empty):
            return self.received.get(timeout=seconds)
        return None

    def why_lost(self, lost_seconds: float) -> str:
        """Why the other side is lost; empty where it is not."""
        if not self.is_open and self.received.empty():
            return "its connection ended"
        if monotonic() - self.heard > lost_seconds:
            return f"it gave no sign of life for {lost_seconds:g} s (`--lost-after`)"
        return ""

    def close(self) -> None:
        """Ends the connection, when what was sent has arrived."""
        self.is_open = False
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def listen(address: Address, option: str, *, seconds: float = 0.0) -> socket.socket:
    """Listens where workers will connect.

    Args:
        address: Of this host.
        option: What gave it, for the message.
        seconds: How long its name may be unknown: a cluster's DNS learns of a host after it has started.

    Raises:
        InputError: If the port is taken, or the address is none of this machine.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            return socket.create_server(address)
        except OSError as error:
            if isinstance(error, socket.gaierror) and monotonic() < deadline:
                sleep(RETRY_SECONDS)
                continue
            raise InputError(
                f"`{option}` must be a free port of the first worker's host, where this is. Received: "
                f"{address[0]}:{address[1]}: {error.strerror or error}"
            ) from error


def connect(address: Address, *, seconds: float) -> socket.socket:
    """Connects to the coordinator, which may start later than this.

    Raises:
        RunFailed: If it cannot be reached in time; the message has the cause.
    """
    deadline, reason = monotonic() + seconds, "no answer"
    while (left := deadline - monotonic()) > 0:
        try:
            return socket.create_connection(address, timeout=left)
        except OSError as error:
            reason = str(error.strerror or error)
        sleep(min(RETRY_SECONDS, max(0.0, deadline - monotonic())))
    raise RunFailed(
        f"The coordinator at {address[0]}:{address[1]} could not be reached within {seconds:g} s (`--meet`): {reason}. "
        f"It is the command with `--rank 0`, on the host of that address"
    )
