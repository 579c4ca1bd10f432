"""Decode workers as tracks of a profiler trace, beside the step: a plane of their own is put into its file.

The profiler sees its own process alone. What its file holds is a protocol buffer, and two of them in a row are read as
one: so a plane is appended, and what the profiler wrote is not touched. Source: xplane.proto of XProf.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from bench.run.wire import by_number, field, fields

PLANE = "/device:CUSTOM:decode workers"  # XProf's trace viewer shows planes of this prefix, and counts nothing of them
ENVIRONMENT, START = "Task Environment", "profile_start_time"  # where the file says from when its times count
NS_TO_PS = 1000


class Span(Protocol):
    """When a decode worker made a batch, see `flowers_core.input.decode_pool.Span`."""

    worker: int
    began_ns: int
    ended_ns: int
    images: int


def add(path: Path, spans: Sequence[Span], end: int) -> None:
    """Appends a plane with a track for each decode worker; nothing where there are no spans, or no start is told.

    Args:
        path: A profiler's `.xplane.pb`.
        spans: What decode workers did, some of it perhaps before the trace or after it.
        end: When the profiler stopped, in nanoseconds since 1970.
    """
    start = _start_ns(path.read_bytes()) if spans else None
    if start is None:
        return
    seen = [span for span in spans if span.ended_ns > start and span.began_ns < end]
    if seen:
        with path.open("ab") as file:
            file.write(field(1, _plane(seen, start)))


def _plane(spans: Sequence[Span], start: int) -> bytes:
    """The plane: an event for each batch, named by its images, on its worker's line."""
    sizes = sorted({span.images for span in spans})
    kinds = {size: number for number, size in enumerate(sizes, 1)}
    names = [
        field(4, field(1, number) + field(2, field(1, number) + field(2, f"decode {size} images".encode())))
        for size, number in kinds.items()
    ]
    workers = sorted({span.worker for span in spans})
    lines = [
        field(3, _line(number, worker, [span for span in spans if span.worker == worker], kinds, start))
        for number, worker in enumerate(workers, 1)
    ]
    return b"".join([field(1, 1), field(2, PLANE.encode()), *lines, *names])


def _line(number: int, worker: int, spans: Sequence[Span], kinds: dict[int, int], start: int) -> bytes:
    events = [
        field(
            4,
            field(1, kinds[span.images])
            + field(2, NS_TO_PS * (max(span.began_ns, start) - start))
            + field(3, NS_TO_PS * (span.ended_ns - max(span.began_ns, start))),
        )
        for span in sorted(spans, key=lambda span: span.began_ns)
    ]
    return b"".join([field(1, number), field(2, f"decode worker {number} (process {worker})".encode()), *events])


def _start_ns(trace: bytes) -> int | None:
    """Nanoseconds since 1970 from which the times of a trace count."""
    for plane in map(by_number, by_number(trace)[1]):
        if ENVIRONMENT.encode() not in plane[2]:
            continue
        known = [dict(fields(dict(fields(entry))[2])) for entry in plane[5]]
        ids = {entry[2]: entry.get(1, 0) for entry in known}
        for statistic in map(dict, map(fields, plane[6])):
            if statistic.get(1, 0) == ids.get(START.encode()):
                return statistic.get(3) or statistic.get(4)
    return None
