"""What one pair of processes says of base against candidate: what verdicts are made from."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.results.result import Result
from flowers_core.errors import InputError

CLOCKS = ("wall", "cpu")
INSTRUCTIONS = "instructions"  # a third clock, where the machine counts them


class Sample(NamedTuple):
    """The timing of one block: some steps in a row while the other process waits.

    Attributes:
        steps: How many.
        wall_seconds: Elapsed time of all of them.
        cpu_seconds: CPU time, see `cpu_time.cpu_seconds`.
        delay_seconds: How long its threads were ready to run and had no core, as the kernel counts it.
        instructions: What its threads and processes executed in user space; 0 where that was not counted.
    """

    steps: int
    wall_seconds: float
    cpu_seconds: float
    delay_seconds: float
    instructions: int = 0

    def step_seconds(self, clock: str) -> float:
        """Seconds a step on one clock; or its instructions."""
        if clock == INSTRUCTIONS:
            return self.instructions / self.steps
        return (self.wall_seconds if clock == "wall" else self.cpu_seconds) / self.steps


@dataclass(frozen=True, kw_only=True)
class PairResult(Result):
    """What one pair of fresh processes, base and candidate in turn, says.

    Attributes:
        comparison: Marks the comparison it belongs to.
        pair: Marks the pair of processes; results of one pair differ in what was injected.
        cell: Id of the cell, as the comparison calls it.
        base: What ran as base: `name`, `cell`, `digest` of the code, `commit`, `environment`; or `name`, `command`,
            `prepare` and `metric`, whose cost takes the place of wall seconds.
        candidate: What ran as candidate, likewise.
        injection: What was done to the candidate on purpose: `kind` and `share`; `none` and 0 outside a validation.
        order: Which process ran each block, e.g. `ABBABAAB`; A is the base.
        base_samples: Its blocks; the i-th and the candidate's i-th are neighbours in time.
        candidate_samples: The candidate's blocks.
        seconds: How long it took in all.
        foreign_cpu_share: Share of the machine's CPU time that others used during the blocks.
        load: Name of the load that ran beside it on purpose; empty for none.
        margin: Within which its comparison calls two the same; None outside a comparison, and in older results.
    """

    KIND = "pairs"
    FORMAT = 1  # both variants with their samples, order, injection, load, machine (2026-11)
    KEYS = MappingProxyType({**Result.KEYS, "injection": "plant"})

    comparison: str
    pair: str
    cell: str
    base: dict
    candidate: dict
    injection: dict = field(default_factory=lambda: {"kind": "none", "share": 0.0})
    order: str = ""
    base_samples: tuple[Sample, ...] = ()
    candidate_samples: tuple[Sample, ...] = ()
    seconds: float = 0.0
    foreign_cpu_share: float | None = None
    load: str = ""
    margin: float | None = None

    @property
    def identical(self) -> bool:
        """Whether base and candidate were the same cell, and nothing was injected: whatever differs is noise."""
        same = "cell" in self.base and all(
            self.base.get(name) == self.candidate.get(name) for name in ("cell", "digest", "environment")
        )
        return same and self.injection["kind"] == "none"

    @property
    def is_counted(self) -> bool:
        """Whether the instructions of all blocks were counted."""
        return all(block.instructions > 0 for block in (*self.base_samples, *self.candidate_samples))

    def step_seconds(self, name: str, clock: str) -> list[float]:
        """Seconds a step, or instructions, of each block of `base` or `candidate`."""
        samples = self.base_samples if name == "base" else self.candidate_samples
        return [sample.step_seconds(clock) for sample in samples]

    def check(self) -> None:
        """Checks that the blocks are neighbours and took time.

        Raises:
            InputError: If not.
        """
        blocks = (*self.base_samples, *self.candidate_samples)
        timed = all(block.steps > 0 and min(block.wall_seconds, block.cpu_seconds) > 0 for block in blocks)
        if self.status == "ok" and not (timed and len(self.base_samples) == len(self.candidate_samples)):
            raise InputError(
                f"not a {type(self).__name__}: as many blocks of candidate as of base, each with its times"
            )
        if "kind" not in self.injection:
            raise InputError(f"not a {type(self).__name__}: `{self.KEYS['injection']}` without its kind")

    def to_json(self) -> dict[str, Any]:
        """Gives plain values, times to six digits; `from_json` is the way back."""
        values = super().to_json()
        for name in ("base_samples", "candidate_samples"):
            values[name] = [
                [steps, *(float(f"{value:.6g}") for value in seconds), *([instructions] if instructions else [])]
                for steps, *seconds, instructions in values[name]
            ]
        return values
