"""Decode workers as tracks of a trace: what is appended to a profiler's file, and what XProf makes of it."""

import shutil
from typing import NamedTuple

import pytest

from bench.machine.facts import PROJECT_ROOT
from bench.run import decode_spans, profiler_trace, xprof

MS = 1_000_000


class Span(NamedTuple):
    worker: int
    began_ns: int
    ended_ns: int
    images: int


@pytest.fixture
def trace(tmp_path):
    """A copy of the committed sample, and when it begins."""
    (sample,) = (PROJECT_ROOT / "results" / "reference" / "traces").rglob("*.xplane.pb")
    path = tmp_path / "vm.xplane.pb"
    shutil.copy(sample, path)
    return path, decode_spans._start_ns(path.read_bytes())


def test_trace_viewer_shows_workers_beside_the_step(trace):
    """A track each; what began before the trace is cut, what ended before it or began after it is left out."""
    path, start = trace
    spans = [
        Span(41, start - 5 * MS, start + 3 * MS, 128),
        Span(42, start + 4 * MS, start + 6 * MS, 128),
        Span(42, start + 7 * MS, start + 8 * MS, 7),
        Span(42, start - 9 * MS, start - 8 * MS, 128),
        Span(42, start + 99 * MS, start + 100 * MS, 128),
    ]
    decode_spans.add(path, spans, start + 50 * MS)
    events = xprof._tool([str(path)], "trace_viewer")["traceEvents"]
    tracks = {event["tid"]: event["args"]["name"] for event in events if "decode worker " in str(event.get("args"))}
    shown = [event for event in events if event.get("name", "").startswith("decode ")]

    assert set(tracks.values()) == {"decode worker 1 (process 41)", "decode worker 2 (process 42)"}
    assert [(event["name"], event["ts"], event["dur"]) for event in shown] == [
        ("decode 128 images", 0, 3000),
        ("decode 128 images", 4000, 2000),
        ("decode 7 images", 7000, 1000),
    ]


def test_figures_of_the_step_stay(trace):
    """XProf counts nothing of the workers."""
    path, start = trace
    before = profiler_trace.read(path.parent)
    decode_spans.add(path, [Span(41, start, start + 90 * MS, 128)], start + 99 * MS)
    after = profiler_trace.read(path.parent)

    assert (after.steps, after.step_seconds, after.ops) == (before.steps, before.step_seconds, before.ops)
    assert after.bytes > before.bytes


@pytest.mark.parametrize("content", [None, b"", b"\x0a\x02\x12\x00"])
def test_nothing_is_appended_without_spans_or_a_start(trace, content):
    """Of a step that nobody fed, and to a file that does not say when it begins."""
    path, start = trace
    spans = []
    if content is not None:
        path.write_bytes(content)
        spans = [Span(1, start, start + MS, 1)]
    before = path.read_bytes()
    decode_spans.add(path, spans, start + 9 * MS)

    assert path.read_bytes() == before
