"""What one pair of processes says of base against candidate: the record that verdicts are made from."""

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from bench.results.measurement import RULER, known, readable
from flowers_core.errors import one_of

# 1: both sides with their samples, order, plant, load, machine (2026-11).
FORMAT = 1

STATUSES = ("ok", "error")
CLOCKS = ("wall", "cpu")


class Sample(NamedTuple):
    """One turn of one process: some steps in a row while the other process waits.

    Attributes:
        steps: How many.
        wall_seconds: Elapsed time of all of them.
        cpu_seconds: CPU time, see `cpu_time.cpu_seconds`.
        delay_seconds: How long its threads were ready to run and had no core, as the kernel counts it.
    """

    steps: int
    wall_seconds: float
    cpu_seconds: float
    delay_seconds: float

    def step_seconds(self, clock: str) -> float:
        """Seconds a step on one clock."""
        return (self.wall_seconds if clock == "wall" else self.cpu_seconds) / self.steps


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What one pair of fresh processes, base and candidate in turns, says.

    Attributes:
        comparison: Marks the comparison it belongs to.
        pair: Marks the pair of processes; units of one pair differ in what was planted.
        cell: Id of the cell, as the comparison calls it.
        base: What ran as base: `name`, `cell`, `digest` of the code, `commit`, `environment`.
        candidate: What ran as candidate, likewise.
        plant: What was done to the candidate on purpose: `kind` and `share`; `none` and 0 outside a proof.
        order: Whose turn it was, e.g. `ABBABAAB`; A is the base.
        base_samples: Its turns; the i-th and the candidate's i-th stand side by side in time.
        candidate_samples: The candidate's turns.
        status: `ok`, or `error` where a process died: such a unit is counted and not used.
        reason: How it died.
        started: Date and time, ISO 8601 in UTC.
        seconds: How long it took in all.
        foreign_cpu_share: Share of the machine's CPU time that others used during the turns.
        machine: Fingerprint of the machine and its software, see `bench.machine.facts`.
        load: Name of the load that ran beside it on purpose; empty for none.
        margin: Within which its comparison calls two the same; None outside a comparison, and in older units.
        ruler: Version of how we measure.
        format: `FORMAT` when it was written.
    """

    comparison: str
    pair: str
    cell: str
    base: dict
    candidate: dict
    plant: dict = field(default_factory=lambda: {"kind": "none", "share": 0.0})
    order: str = ""
    base_samples: tuple[Sample, ...] = ()
    candidate_samples: tuple[Sample, ...] = ()
    status: str = "ok"
    reason: str = ""
    started: str = ""
    seconds: float = 0.0
    foreign_cpu_share: float | None = None
    machine: dict = field(default_factory=dict)
    load: str = ""
    margin: float | None = None
    ruler: str = RULER
    format: int = FORMAT

    def __post_init__(self):
        one_of("status", self.status, STATUSES)

    @property
    def identical(self) -> bool:
        """Whether base and candidate were the same, and nothing was planted: whatever differs is noise."""
        same = all(self.base.get(name) == self.candidate.get(name) for name in ("cell", "digest", "environment"))
        return same and self.plant["kind"] == "none"

    def step_seconds(self, side: str, clock: str) -> list[float]:
        """Seconds a step of each turn of `base` or `candidate`."""
        samples = self.base_samples if side == "base" else self.candidate_samples
        return [sample.step_seconds(clock) for sample in samples]

    def to_json(self) -> dict:
        """Plain values; `from_json` is the way back."""
        values = asdict(self)
        for side in ("base_samples", "candidate_samples"):
            values[side] = [[steps, *(float(f"{value:.6g}") for value in rest)] for steps, *rest in values[side]]
        return values


def from_json(values: dict) -> Unit:
    """Reads what `Unit.to_json` gave.

    Raises:
        InputError: If a newer program wrote it, or if it lacks what every unit has.
    """
    with readable("not a unit"):
        given = known(values, Unit, newest=FORMAT)
        for side in ("base_samples", "candidate_samples"):
            given[side] = tuple(Sample(*sample) for sample in given[side])
        return Unit(**given)
