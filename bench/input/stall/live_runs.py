"""The three runs of `stall` on a user's own model and dataset in this very process: alone, resident and fed."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from statistics import fmean, median
from time import perf_counter
from typing import Any

from bench.input.stall.classify import Facts
from bench.input.stall.live_input import FitData, LiveInput, check_batch, draws
from bench.machine.cpu_time import ForeignLoad
from bench.machine.own import resources
from bench.run import input_wait, product, timing
from bench.run.product import InputError
from bench.run.timing import Effort, Timing

LEAST_STEPS = 4  # of each run
MOST_READY = 256  # batches that may lie ready in buffers; drawn before the fed step is timed
READY_SECONDS = 5.0
BURSTY = 2.0  # times the median: the mean of waits from which they come in bursts
RUNS = 4  # the resident step is timed before and after the other two


@dataclass(frozen=True, kw_only=True)
class LiveRuns:
    """What three runs in this process measured.

    Attributes:
        facts: As of three fresh processes, see `classify.Facts`; seconds a batch.
        first_step_seconds: Of the first step, which compiles unless the model was trained before.
        batch_size: Of the first batch.
        steps: Of an epoch; None if unknown.
        passes: How often the dataset began.
        batches: How many it gave in all.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
        seconds: What the runs took.
    """

    facts: Facts
    first_step_seconds: float
    batch_size: int
    steps: int | None
    passes: int
    batches: int
    foreign_cpu_share: float
    seconds: float


class KeptState:
    """All that a training step changes in a model, so that it can be given back."""

    def __init__(self, model: Any):
        import keras
        import numpy as np

        variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
        by_id = {id(variable): variable for variable in variables}
        # Copies: JAX gives the memory of a step's state to the next.
        self._values = [
            (variable, np.array(keras.ops.convert_to_numpy(variable.value), copy=True)) for variable in by_id.values()
        ]

    def restore(self) -> None:
        """Gives every variable its value back."""
        for variable, value in self._values:
            variable.assign(value)


def measure(model: Any, data: FitData, *, seconds: float) -> LiveRuns:
    """Measures a compiled model and its dataset, and leaves weights, optimizer and metrics as they were.

    Args:
        model: A compiled `keras.Model`.
        data: What it trains on.
        seconds: For all timed steps; compiling and warming up come on top.

    Raises:
        InputError: If the model is not compiled, or the dataset gives no batches or ends too soon.
    """
    begun, load = perf_counter(), ForeignLoad()
    _check_model(model)
    source = LiveInput(data)
    batch = next(source)
    check_batch(batch, model)
    source.close()
    _build(model, batch)
    kept = KeptState(model)
    try:
        times = _clock(model, source, batch, kept, Effort(seconds=seconds / RUNS, least_steps=LEAST_STEPS))
    finally:
        kept.restore()
        model.reset_metrics()
    return LiveRuns(
        facts=_facts(times, shares_cores=_computes_on_cpu(model)),
        first_step_seconds=times.before.first_step_seconds,
        batch_size=_batch_size(batch),
        steps=data.steps(),
        passes=source.passes,
        batches=source.drawn,
        foreign_cpu_share=load.share(),
        seconds=perf_counter() - begun,
    )


@dataclass(frozen=True, kw_only=True)
class _Times:
    """Times of the runs, those of the step alone from before and after the other two.

    Attributes:
        before: Of the step alone, the one that compiles among them.
        pipeline: Wall and CPU seconds of a batch of the dataset alone.
        fed: Of the fed step.
        waits: How long each of its calls waited for a batch.
        others: Share of the cores that others used meanwhile.
        after: Of the step alone again.
        calls: Batches of a step: several where the user compiled the model with `steps_per_execution`.
    """

    before: Timing
    pipeline: tuple[float, float]
    fed: Timing
    waits: tuple[float, ...]
    others: float
    after: Timing
    calls: int


def _clock(model: Any, source: LiveInput, batch: Any, kept: KeptState, effort: Effort) -> _Times:
    """Runs the step on a batch at hand, the dataset alone, the fed step, and the step on the batch once more."""
    import keras

    resident = keras.tree.map_structure(
        lambda array: None if array is None else keras.ops.convert_to_tensor(array), batch
    )

    def clock(batches: Iterable) -> Timing:
        kept.restore()
        return timing.clock_steps(_step(model, batches), effort)

    before = clock(repeat(resident))
    pipeline = _clock_alone(source, effort)
    _draw_ready(source, pipeline[0])
    timed = input_wait.TimedDraws(source)
    fed, others = _beside_others(lambda: clock(timed))
    calls = max(1, round(len(timed.seconds) / (fed.warmup_steps + len(fed.step_seconds))))
    waits = input_wait.last_waits(timed, len(fed.step_seconds) * calls)
    source.close()
    after = clock(repeat(resident))
    return _Times(before=before, pipeline=pipeline, fed=fed, waits=waits, others=others, after=after, calls=calls)


def _facts(times: _Times, *, shares_cores: bool) -> Facts:
    """What the times say of a batch."""
    waits, fed = times.waits, times.fed
    centre = fmean if fmean(waits) > BURSTY * median(waits) else median  # most steps of a burst wait for none of it
    both = centre(fed.step_seconds) / times.calls
    return Facts(
        pipeline_seconds=times.pipeline[0],
        step_seconds=centre([*times.before.step_seconds, *times.after.step_seconds]) / times.calls,
        both_seconds=both,
        wait_seconds=min(1.0, sum(waits) / sum(fed.step_seconds)) * both,
        pipeline_cpu_seconds=times.pipeline[1],
        both_cpu_seconds=median(fed.step_cpu_seconds) / times.calls,
        cores=max(1, round(resources.usable_cores())),
        shares_cores=shares_cores,
        foreign_cpu_share=times.others,
    )


def _batch_size(batch: Any) -> int:
    import keras

    return int(keras.tree.flatten(batch)[0].shape[0])


def _beside_others(run: Callable[[], Timing]) -> tuple[Timing, float]:
    """Times of a run, and the share of the cores that others used meanwhile; 0 where some are not ours to use."""
    load = ForeignLoad()
    times = run()
    return times, load.share() if resources.usable_cores() >= (os.cpu_count() or 1) else 0.0


def _check_model(model: Any) -> None:
    if not getattr(model, "compiled", False) or getattr(model, "optimizer", None) is None:
        raise InputError(
            "The model must be compiled, for what is measured is a training step. Received: one that is not. "
            "Call `model.compile(optimizer, loss)`, as before `fit`"
        )
    strategy = getattr(model, "distribute_strategy", None)
    if strategy is not None and strategy.num_replicas_in_sync > 1:
        raise InputError(f"A diagnosis takes a model on one device. Received: {strategy.num_replicas_in_sync} replicas")


def _build(model: Any, batch: Any) -> None:
    """Makes all variables that a step changes, so that they can be kept."""
    if not model.built:
        model(batch[0] if isinstance(batch, tuple | list) else batch)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)


def _computes_on_cpu(model: Any) -> bool:
    """Whether the model's weights lie in the host's memory, whatever the backend calls it."""
    device = getattr(model.variables[0].value, "device", "cpu") if model.variables else "cpu"
    return "cpu" in str(device() if callable(device) else device).lower()


def _step(model: Any, batches: Iterable) -> Callable[[], object]:
    """One training step as `fit` runs it, synchronised."""
    import keras

    backend = product.get_backend(keras.backend.backend())
    run = backend.train_step(model, draws(batches))
    return lambda: backend.synchronise(run())


def _clock_alone(source: LiveInput, effort: Effort) -> tuple[float, float]:
    """Wall and CPU seconds of a batch of the dataset alone."""
    count = timing.batches_per_step(source)
    times = timing.clock_steps(timing.draw_step(source, count), effort)
    return median(times.step_seconds) / count, median(times.step_cpu_seconds) / count


def _draw_ready(source: LiveInput, batch_seconds: float) -> None:
    """Empties the buffers, until a draw takes as long as a batch: a step on buffered batches would never wait."""
    begun = perf_counter()
    for _ in range(MOST_READY):
        start = perf_counter()
        next(source)
        if perf_counter() - start > batch_seconds / 2 or start - begun > READY_SECONDS:
            break
