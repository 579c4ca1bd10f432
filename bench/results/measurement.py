"""What one process measured of one cell: the record that everything else is made from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from statistics import median

from bench.results.cell import NO_MODEL, Cell
from flowers_core.errors import InputError, one_of

# Goes up when a change of how we measure moves figures; part of every asv version, so that history breaks there.
RULER = "2"

# 1: cell, status, both clocks, memory, loss, machine, code, load, sweep and round (2026-11).
FORMAT = 1

# n/a: makes no sense or is not to be had here. The others: it was tried and failed.
STATUSES = ("ok", "n/a", "oom", "timeout", "crash", "error")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What one process measured of one cell.

    Attributes:
        cell: What was measured.
        status: One of `STATUSES`.
        reason: Why, where the status is not `ok`.
        started: Date and time, ISO 8601 in UTC.
        process_seconds: Life of the process from its start, imports and compilation included: what a plan costs.
        build_seconds: Building and compiling the model in Keras, or the pipeline.
        first_step_seconds: The first step, which compiles; for a pipeline the first batch.
        warmup_steps: Steps thrown away, the first one among them.
        steady: Whether the warm-up ended because the step was steady.
        images_per_step: Images that one timed step handles.
        step_seconds: Wall time of each timed step; of steps that wait for bursts of input the mean of several.
        step_cpu_seconds: CPU time of the same, see `cpu_time.cpu_seconds`.
        step_wait_seconds: How long each waited for its batch; empty where nothing is fed, or it cannot be told.
        images_per_second: `images_per_step` over the median of `step_seconds`.
        peak_bytes: Most memory that the process held (its resident set), with the processes that make its batches.
        device_peak_bytes: Most memory that it held on the accelerator; None on a CPU.
        loss: Keras' running mean of the loss over all steps, warm-up included; None where nothing was trained.
        loss_finite: Whether it is a number; None likewise.
        foreign_cpu_share: Share of this machine's CPU time that others used while the steps were timed.
        trace: What a profiler trace of further steps says, see `bench.run.profiler_trace.Trace`; empty where none was
            taken.
        data: Where the images came from, how many there are; empty for a resident batch.
        machine: Fingerprint of the machine and its software, see `bench.machine.facts`.
        code: Git state and digest of the code under test, see `bench.machine.facts.code`.
        sweep: Id of the sweep it belongs to; empty for a single measurement.
        round: Which of the sweep's rounds of fresh processes, from 0.
        ruler: `RULER` when it was measured.
        format: `FORMAT` when it was written.
    """

    cell: Cell
    status: str
    reason: str = ""
    started: str = ""
    process_seconds: float = 0.0
    build_seconds: float | None = None
    first_step_seconds: float | None = None
    warmup_steps: int = 0
    steady: bool | None = None
    images_per_step: int = 0
    step_seconds: tuple[float, ...] = ()
    step_cpu_seconds: tuple[float, ...] = ()
    step_wait_seconds: tuple[float, ...] = ()
    images_per_second: float | None = None
    peak_bytes: int | None = None
    device_peak_bytes: int | None = None
    loss: float | None = None
    loss_finite: bool | None = None
    foreign_cpu_share: float | None = None
    trace: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    machine: dict = field(default_factory=dict)
    code: dict = field(default_factory=dict)
    sweep: str = ""
    round: int = 0
    ruler: str = RULER
    format: int = FORMAT

    def __post_init__(self):
        one_of("status", self.status, STATUSES)

    @property
    def batches_per_step(self) -> int:
        """How many batches one timed step draws: 1 with a model, several for a pipeline alone."""
        return self.images_per_step // self.cell.batch_size if self.cell.model == NO_MODEL else 1

    def to_json(self) -> dict:
        """Plain values, for one line of the store."""
        return {**asdict(self), "cell_id": self.cell.id}


def rate(images_per_step: int, step_seconds: tuple[float, ...]) -> float:
    """Images a second: the median step's."""
    return images_per_step / median(step_seconds)


@contextmanager
def readable(what: str) -> Iterator[None]:
    """While a line of a store is read back: whatever is missing in it or misshapen makes it `what`, an `InputError`."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{what}: {type(error).__name__} {error}") from error


def known(values: dict, record: type, *, newest: int) -> dict:
    """What a line of a store holds of the fields of a record; others are left aside.

    Args:
        values: The line.
        record: The dataclass that it was written from.
        newest: The latest format that this program knows.

    Raises:
        InputError: If a newer program wrote it.
        KeyError: If it names no format.
    """
    if values["format"] > newest:
        kind = record.__name__.lower()
        raise InputError(f"a {kind} of format {values['format']}; this program reads up to {newest}")
    names = {entry.name for entry in fields(record)}
    return {name: value for name, value in values.items() if name in names}


def from_json(values: dict) -> Measurement:
    """Reads what `to_json` gave.

    Raises:
        InputError: If a newer program wrote it, or if it lacks what every measurement has.
    """
    with readable("not a measurement"):
        given = known(values, Measurement, newest=FORMAT)
        given["cell"] = Cell(**given["cell"])
        for name in ("step_seconds", "step_cpu_seconds"):
            given[name] = tuple(given[name])
        given["step_wait_seconds"] = tuple(given.get("step_wait_seconds", ()))  # not in the oldest of format 1
        return Measurement(**given)
