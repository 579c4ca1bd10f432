"""A profiler trace of some steps: taken after the timed ones, marked step by step, read by XProf at once.

Keras marks no steps that XProf finds, so each is marked here, the drawing of its batch inside. XProf leaves the first
and the last step out. Source of both: measured with TensorFlow 2.21 and XProf 2.24.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from time import perf_counter, time_ns

from bench.machine import cpu_time
from bench.run import decode_spans, kineto, product, xprof

LEAST_STEPS, MOST_STEPS, SECONDS = 6, 20, 2.0
MOST_DRAWS = 500  # of a pipeline alone: a draw is short, and what is prefetched must not be all that is drawn
NAME = "train"  # of a step's mark; XProf knows a training step by it, predictions and draws as well
AGREES_WITHIN = 0.05  # XProf's step time and ours, on a quiet machine


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a trace says.

    Attributes:
        folder: Log directory, for TensorBoard.
        problem: Why it cannot be read, and how to mend that; empty where it can.
        steps: How many steps XProf found.
        step_seconds: Mean of them, as XProf sees it.
        our_step_seconds: Likewise by our clock.
        input_share: Part of the step time spent waiting for input.
        other_share: Part of it that is neither computing nor waiting for input.
        ops: Operations by their own time in a step, longest first: `name`, `seconds`, `share`.
        work: The same by kind of work (`filter gradients of convolutions`), each with its longest `layer`.
        data_ops: Those of the input pipeline, likewise; none where a resident batch was drawn.
        peak_bytes: Most memory that the framework's allocators held; None where it does not tell.
        bytes: Size of the trace on the disk.
        suggestions: What XProf itself says of the step, as plain text.
    """

    folder: str
    problem: str = ""
    steps: int = 0
    step_seconds: float | None = None
    our_step_seconds: float | None = None
    input_share: float | None = None
    other_share: float | None = None
    ops: list[dict] = field(default_factory=list)
    work: list[dict] = field(default_factory=list)
    data_ops: list[dict] = field(default_factory=list)
    peak_bytes: int | None = None
    bytes: int = 0
    suggestions: list[str] = field(default_factory=list)

    @property
    def file(self) -> str:
        """What of it Perfetto and chrome://tracing open; empty where TensorBoard's Profile tab shows it."""
        path = Path(self.folder) / kineto.NAME
        return str(path) if path.is_file() else ""

    @property
    def agrees(self) -> bool:
        """Whether the profiler's step time is ours."""
        if not (self.step_seconds and self.our_step_seconds):
            return False
        return abs(self.step_seconds / self.our_step_seconds - 1) <= AGREES_WITHIN


def take(
    step: Callable[[], object], folder: Path, *, backend: str, step_seconds: float, most_steps: int = MOST_STEPS
) -> dict:
    """Traces some steps and reads the trace.

    Args:
        step: Has done its work when it returns.
        folder: Log directory of this trace alone: two in one second would overwrite each other.
        backend: Whose profiler, one of `TRACERS`.
        step_seconds: What a step takes, to choose how many.
        most_steps: At most so many.

    Returns:
        `Trace` as plain values; with a `problem` instead of figures where it cannot be taken or read.
    """
    if backend not in TRACERS:
        problem = f"XProf reads traces of {' and '.join(TRACERS)}; steps on {backend} have none of that kind"
        return asdict(Trace(folder=str(folder), problem=problem))
    count = min(most_steps, max(LEAST_STEPS, round(SECONDS / step_seconds)))
    try:
        ours = record(step, folder, backend=backend, count=count)
    except Exception as error:  # a profiler that is in use or has no rights must not cost the measurement
        return asdict(Trace(folder=str(folder), problem=f"it was not taken: {type(error).__name__}: {error}"))
    return asdict(read(folder, our_step_seconds=ours))


def record(step: Callable[[], object], folder: Path, *, backend: str, count: int) -> float:
    """Traces `count` marked steps; gives the mean seconds of those that XProf looks at by our clock."""
    folder.mkdir(parents=True, exist_ok=True)
    start, stop, mark = TRACERS[backend](folder)
    seconds = []
    with _spans() as spans:
        start()
        try:
            for number in range(count):
                with mark(number):
                    begun = perf_counter()
                    step()
                    seconds.append(perf_counter() - begun)
            stopped = time_ns()
        finally:
            stop()
        _catch_up(step, spans, stopped)
    for path in folder.rglob("*.xplane.pb"):
        decode_spans.add(path, spans, stopped)
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.endswith((".xplane.pb", kineto.NAME)):  # made again by whoever looks at it
            path.unlink()
    return fmean(seconds[1:-1])


def _catch_up(step: Callable[[], object], spans: Sequence, stopped: int) -> None:
    """Steps on until decode workers have told what they did before the profiler stopped.

    They are asked only when their batch is due, and work many steps ahead.
    """
    end = perf_counter() + SECONDS
    while cpu_time.worker_ids() and perf_counter() < end and all(span.began_ns < stopped for span in spans):
        step()


def _spans() -> AbstractContextManager[Sequence]:
    """Collects what decode workers do; nothing of a commit whose workers do not tell."""
    try:
        return product.record_spans()
    except product.Unsuitable:
        return nullcontext(())


def _tensorflow(folder: Path):
    import tensorflow as tf

    profiler = tf.profiler.experimental
    return (
        lambda: profiler.start(str(folder)),
        profiler.stop,
        lambda number: profiler.Trace(NAME, step_num=number, _r=1),
    )


def _jax(folder: Path):
    import jax

    return (
        lambda: jax.profiler.start_trace(str(folder)),
        jax.profiler.stop_trace,
        lambda number: jax.profiler.StepTraceAnnotation(NAME, step_num=number),
    )


TRACERS = {"tensorflow": _tensorflow, "jax": _jax, "torch": kineto.tracer}


def read(folder: Path, *, our_step_seconds: float | None = None) -> Trace:
    """Reads the trace in a log directory as XProf does; a trace with a `problem` where it cannot be read."""
    of_torch = Path(folder) / kineto.NAME
    paths = [of_torch] if of_torch.is_file() else sorted(Path(folder).rglob("*.xplane.pb"))
    size = sum(path.stat().st_size for path in paths)
    try:
        facts = kineto.facts(of_torch) if of_torch in paths else xprof.facts(paths)
    except xprof.Unreadable as error:
        return Trace(folder=str(folder), problem=str(error), our_step_seconds=our_step_seconds, bytes=size)
    return Trace(folder=str(folder), our_step_seconds=our_step_seconds, bytes=size, **facts)
