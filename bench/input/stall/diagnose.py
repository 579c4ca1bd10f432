"""`diagnose(model, dataset)` and the callback `Diagnose()`: why is this fit slow, in a user's own script."""

import sys
from array import array
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from time import perf_counter
from typing import Any

from bench.input.stall import dataset_stages, live_runs
from bench.input.stall.classify import COMPUTE_BOUND
from bench.input.stall.diagnosis import Diagnosis, FitClocks
from bench.input.stall.live_input import FitData
from bench.run.product import InputError

SECONDS = 8.0
HOOK_CALLS = 10_000  # that are timed to say what one takes
MOST_FRAMES = 30


def diagnose(model: Any, dataset: Any, *, steps: int | None = None, seconds: float = SECONDS) -> Diagnosis:
    """Says what holds up the training of a compiled model on a dataset, and leaves the model as it was.

    Three runs in this process, as of `python -m bench stall`: the step alone on a batch at hand, the dataset alone, and
    both together.

    Args:
        model: A compiled `keras.Model`.
        dataset: A `tf.data.Dataset`, a `keras.utils.PyDataset`, a generator or another iterable of batches, or a pair
            of arrays. A generator is used up as far as it is drawn from.
        steps: Of the whole fit, if what compiling takes of it is to be judged.
        seconds: For the timed steps; compiling, warming up and looking at stages come on top.

    Returns:
        The diagnosis: `print` it, let a notebook show it, or take `to_dict()`.

    Raises:
        InputError: If the model is not compiled, or the dataset gives no batches or ends too soon.
    """
    return replace(_diagnose(model, _as_data(dataset), seconds=seconds), fit_steps=steps)


def _as_data(dataset: Any) -> FitData:
    if isinstance(dataset, tuple) and len(dataset) == 2 and all(hasattr(part, "shape") for part in dataset):
        return FitData(x=dataset[0], y=dataset[1])
    if not (hasattr(dataset, "__iter__") or hasattr(dataset, "num_batches")):
        raise InputError(
            "The dataset must be what `fit` takes: a tf.data.Dataset, a keras.utils.PyDataset, an iterable of batches "
            f"or a pair of arrays. Received: {type(dataset).__name__}"
        )
    return FitData(x=dataset)


def _diagnose(model: Any, data: FitData, *, seconds: float, clocks: FitClocks | None = None) -> Diagnosis:
    begun = perf_counter()
    runs = live_runs.measure(model, data, seconds=seconds)
    diagnosis = Diagnosis(runs=runs, data=data.kind, clocks=clocks)
    if data.kind == "a tf.data.Dataset" and diagnosis.verdict != COMPUTE_BOUND:
        diagnosis = diagnosis.with_stages(dataset_stages.measure(data.x))
    return replace(diagnosis, runs=replace(runs, seconds=perf_counter() - begun))


class _Watch:
    """Clocks the steps of a fit, and prints at its end what held it up: the callback, but for Keras' base class.

    During the fit it takes one clock a batch. The three runs come at the end, on the same model and dataset, and leave
    the weights as they were. One callback is for one fit.

    Attributes:
        diagnosis: What it found; None before the end of the fit, or if it could not be found.
    """

    model: Any

    def __init__(self, dataset: Any = None, *, seconds: float = SECONDS, tell: Callable[[str], object] = print) -> None:
        """Prepares a diagnosis.

        Args:
            dataset: What the fit trains on; found in the running `fit` unless given.
            seconds: For the timed steps of the three runs.
            tell: Takes the text.
        """
        super().__init__()
        self.diagnosis: Diagnosis | None = None
        self._data = None if dataset is None else _as_data(dataset)
        self._seconds, self._tell = seconds, tell
        self._begins, self._steps = array("d"), array("d")
        self._used = self._rests = False

    def on_train_begin(self, logs: dict | None = None) -> None:  # noqa: ARG002 what Keras gives
        """Looks for what the fit trains on."""
        self._rests, self._used = self._used, True
        if self._rests:
            self._tell("Diagnose: this callback has watched a fit already, so it rests. Give each fit a new one")
            return
        self._data = self._data or _data_of_fit(self.model)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:  # noqa: ARG002 likewise
        """Takes a clock."""
        self._begins.append(perf_counter())

    def on_test_begin(self, logs: dict | None = None) -> None:  # noqa: ARG002 likewise
        """Ends the last step before validation, which is none of its time."""
        self._end_steps()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002 likewise
        """Ends the last step of the epoch."""
        self._end_steps()

    def _end_steps(self) -> None:
        begins = self._begins
        if begins:
            ends = [*begins[1:], perf_counter()]
            self._steps.extend(end - begin for begin, end in zip(begins, ends, strict=True))
            del begins[:]

    def on_train_end(self, logs: dict | None = None) -> None:  # noqa: ARG002 likewise
        """Runs the three runs, and tells what they say."""
        if self._rests or not self._steps:
            return
        clocks = FitClocks(step_seconds=tuple(self._steps), hook_seconds=len(self._steps) * self._hook_seconds())
        try:
            if self._data is None:
                raise InputError("What the fit trains on was not found: give it as `Diagnose(dataset)`")
            self.diagnosis = _diagnose(self.model, self._data, seconds=self._seconds, clocks=clocks)
        except InputError as error:
            self._tell(f"Diagnose: n/a. {error}")
            return
        self._tell(str(self.diagnosis))

    def _hook_seconds(self) -> float:
        """What the clock of a batch takes, measured."""
        kept, self._begins = self._begins, array("d")
        start = perf_counter()
        for number in range(HOOK_CALLS):
            self.on_train_batch_begin(number)
        seconds = (perf_counter() - start) / HOOK_CALLS
        self._begins = kept
        return seconds


@cache
def callback() -> type:
    """The callback's class, made when it is first asked for: Keras is imported then."""
    import keras

    return type("Diagnose", (_Watch, keras.callbacks.Callback), {"__doc__": _Watch.__doc__})


def _data_of_fit(model: Any) -> FitData | None:
    """What the running `fit` of a model was given; None where no such call is found."""
    frame = sys._getframe()
    for _ in range(MOST_FRAMES):
        if frame is None:
            return None
        values = frame.f_locals
        if frame.f_code.co_name == "fit" and values.get("self") is model and values.get("x") is not None:
            names = ("y", "sample_weight", "batch_size", "class_weight", "steps_per_epoch")
            return FitData(x=values["x"], **{name: values.get(name) for name in names})
        frame = frame.f_back
    return None
