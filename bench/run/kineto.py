"""A trace by torch's profiler, Kineto, and what it says: steps, operations by their own time, kinds of work.

XProf opens no such trace, and torch gave up its plugin for TensorBoard: the file opens in Perfetto (ui.perfetto.dev,
which reads it in the browser) and in chrome://tracing.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bench.run import xprof

NAME = "torch.pt.trace.json.gz"
STEP = "ProfilerStep#"  # the beginning of a step's mark, by which torch's own tools know it
HOST, KERNELS = "cpu_op", ("kernel", "gpu_memcpy", "gpu_memset")
KINDS = (
    ("passes over memory that Inductor fuses", r"CompiledFxGraph|cpp_fused|^triton_"),
    ("gradients of convolutions", r"convolution_backward|conv\w*_(dgrad|wgrad|backward)"),
    ("batch normalization", r"batch_norm"),
    ("convolutions", r"conv"),
    ("matrix products", r"(^|::|_)(addmm|mm|bmm|matmul|linear|einsum)|gemm"),
    ("pooling", r"pool"),
    (xprof.OPTIMIZER, r"[Oo]ptimizer|_foreach|_fused_adam|addcmul|addcdiv|lerp"),
    ("activations", r"relu|threshold|clamp_min|sigmoid|silu|softmax|elu|tanh"),
    ("elementwise arithmetic, the optimizer's above all", r"^aten::(mul|add|sub|div|sqrt|rsqrt|square|pow|neg)_?$"),
    ("copies between layers", r"copy|cat$|pad|transpose|permute|slice|clone|contiguous|_to_copy|memcpy"),
)


def tracer(folder: Path) -> tuple[Callable[[], None], Callable[[], None], Callable[[int], AbstractContextManager]]:
    """What starts and ends a trace, which is then written to the folder, and what marks a step of it."""
    import torch
    from torch import profiler

    kinds = [profiler.ProfilerActivity.CPU]
    if torch.cuda.is_initialized():
        kinds.append(profiler.ProfilerActivity.CUDA)
    taken = profiler.profile(activities=kinds)

    def stop() -> None:
        with xprof.silent():
            taken.stop()
            taken.export_chrome_trace(str(folder / NAME))

    def start() -> None:
        with xprof.silent():
            taken.start()

    return start, stop, lambda number: profiler.record_function(f"{STEP}{number}")


def facts(path: Path) -> dict:
    """Reads one trace; see `bench.run.xprof.facts`, of which it tells steps, operations and work.

    Raises:
        xprof.Unreadable: If it is damaged, or no step is marked.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            events = [event for event in json.load(file)["traceEvents"] if event.get("ph") == "X"]
        marked = sorted((event["ts"], event["dur"]) for event in events if _is_step(event))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise xprof.Unreadable(f"it is no trace of torch's profiler ({type(error).__name__}: {error})") from error
    steps = marked[1:-1]  # as XProf does: tracing begins in the first and ends in the last
    if not steps:
        raise xprof.Unreadable("no step is marked in it: take it by `bench trace`, which marks each, of 3 or more")
    work, operations = defaultdict(float), defaultdict(float)
    for name, seconds in _own_seconds(events, steps[0][0], sum(steps[-1])):
        operations[name] += seconds
        work[_kind(name)] += seconds
    return {
        "steps": len(steps),
        "step_seconds": sum(duration for _, duration in steps) / len(steps) / 1e6,
        "ops": xprof.longest(operations, len(steps)),
        "work": [{**entry, "layer": ""} for entry in xprof.longest(work, len(steps))],
    }


def _is_step(event: dict) -> bool:
    return event.get("cat") == "user_annotation" and str(event.get("name")).startswith(STEP)


def _kind(name: str) -> str:
    return next((kind for kind, pattern in KINDS if re.search(pattern, name)), xprof.OTHER)


def _own_seconds(events: Sequence[dict], begin: float, end: float) -> Iterator[tuple[str, float]]:
    """Operations between two times with their own seconds: the GPU's kernels where there are any."""
    chosen = [event for event in events if begin <= event["ts"] < end]
    kernels = [event for event in chosen if event.get("cat") in KERNELS]
    if kernels:
        yield from ((event["name"], event["dur"] / 1e6) for event in kernels)
        return
    threads = defaultdict(list)
    for event in chosen:
        if event.get("cat") == HOST:
            threads[event.get("pid"), event.get("tid")].append(event)
    for thread in threads.values():
        yield from _subtract_children(thread)


def _subtract_children(events: Iterable[dict]) -> Iterator[tuple[str, float]]:
    """Each event of a thread with its own time: that of the events nested in it is subtracted."""
    inside: list[list] = []  # name, end, own microseconds
    for event in sorted(events, key=lambda event: (event["ts"], -event["dur"])):
        while inside and inside[-1][1] <= event["ts"]:
            name, _, own = inside.pop()
            yield name, max(own, 0.0) / 1e6
        if inside:
            inside[-1][2] -= event["dur"]
        inside.append([event["name"], event["ts"] + event["dur"], event["dur"]])
    for name, _, own in inside:
        yield name, max(own, 0.0) / 1e6
