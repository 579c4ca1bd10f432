"""What XProf finds in a trace, without a browser: steps, waiting for input, operations, memory."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine.own import durable
from bench.run import thunks

MOST_OPS = 10  # of each kind: the rest is seldom read
IDLE = "IDLE"  # what XProf calls threads that wait; no operation

# Kinds of work by what XProf calls an operation's type or, behind it, the operation; the first that matches counts.
OPTIMIZER = "the optimizer"
KINDS = (
    ("input pipeline", r"^Dataset|^Iterator|IteratorGetNext"),
    ("filter gradients of convolutions", r"BackpropFilter"),
    ("input gradients of convolutions", r"Conv\w*BackpropInput"),
    ("gradients of convolutions", rf"^conv\S* {thunks.BACKWARD}/"),  # of JAX, which has one operation for both
    ("batch normalization", r"batch_?norm|FusedBatchNorm|/bn\w*/"),
    ("convolutions", r"Conv\d?D|[Cc]onvolution|^conv"),
    ("matrix products", r"MatMul|Einsum|\bdot\b|^dot|gemm"),
    ("pooling", r"[Pp]ool|reduce[-_]window|select[-_]and[-_]scatter"),
    (OPTIMIZER, r"ApplyAdam|ResourceApply|[Aa]dam|optimizer|momentum"),
    ("activations", r"Relu|Sigmoid|Swish|Softmax|Elu|Tanh"),
    ("updates of variables", r"Assign"),
    ("copies between layers", r"Concat|Slice|Transpose|Pad|Tile|Reshape|Cast|copy|concatenate"),
)
OTHER = "other operations"
CALLS = {"StatefulPartitionedCall", "PartitionedCall", "gradient_tape", "gradients", "jvp", "transpose", "jit"}


class Unreadable(RuntimeError):
    """A trace that says nothing: the message says why, and how to mend that."""


def facts(paths: Sequence[Path]) -> dict:
    """Reads one trace.

    Args:
        paths: Its `.xplane.pb` files, one a host.

    Returns:
        `steps`, `step_seconds`, `input_share`, `other_share`, `ops`, `work`, `data_ops`, `peak_bytes`, `suggestions`;
        see `bench.run.profiler_trace.Trace`.

    Raises:
        Unreadable: If XProf is missing or of another version, the trace is empty or damaged, or no step is marked.
    """
    with _scratch_copies(paths) as copies:
        steps = _steps(_tool(copies, "input_pipeline_analyzer"))
        count = len(steps["seconds"])
        operations = _rows(copies)
        return {
            "steps": count,
            "step_seconds": sum(steps["seconds"]) / count,
            "input_share": sum(steps["input"]) / max(sum(steps["seconds"]), 1e-12),
            "other_share": sum(steps["other"]) / max(sum(steps["seconds"]), 1e-12),
            "ops": _ops(operations, count + 2),
            "work": _work(operations, count + 2),
            "suggestions": _suggestions(_tool(copies, "overview_page")),
            "data_ops": _data_ops(steps["tables"], count + 2),
            "peak_bytes": _peak(_tool(copies, "memory_profile")),
        }


def operations(paths: Sequence[Path]) -> list[dict]:
    """Every operation of one trace with its own time in a step, over all threads.

    Args:
        paths: Its `.xplane.pb` files, one a host.

    Returns:
        `type`, `name` (the path by which the framework knows it) and `seconds`.

    Raises:
        Unreadable: As `facts`.
    """
    with _scratch_copies(paths) as copies:
        steps = len(_steps(_tool(copies, "input_pipeline_analyzer"))["seconds"]) + 2  # it leaves out first and last
        rows = _rows(copies)
    return [
        {"type": row["type"], "name": row["operation"], "seconds": float(row["total_self_time"]) / 1e6 / steps}
        for row in rows
    ]


@contextmanager
def _scratch_copies(paths: Sequence[Path]) -> Iterator[list[str]]:
    """Copies of a trace's files for a while, for XProf writes its caches beside what it reads.

    Raises:
        Unreadable: If there are none.
    """
    if not paths:
        raise Unreadable("there is no trace in it: the profiler wrote none; is another profiler running?")
    with durable.scratch_folder() as folder, silent():
        yield [_copy(path, folder) for path in paths]


def _copy(path: Path, folder: Path) -> str:
    return str(shutil.copy(path, folder / path.name))


@contextmanager
def silent() -> Iterator[None]:
    """Keeps what XProf prints below Python off the terminal."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _tool(paths: Sequence[str], tool: str) -> Any:
    """What one of XProf's tools says, as plain values."""
    try:
        from xprof.convert import raw_to_tool_data
    except ImportError as error:
        raise Unreadable(f"{error}: install `tensorboard-plugin-profile`, or `make bench`") from error
    try:
        said, _ = raw_to_tool_data.xspace_to_tool_data(list(paths), tool, {"use_saved_result": False})
        return json.loads(said or "[]")
    except Exception as error:  # whatever a damaged trace, or one of another version, makes of it
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise Unreadable(
            f"XProf's {tool} cannot read it ({reason}): take it again with the versions of here"
        ) from error


