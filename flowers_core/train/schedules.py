"""The learning rate by epoch: the codelab's ramp, sustain and decay, and the figures it gives for each model."""

from collections.abc import Callable
from functools import partial

from flowers_core.errors import InputError, one_of

Schedule = Callable[[int], float]
"""Learning rate by epoch, counted from 0."""


def ramp(
    epoch: int,
    *,
    start: float,
    maximum: float,
    minimum: float,
    ramp_epochs: int,
    sustain_epochs: int,
    decay: float,
) -> float:
    """Learning rate of an epoch: up in a straight line, level, then down by a constant factor.

    Args:
        epoch: Counted from 0, as Keras counts.
        start: Rate of epoch 0 if there is a ramp.
        maximum: Rate when the ramp ends.
        minimum: Rate that the decay approaches.
        ramp_epochs: Epochs from `start` to `maximum`; 0 begins at `maximum`.
        sustain_epochs: Epochs to stay at `maximum`.
        decay: What remains of `maximum - minimum` after each further epoch, in (0, 1].

    Returns:
        The rate, without unit.

    Example:
        >>> ramp(1, start=0.0, maximum=0.4, minimum=0.0, ramp_epochs=4, sustain_epochs=0, decay=0.5)
        0.1
    """
    if epoch < ramp_epochs:
        return start + (maximum - start) / ramp_epochs * epoch
    decayed = max(0, epoch - ramp_epochs - sustain_epochs)
    return minimum + (maximum - minimum) * decay**decayed


def schedule(name: str, *, replicas: int) -> Schedule:
    """One of the codelab's schedules, for `keras.callbacks.LearningRateScheduler`.

    Args:
        name: One of `SCHEDULES`; a model's recipe names it.
        replicas: TPU cores or GPUs that share a batch: the codelab has figures for one GPU, for the 8 cores
            of a TPU, and for pods.

    Raises:
        InputError: If there is no such schedule, or no replica.
    """
    one_of("schedule", name, SCHEDULES)
    if replicas < 1:
        raise InputError(f"`replicas` must be at least 1. Received: replicas={replicas!r}")
    return SCHEDULES[name](replicas)


def _xception(replicas: int) -> Schedule:
    to = partial(ramp, start=1e-5, minimum=1e-5, sustain_epochs=0, decay=0.8)
    if replicas == 1:
        return partial(to, maximum=2e-4, ramp_epochs=5)
    if replicas == 8:
        return partial(to, maximum=5e-5 * replicas, ramp_epochs=5)
    return partial(to, maximum=2e-5 * replicas, ramp_epochs=7)


def _squeezenet_331(replicas: int) -> Schedule:
    to = partial(ramp, decay=0.95)
    if replicas == 1:
        return partial(to, start=0.01, maximum=0.01, minimum=0.01, ramp_epochs=0, sustain_epochs=0)
    if replicas <= 8:  # the codelab says 8; the pod's rule would ramp downwards below 6 replicas
        top = 0.01 * replicas
        return partial(to, start=top, maximum=top, minimum=0.001, ramp_epochs=0, sustain_epochs=13)
    top = 0.012 * replicas
    return partial(to, start=0.06, maximum=top, minimum=0.01, ramp_epochs=5, sustain_epochs=8)


def _fine_tuning(replicas: int) -> Schedule:
    """For SGD with momentum: at 0.005 a base forgot ImageNet, and mobilenetv2 fell from 0.906 to 0.821 in an epoch."""
    top = 0.001 * replicas
    return partial(ramp, start=top, maximum=top, minimum=0.0, ramp_epochs=0, sustain_epochs=3, decay=0.6)


def _fine_tuning_xception(replicas: int) -> Schedule:
    """Ten times the rate of other bases: of 3,000 photos, 192 px, it has 0.903 after two epochs, at a tenth 0.817."""
    top = 0.01 * replicas
    return partial(ramp, start=top, maximum=top, minimum=0.0, ramp_epochs=0, sustain_epochs=1, decay=0.4)


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    "xception": _xception,
    "squeezenet_331": _squeezenet_331,
    "fine_tuning": _fine_tuning,
    "fine_tuning_xception": _fine_tuning_xception,
}
"""The schedules by the model that the codelab trains so, and those of ours to fine-tune bases; others keep their
optimizer's constant rate."""
