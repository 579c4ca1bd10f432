"""What one process measured of one cell: the result that everything else is made from."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.machine.variables import HIDDEN
from bench.results.cell import NO_MODEL, Cell
from bench.results.result import Result, folders
from flowers_core.errors import InputError

SHORTEST = 1e-9  # seconds: no clock tells less
PROGRAMS = ("forward", "gradients", "step")
"""Each does what the one before it does, and more; see `bench.results.parts`."""


@dataclass(frozen=True, kw_only=True)
class Measurement(Result):
    """What one process measured of one cell.

    Attributes:
        cell: What was measured.
        process_seconds: Life of the process from its start, imports and compilation included: what a plan costs.
        build_seconds: Building and compiling the model in Keras, or the pipeline.
        first_step_seconds: The first step, which compiles, or call of several; for a pipeline the first batch.
        warmup_steps: Steps thrown away, or calls of several, the first one among them.
        steady: Whether the warm-up ended because the step was steady.
        images_per_step: Images that one timed step handles.
        step_seconds: Wall time of each timed step; of steps that wait for bursts of input, or that one call runs, the
            mean of several.
        step_cpu_seconds: CPU time of the same, see `cpu_time.cpu_seconds`.
        step_wait_seconds: How long each waited for its batch; empty where nothing is fed, or it is unknown.
        images_per_second: `images_per_step` over the median of `step_seconds`.
        peak_bytes: Most memory that the process held (its resident set), with the processes that make its batches.
        device_peak_bytes: Most memory that it held on the accelerator; None on a CPU.
        copy_seconds: Copying one batch from the host to the accelerator, measured apart; None on a CPU.
        accelerator: What NVML says of the GPU while the steps were timed, see `bench.machine.nvml.Watch`; else empty.
        cost: Of one image, `gflops` and `gigabytes` moved, see `flowers_core.train.flops.step_cost`, and the
            `float32_format` of the device; empty where no rule counts a layer of the model.
        loss: Keras' running mean of the loss over all steps, warm-up included; None where nothing was trained.
        loss_finite: Whether it is a number; None likewise.
        foreign_cpu_share: Share of this machine's CPU time that others used while the steps were timed.
        trace: What a profiler trace of further steps says, see `bench.run.profiler_trace.Trace`; empty where none was
            taken.
        detail: Where asked for, `forward_seconds`, `backward_seconds` and `optimizer_seconds` of the step, those
            `below_noise`, and the `rounds` that say so, see `bench.results.parts`; or the `reason` why there are none.
        sweep: Id of the sweep it belongs to; empty for a single measurement.
        round: Which of the sweep's rounds of fresh processes, from 0.
    """

    KIND = "measurements"
    FORMAT = 1  # cell, status, both clocks, memory, loss, machine, code, load, sweep and round (2026-11)

    cell: Cell
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
    copy_seconds: float | None = None
    accelerator: dict = field(default_factory=dict)
    cost: dict = field(default_factory=dict)
    loss: float | None = None
    loss_finite: bool | None = None
    foreign_cpu_share: float | None = None
    trace: dict = field(default_factory=dict)
    detail: dict = field(default_factory=dict)
    sweep: str = ""
    round: int = 0

    @property
    def batches_per_step(self) -> int:
        """How many batches one timed step draws: 1 with a model, several for a pipeline alone."""
        return self.images_per_step // self.cell.batch_size if self.cell.model == NO_MODEL else 1

    @property
    def command(self) -> str:
        """What measures it again, with the variables that decided its figure."""
        chosen = self.machine.get("environment", {}).items()
        variables = "".join(f"{name}={shlex.quote(value)} " for name, value in chosen if value != HIDDEN)
        return (
            variables
            + self.cell.command
            + folders(self.data, reads=[self.cell.reads], image_size=self.cell.image_size)
            + " --detail" * bool(self.detail)
        )

    @property
    def frameworks(self) -> Sequence[str]:
        """Keras, the backend of a step, and TensorFlow where a pipeline feeds it."""
        return self.cell.frameworks

    def check(self) -> None:
        """Checks that what is said to have gone well has figures.

        Raises:
            InputError: If not.
        """
        times = self.first_step_seconds is not None and self.step_seconds and self.step_cpu_seconds
        if self.status == "ok" and not (times and self.batches_per_step):
            raise InputError(f"not a {type(self).__name__}: `ok` without times of steps")
        if self.status == "ok" and min(self.step_seconds) < SHORTEST:
            raise InputError(f"not a {type(self).__name__}: steps take time. Received: {min(self.step_seconds)} s")
        if self.detail and not (isinstance(self.detail.get("reason"), str) or _are_rounds(self.detail.get("rounds"))):
            raise InputError(
                f"not a {type(self).__name__}: `detail` without a reason or rounds, as many times of each of "
                f"{', '.join(PROGRAMS)}"
            )

    def to_json(self) -> dict[str, Any]:
        """Gives plain values for one line of the store, the cell's id among them for whoever searches it."""
        return {**super().to_json(), "cell_id": self.cell.id}


def _are_rounds(rounds: object) -> bool:
    """Whether programs were timed equally often, at least once."""
    if not isinstance(rounds, dict) or any(not isinstance(rounds.get(name), list) for name in PROGRAMS):
        return False
    times = [rounds[name] for name in PROGRAMS]
    taken = all(
        isinstance(seconds, int | float) and SHORTEST <= seconds < float("inf") for each in times for seconds in each
    )
    return taken and len({len(each) for each in times}) == 1 and len(times[0]) > 0


def rate(images_per_step: int, step_seconds: tuple[float, ...]) -> float:
    """Images a second: the median step's."""
    return images_per_step / median(step_seconds)