def _table(tables: Any, column: str) -> list[dict]:
    """Rows of the table with a column, by the names of its columns; none if there is no such table."""
    for table in tables:
        names = [header["id"] for header in table.get("cols", ())]
        if column in names:
            return [dict(zip(names, (cell["v"] for cell in row["c"]), strict=False)) for row in table.get("rows", ())]
    return []


def _steps(tables: Any) -> dict:
    """Seconds of each step, and how much of it was waiting for input."""
    rows = _table(tables, "stepTimeMs")
    if not rows:
        raise Unreadable("XProf finds no step in it: take it by `bench trace`, which marks each, of 3 or more")
    return {
        "seconds": [float(row["stepTimeMs"]) / 1000 for row in rows],
        "input": [float(row["infeedTimeMs"]) / 1000 for row in rows],
        "other": [float(row.get("otherTimeMs") or 0.0) / 1000 for row in rows],
        "tables": tables,
    }


def _rows(paths: Sequence[str]) -> list[dict]:
    """Each operation with its own time; of XLA on a CPU, of which XProf counts none, from the trace itself."""
    return _op_rows(_tool(paths, "framework_op_stats")) or thunks.rows([*map(Path, paths)])


def _ops(rows: Iterable[dict], steps: int) -> list[dict]:
    """Operations by type: their own time in a step, over all threads."""
    seconds: dict[str, float] = {}
    for row in rows:
        seconds[row["type"]] = seconds.get(row["type"], 0.0) + float(row["total_self_time"]) / 1e6
    return longest(seconds, steps)


def _op_rows(tables: Any) -> list[dict]:
    """The rows of operations, without threads that wait."""
    rows = _table([tables] if isinstance(tables, dict) else tables, "total_self_time")
    return [row for row in rows if row["type"] != IDLE]


def kind(type_name: str, operation: str) -> str:
    """What kind of work an operation does, in the field's words."""
    text = f"{type_name} {operation}"
    return next((name for name, pattern in KINDS if re.search(pattern, text)), OTHER)


def _work(rows: Iterable[dict], steps: int) -> list[dict]:
    """The same by kind of work, each with the layer that takes most of it."""
    seconds: dict[str, float] = {}
    layers: dict[str, dict[str, float]] = {}
    for row in rows:
        name, own = kind(row["type"], row["operation"]), float(row["total_self_time"]) / 1e6
        seconds[name] = seconds.get(name, 0.0) + own
        of_kind = layers.setdefault(name, {})
        of_kind[layer(row["operation"])] = of_kind.get(layer(row["operation"]), 0.0) + own
    slowest = {name: max(of_kind, key=lambda name: of_kind[name]) for name, of_kind in layers.items()}
    return [{**work, "layer": slowest[work["name"]]} for work in longest(seconds, steps)]


def layer(operation: str) -> str:
    """The layer in an operation's path: `conv2d_6` of `StatefulPartitionedCall/gradient_tape/model/conv2d_6/Mul`."""
    parts = [part for part in operation.split("/") if part not in CALLS and not re.search(r"[^\w.]", part)]
    return parts[1] if len(parts) > 2 else ""


def _data_ops(tables: Any, steps: int) -> list[dict]:
    """Operations of the input pipeline: their own time in a step."""
    seconds: dict[str, float] = {}
    for row in _table(tables, "selfTimeInMs"):
        name = row["opName"].rpartition("::")[2].partition("[")[0]
        seconds[name] = seconds.get(name, 0.0) + float(row["selfTimeInMs"]) / 1000
    return longest(seconds, steps)


def longest(seconds: dict[str, float], steps: int) -> list[dict]:
    """What took longest of the seconds of some steps: `name`, `seconds` in a step, and `share` of all."""
    total = sum(seconds.values())
    ordered = sorted(seconds.items(), key=lambda item: -item[1])[:MOST_OPS]
    return [{"name": name, "seconds": value / steps, "share": value / total} for name, value in ordered if total]


def _peak(profile: Any) -> int | None:
    """Most memory of any allocator."""
    allocators = profile.get("memoryProfilePerAllocator", {}) if isinstance(profile, dict) else {}
    peaks = [
        int(shot["aggregationStats"]["peakBytesInUse"])
        for allocator in allocators.values()
        for shot in allocator.get("memoryProfileSnapshots", ())
    ]
    return max(peaks, default=0) or None


def _suggestions(tables: Any) -> list[str]:
    """What XProf itself says of the step, as plain text: its markup is taken out, each sentence stands once.

    Its lists of links are left out: they are the same for every trace.
    """
    said = [table.get("p") or {} for table in tables if isinstance(table, dict)]
    statements = [value for values in said for name, value in values.items() if name.endswith("statement")]
    remarks = [values["remark_text"] for values in said if values.get("remark_text")]
    plain = (re.sub(r"<[^>]*>", "", str(text)) for text in (*statements, *remarks))
    printable = ("".join(sign if sign.isprintable() else " " for sign in text).split() for text in plain)
    return list(dict.fromkeys(" ".join(words) for words in printable if words))
