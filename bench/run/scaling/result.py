"""What one group of processes gave: the result, its rate, and how losses are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.results.cell import Cell
from bench.results.result import Result
from flowers_core.errors import InputError, one_of

WEAK, STRONG = "weak", "strong"
SCALING = {
    WEAK: "each replica has the same batch, so that the global batch grows with them",
    STRONG: "the replicas split the same global batch",
}

LOSS_TOLERANCE = 1e-3
"""How far losses may differ after three steps, relatively: sums in another order round differently, and Adam, which
divides a gradient by its own size, makes steps of full size of that. Backends agree with each other as closely."""


@dataclass(frozen=True, kw_only=True)
class ScalingResult(Result):
    """What one group of fresh processes gave.

    Attributes:
        campaign: Marks those that belong together.
        cell: What was trained; its batch is the global one.
        scaling: One of `SCALING`.
        workers: Training workers, each of which stands for a host.
        replicas: Of each worker.
        round: Which of the rounds of fresh groups, from 0.
        device: What the device calls itself.
        shares_cores: Whether replicas share the cores of a machine: they stand in for devices of their own, and no
            speed can be gained.
        first_step_seconds: Of the step that compiles.
        warmup_steps: Steps that were thrown away.
        steady: Whether the warm-up ended because steps were steady.
        step_seconds: Wall time of each timed step.
        step_cpu_seconds: CPU seconds of these steps in the first process alone.
        foreign_cpu_share: Share of this machine's CPU time that other programs used meanwhile.
        checked_batch: Global batch of the steps whose losses are compared, the same for all groups; 0 for none.
        losses: Running loss after each of three steps from the same weights, without dropout and with batch
            normalisation by its moving statistics.
    """

    KIND = "scaling"
    FORMAT = 1  # groups of processes and replicas: step times, losses (2026-11)

    campaign: str
    cell: Cell
    scaling: str = WEAK
    workers: int = 1
    replicas: int = 1
    round: int = 0
    device: str = ""
    shares_cores: bool = False
    first_step_seconds: float | None = None
    warmup_steps: int = 0
    steady: bool | None = None
    step_seconds: tuple[float, ...] = ()
    step_cpu_seconds: tuple[float, ...] = ()
    foreign_cpu_share: float | None = None
    checked_batch: int = 0
    losses: tuple[float, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        one_of("scaling", self.scaling, SCALING)
        if min(self.workers, self.replicas) < 1 or not all(seconds > 0 for seconds in self.step_seconds):
            raise InputError("A group has at least one worker, one replica, and steps that take time")

    @property
    def total(self) -> int:
        """How many replicas share the global batch."""
        return self.workers * self.replicas

    @property
    def images_per_second(self) -> float | None:
        """Of all replicas together, at the median step."""
        return self.cell.batch_size / median(self.step_seconds) if self.step_seconds else None

    @property
    def frameworks(self) -> Sequence[str]:
        """Packages whose versions its origin names."""
        return self.cell.frameworks


def loss_difference(losses: Sequence[float], reference: Sequence[float]) -> float:
    """The largest relative difference of losses, step by step."""
    pairs = zip(losses, reference, strict=False)  # a loss of 0 has nothing to be relative to
    return max((abs(loss - other) / (abs(other) or 1.0) for loss, other in pairs), default=0.0)
