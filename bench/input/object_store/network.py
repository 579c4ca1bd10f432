"""The network to a store: latency, bandwidth and injected faults; and counts of what was requested."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic, sleep

from flowers_core.errors import InputError

PIECE_BYTES = 1 << 16  # sent at once where bandwidth is limited

CUT, SILENT = "cut", "silent"
"""Effects of faults besides a status: the connection ends in the middle of the body; no response, ever."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """How far away a store is.

    Attributes:
        latency_seconds: From a request to the first byte of its response.
        round_trips: What a new connection costs before its first request, in latencies: one for TCP, two for TLS 1.2.
        bytes_per_second: Of all responses together; None for no limit.
    """

    latency_seconds: float = 0.03
    round_trips: float = 3
    bytes_per_second: float | None = None

    def __post_init__(self):
        if self.latency_seconds < 0 or self.round_trips < 0 or (self.bytes_per_second or 1) <= 0:
            raise InputError(f"Latency and round trips must be 0 or more, bandwidth more than 0. Received: {self}")


@dataclass(kw_only=True)
class Fault:
    """An injected fault.

    Attributes:
        effect: A status such as 503, or `CUT`, or `SILENT`.
        request: Kind of request that it hits: `list`, `stat`, `read`, `write`, `delete`; empty for any.
        times: How often; None for ever.
    """

    effect: int | str
    request: str = ""
    times: int | None = None


@dataclass(kw_only=True)
class Counts:
    """What was requested of a store since it was opened, or since `reset`.

    Attributes:
        connections: That were opened.
        requests: By kind.
        statuses: Responses, by status.
        sent_bytes: Of bodies, by kind of request.
        received_bytes: Of bodies.
        refused: Connections that ended before TLS stood, as of a client that does not trust the authority.
        cpu_seconds: Of the server's connections; a real store would spend them elsewhere.
    """

    connections: int = 0
    requests: Counter = field(default_factory=Counter)
    statuses: Counter = field(default_factory=Counter)
    sent_bytes: Counter = field(default_factory=Counter)
    received_bytes: int = 0
    refused: int = 0
    cpu_seconds: float = 0.0


class Traffic:
    """Conditions, faults and counts of one server, shared by all its connections."""

    def __init__(self, conditions: Conditions):
        """Begins with nothing counted and no fault; conditions and faults may be changed at any time."""
        self.conditions, self.counts = conditions, Counts()
        self.faults: list[Fault] = []
        self._lock, self._free = Lock(), 0.0

    def reset(self) -> Counts:
        """Gives the counts, and starts from zero."""
        with self._lock:
            counted, self.counts = self.counts, Counts()
        return counted

    def open_connection(self) -> None:
        """Counts a connection, and waits as long as opening it takes."""
        with self._lock:
            self.counts.connections += 1
        sleep(self.conditions.round_trips * self.conditions.latency_seconds)

    def refuse_connection(self) -> None:
        """Counts a connection that ended before TLS stood."""
        with self._lock:
            self.counts.refused += 1

    def close_connection(self, cpu_seconds: float) -> None:
        """Adds what a connection took from the first byte to the last."""
        with self._lock:
            self.counts.cpu_seconds += cpu_seconds

    def begin_request(self, kind: str) -> Fault | None:
        """Counts a request, waits for the latency, and gives the fault that hits it."""
        with self._lock:
            self.counts.requests[kind] += 1
            fault = next((fault for fault in self.faults if fault.request in ("", kind) and fault.times != 0), None)
            if fault and fault.times:
                fault.times -= 1
        sleep(self.conditions.latency_seconds)
        return fault

    def end_request(self, kind: str, status: int, *, sent: int, received: int) -> None:
        """Counts a response and the bytes of both bodies."""
        with self._lock:
            self.counts.statuses[status] += 1
            self.counts.sent_bytes[kind] += sent
            self.counts.received_bytes += received

    def send(self, body: memoryview, out: Callable[[memoryview], object]) -> None:
        """Sends a body no faster than all connections together may."""
        rate = self.conditions.bytes_per_second
        if rate is None:
            out(body)
            return
        for start in range(0, len(body), PIECE_BYTES):
            piece = body[start : start + PIECE_BYTES]
            with self._lock:
                self._free = max(monotonic(), self._free) + len(piece) / rate
                free = self._free
            sleep(max(0.0, free - monotonic()))
            out(piece)
