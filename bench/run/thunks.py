"""Operations of XLA on a CPU, which XProf does not count: what a step computes, by the layer that asked for it.

XLA:CPU runs a program as thunks, each an operation or a fusion of several. The profiler sees each begin, an event with
the statistics `hlo_op` and `hlo_module`, and end, an event `end: NAME` on whichever thread ended it; between both a
thunk works or waits for a thread. The program stands in the trace, too (`/host:metadata`), and says which operation of
the framework each came from: `jit(train_step)/transpose(jvp(fire3_squeeze))/conv_general_dilated`. A fusion goes by its
last operation; what came from none goes by what uses it. Source: thunk_executor.cc, hlo.proto, xplane.proto of XLA and
XProf.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.run.wire import by_number, fields, varints

PROGRAMS, HLO_PROTO = "/host:metadata", "Hlo Proto"
OPERATION, MODULE, END = "hlo_op", "hlo_module", "end: "
CALLING = ("while", "call", "conditional", "async-start", "async-done")  # they take what those inside them take
BACKWARD = "gradient_tape"  # as TensorFlow calls it
INSTANCE = re.compile(r"\(\d+\)$")  # of a program, behind its name
NUMBER = re.compile(r"(\.\d+|\.clone)+$")
WRAPPED = re.compile(r"(\w+)\((.*)\)")
DIFFERENTIATED = "jvp("
CALLS = ("jit", "pjit", "closed_call", "checkpoint", "custom_jvp_call", "custom_vjp_call")


@dataclass(frozen=True)
class Instruction:
    """An instruction of a program: its kind, and the path of the framework's operation that it came from."""

    name: str
    opcode: str
    path: str


@dataclass(frozen=True)
class _Plane:
    """A plane of a trace: names by number, and what stands below it as bytes."""

    name: str
    events: dict[int, bytes]
    statistics: dict[int, str]
    lines: list[bytes]


def rows(paths: Sequence[Path]) -> list[dict]:
    """Operations as XProf's table of them has them: `type`, `operation` (a path) and `total_self_time` (µs).

    Args:
        paths: A trace's `.xplane.pb` files, one a host.
    """
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for path in paths:
        planes = list(_planes(path.read_bytes()))
        programs: dict[str, dict[str, Instruction]] = {}
        for plane in planes:
            if plane.name == PROGRAMS:
                programs |= dict(_programs(plane))
        for plane in planes:
            for module, name, duration in _thunks(plane):
                instruction = programs.get(module, {}).get(name)
                if instruction is None or instruction.opcode not in CALLING:
                    seconds[_describe(name, instruction)] += duration
    return [
        {"type": kind, "operation": path, "total_self_time": total * 1e6} for (kind, path), total in seconds.items()
    ]


def _planes(trace: bytes) -> Iterator[_Plane]:
    for plane in by_number(trace)[1]:
        parts = by_number(plane)
        events, statistics = ([dict(fields(entry)) for entry in parts[number]] for number in (4, 5))
        yield _Plane(
            name=_text(plane, 2),
            events={entry.get(1, 0): entry.get(2, b"") for entry in events},
            statistics={entry.get(1, 0): _text(entry.get(2, b""), 2) for entry in statistics},
            lines=parts[3],
        )


def _text(message: bytes, wanted: int) -> str:
    return next((value.decode(errors="replace") for number, value in fields(message) if number == wanted), "")


def _thunks(plane: _Plane) -> Iterator[tuple[str, str, float]]:
    """Program, instruction and seconds of each thunk of a plane, from its beginning to its end."""
    names = {number: _text(known, 2) for number, known in plane.events.items()}
    begun: list[tuple[int, int, str, str]] = []
    ended: dict[str, list[int]] = defaultdict(list)
    for line in plane.lines:
        parts = by_number(line)
        start = 1000 * next(iter(parts[3]), 0)
        for event in parts[4]:
            name, offset, duration, statistics = _event(event, names)
            if name.startswith(END):
                ended[name.removeprefix(END)].append(start + offset + duration)
            elif statistics:
                known = {plane.statistics.get(key, ""): _value(stat, plane) for key, stat in statistics}
                if OPERATION in known:
                    begun.append((start + offset, duration, str(known[OPERATION]), str(known.get(MODULE, ""))))
    ends = {name: deque(sorted(times)) for name, times in ended.items()}
    for at, duration, name, module in sorted(begun):
        waiting = ends.get(name, deque())
        while waiting and waiting[0] < at:
            waiting.popleft()
        end = max(at + duration, waiting.popleft()) if waiting else at + duration
        yield INSTANCE.sub("", module), name, (end - at) / 1e12


def _event(message: bytes, names: dict[int, str]) -> tuple[str, int, int, list[tuple[int, bytes]]]:
    """Name, offset and duration in picoseconds, and statistics of an event, each by its number."""
    parts = by_number(message)
    number, offset, duration = (parts[part][-1] if parts[part] else 0 for part in (1, 2, 3))
    statistics = [(next(iter(by_number(statistic)[1]), 0), statistic) for statistic in parts[4]]
    return names.get(number, ""), offset, duration, statistics


