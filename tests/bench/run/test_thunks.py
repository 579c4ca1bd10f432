"""Operations of XLA on a CPU, from traces made by hand."""

import pytest

from bench.run import thunks, xprof
from bench.run.wire import field

MS = 10**9  # in picoseconds
STATISTICS = ("hlo_op", "hlo_module", "Hlo Proto")
MODULE = "jit_train_step"
INSTRUCTIONS = {
    "convolution.1": ("convolution", "jit(train_step)/jvp(conv1)/conv_general_dilated"),
    "convolution.2": ("convolution", "jit(train_step)/transpose(jvp(conv1))/conv_general_dilated"),
    "while.3": ("while", "jit(train_step)/jvp(conv1)/while"),
    "copy.4.clone": ("copy", ""),
    "wrapped.5": ("fusion", ""),
    "iota.7": ("iota", ""),
}
WITHIN = 9  # number of the computation that the fusion calls


def text(number, value):
    return field(number, value.encode())


def entry(number, key, *parts):
    return field(number, field(1, key) + field(2, field(1, key) + b"".join(parts)))


def module():
    """A program, as the profiler keeps it."""

    def instruction(number, name, opcode, path, *further):
        parts = (text(1, name), text(2, opcode), field(7, text(2, path)), field(35, number), *further)
        return field(2, b"".join(parts))

    fused = instruction(1, "add.6", "add", "jit(train_step)/adam/add")
    further = {"wrapped.5": field(38, bytes([WITHIN])), "convolution.2": field(36, bytes([6]))}  # it uses the iota
    instructions = b"".join(
        instruction(number, name, opcode, path, further.get(name, b""))
        for number, (name, (opcode, path)) in enumerate(INSTRUCTIONS.items(), 1)
    )
    return field(1, text(1, MODULE) + field(3, instructions) + field(3, fused + field(5, WITHIN)))


def event(kind, start, duration, **statistics):
    parts = [field(1, kind), field(2, start), field(3, duration)]
    keys = {name: number for number, name in enumerate(STATISTICS, 1)}
    parts += [field(4, field(1, keys[name]) + text(5, value)) for name, value in statistics.items()]
    return field(4, b"".join(parts))


@pytest.fixture
def trace(tmp_path):
    """A trace in which two threads run some thunks: the first ends its own, the second ends one of the first's late."""
    names = [entry(5, number, text(2, name)) for number, name in enumerate(STATISTICS, 1)]
    programs = text(2, "/host:metadata") + b"".join(names)
    programs += entry(4, 1, text(2, f"{MODULE}(7)"), field(5, field(1, 3) + field(6, module())))
    kinds = [*INSTRUCTIONS, *(f"end: {name}" for name in INSTRUCTIONS)]
    numbers = {name: number for number, name in enumerate(kinds, 1)}

    def begin(name, start, duration):
        return event(numbers[name], start * MS, duration * MS, hlo_op=name, hlo_module=MODULE)

    def end(name, at):
        return event(numbers[f"end: {name}"], at * MS, 0)

    first = field(3, 1) + begin("convolution.1", 0, 1) + begin("while.3", 5, 20) + begin("copy.4.clone", 6, 2)
    first += end("copy.4.clone", 8) + begin("convolution.1", 30, 1)
    second = field(3, 1) + end("convolution.1", 4) + begin("convolution.2", 10, 3) + end("convolution.1", 36)
    second += begin("wrapped.5", 50, 7) + begin("iota.7", 60, 2)
    events = [entry(4, number, text(2, name)) for name, number in numbers.items()]
    work = text(2, "/host:CPU") + b"".join([*names, *events, field(3, first), field(3, second)])
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(field(1, programs) + field(1, work))
    return path


def test_rows_take_each_thunk_from_its_beginning_to_its_end(trace):
    """On whichever thread it ends; what calls others takes no time of its own."""
    seconds = {(row["type"], row["operation"]): row["total_self_time"] / 1000 for row in thunks.rows([trace])}

    assert seconds == {
        ("conv_general_dilated", "model/conv1/conv_general_dilated"): pytest.approx(4 + 6),
        ("conv_general_dilated", "gradient_tape/model/conv1/conv_general_dilated"): pytest.approx(3),
        ("copy", "copy"): pytest.approx(2),
        ("add", "adam/add"): pytest.approx(7),
        ("iota", "gradient_tape/model/conv1/iota"): pytest.approx(2),
    }


@pytest.mark.parametrize(
    ("path", "tidied", "kind"),
    [
        ("jit(f)/jit(main)/jvp(fire2)/conv_general_dilated", "model/fire2/conv_general_dilated", "convolutions"),
        (
            "jit(f)/transpose(jvp(fire2))/conv_general_dilated",
            "gradient_tape/model/fire2/conv_general_dilated",
            "gradients of convolutions",
        ),
        ("jit(f)/jvp(pool)/reduce_window_max", "model/pool/reduce_window_max", "pooling"),
        ("jit(f)/adam/mul", "adam/mul", xprof.OPTIMIZER),
        ("jit(f)/jvp(head)/jit(act)/dot_general", "model/head/dot_general", "matrix products"),
        ("", "", xprof.OTHER),
    ],
)
def test_tidy_leaves_layers(path, tidied, kind):
    """What transformed a function is no layer; kinds of work are those of TensorFlow's operations."""
    assert thunks.tidy(path) == tidied
    assert xprof.kind(tidied.rpartition("/")[2], tidied) == kind


def test_rows_of_other_traces_are_none(tmp_path):
    """A trace without thunks has none."""
    path = tmp_path / "host.xplane.pb"
    path.write_bytes(field(1, text(2, "/host:CPU")))

    assert thunks.rows([path]) == []