def _value(statistic: bytes, plane: _Plane) -> Any:
    """What a statistic holds: a text, one that stands elsewhere, a number or bytes."""
    for number, value in fields(statistic):
        if number == 5:
            return value.decode(errors="replace")
        if number == 7:
            return plane.statistics.get(value, "")
        if number > 1:
            return value
    return ""


def _programs(plane: _Plane) -> Iterator[tuple[str, dict[str, Instruction]]]:
    """Name and instructions of each program of a trace."""
    for known in plane.events.values():
        for statistic in by_number(known)[5]:
            key = next(iter(by_number(statistic)[1]), 0)
            if plane.statistics.get(key) == HLO_PROTO:
                for module in by_number(_value(statistic, plane))[1]:
                    yield _text(module, 1), dict(_instructions(module))


@dataclass
class _Known:
    """What a program says of an instruction: its numbers are those of others."""

    instruction: Instruction
    calls: list[int]
    operands: list[int]


def _instructions(module: bytes) -> Iterator[tuple[str, Instruction]]:
    """Each by its name; what tells of no operation counts for the layer that uses what it gives."""
    computations = dict(map(_computation, by_number(module)[3]))
    for found in computations.values():
        for known in found.values():
            within = [part.instruction for key in known.calls for _, part in sorted(computations.get(key, {}).items())]
            if not known.instruction.path and within:
                kinds = [part.opcode for part in within if part.opcode != "parameter"]
                paths = [part.path for part in within if part.path]
                opcode = kinds[-1] if kinds and known.instruction.opcode == "fusion" else known.instruction.opcode
                known.instruction = replace(known.instruction, opcode=opcode, path=paths[-1] if paths else "")
        operands, users = {number: known.operands for number, known in found.items()}, defaultdict(list)
        for number, used in operands.items():
            for operand in used:
                users[operand].append(number)
        for number, known in found.items():
            path = known.instruction.path or _path_beside(number, found, users, operands)
            yield known.instruction.name, replace(known.instruction, path=path)


def _path_beside(
    number: int, found: dict[int, _Known], users: dict[int, list[int]], operands: dict[int, list[int]]
) -> str:
    """The path of what uses an instruction, else of what it uses, the nearest first, ending in its own kind.

    A layer comes first: what an optimizer uses is the gradient of one.
    """
    near = [path for path in (_nearest(number, found, users), _nearest(number, found, operands)) if path]
    path = next((path for path in near if DIFFERENTIATED in path), near[0] if near else "")
    return f"{path.rpartition('/')[0]}/{found[number].instruction.opcode}" if path else ""


def _nearest(number: int, found: dict[int, _Known], beside: dict[int, list[int]]) -> str:
    waiting, seen = deque([number]), {number}
    while waiting:
        current = waiting.popleft()
        if current in found and (path := found[current].instruction.path):
            return path
        fresh = [key for key in beside.get(current, ()) if key not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return ""


def _computation(message: bytes) -> tuple[int, dict[int, _Known]]:
    """Number and instructions of a computation, these by their numbers."""
    values, found = by_number(message), dict[int, _Known]()
    for value in values[2]:
        parts = dict(fields(value))
        name, opcode = (parts.get(part, b"").decode(errors="replace") for part in (1, 2))
        calls, operands = (_numbers(parts.get(part, b"")) for part in (38, 36))
        instruction = Instruction(name, opcode, _text(parts.get(7, b""), 2))
        found[parts.get(35, len(found))] = _Known(instruction, calls, operands)
    return next(iter(values[5]), 0), found


def _numbers(value: bytes | int) -> list[int]:
    """A field of whole numbers, packed or not."""
    return [value] if isinstance(value, int) else list(varints(value))


def _describe(name: str, instruction: Instruction | None) -> tuple[str, str]:
    """Type and path of an operation, its layers as TensorFlow's paths have them."""
    path = tidy(instruction.path) if instruction else ""
    kind = path.rpartition("/")[2] or NUMBER.sub("", name)
    return kind, path or kind


def tidy(path: str) -> str:
    """A path as JAX gives it, without what transformed it, as TensorFlow's are: model, layer, operation.

    `jit(f)/transpose(jvp(fire3))/conv` is `gradient_tape/model/fire3/conv`: JAX names the layers alone.
    """
    parts, wrappers = [], set[str]()
    for part in re.split(r"/(?![^(]*\))", path):
        inner = part
        while match := WRAPPED.fullmatch(inner):
            wrappers.add(match[1])
            inner = "" if match[1] in CALLS else match[2]
        if inner:
            parts.append(inner)
    model = ["model"] if "jvp" in wrappers and parts else []
    return "/".join([*([BACKWARD] if "transpose" in wrappers else []), *model, *parts])
