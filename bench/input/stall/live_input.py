"""A dataset in this process as `fit` draws from it, for ever: what the three runs of a diagnosis are fed by."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bench.run.product import InputError

DRAWN_BY_TENSORFLOW = {"tensorflow": "get_tf_dataset"}  # elsewhere each batch is converted when it is drawn

KINDS = {"PyDataset": "a PyDataset", "Dataset": "a tf.data.Dataset", "DatasetV2": "a tf.data.Dataset"}


@dataclass(frozen=True, kw_only=True)
class FitData:
    """What `fit` was given to train on, or would be.

    Attributes:
        x: A `tf.data.Dataset`, a `keras.utils.PyDataset`, a generator, another iterable of batches, or arrays.
        y: Labels, where `x` holds arrays.
        sample_weight: Likewise.
        batch_size: Of arrays.
        class_weight: As `fit` takes it.
        steps_per_epoch: Likewise.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None
    batch_size: int | None = None
    class_weight: dict | None = None
    steps_per_epoch: int | None = None

    @property
    def kind(self) -> str:
        """What it is, for sentences."""
        names = [base.__name__ for base in type(self.x).__mro__]
        if isinstance(self.x, Generator):
            return "a generator"
        return next((KINDS[name] for name in names if name in KINDS), "arrays" if self.y is not None else "an iterable")

    def steps(self) -> int | None:
        """Steps of an epoch, where that is known."""
        if self.steps_per_epoch:
            return self.steps_per_epoch
        cardinality = getattr(self.x, "cardinality", None)
        if cardinality is not None:
            return int(cardinality()) if int(cardinality()) > 0 else None
        if self.y is not None:
            return -(-len(self.y) // (self.batch_size or 32))
        if self.kind == "a PyDataset":
            return self.x.num_batches
        return len(self.x) if hasattr(self.x, "__len__") else None


class LiveInput(Iterator):
    """Batches of a dataset, pass after pass.

    Attributes:
        data: What it draws from.
        drawn: How many batches it has given.
        passes: How often it has begun.
    """

    def __init__(self, data: FitData):
        self.data, self.drawn, self.passes = data, 0, 0
        self._batches: Iterator = iter(())
        self._adapter: Any = None

    def __next__(self) -> Any:
        """The next batch.

        Raises:
            InputError: If a new pass gives none, as of a generator that has ended.
        """
        for batch in self._batches:
            self.drawn += 1
            return batch
        self._end()
        self._batches = self._begin()
        for batch in self._batches:
            self.drawn += 1
            return batch
        if not self.drawn:
            raise InputError(f"The dataset must give batches. Received: {self.data.kind} that is empty or used up")
        raise InputError(
            "The dataset must last for the steps that are timed, or begin anew when it ends. "
            f"Received: {self.data.kind} that ended after {self.drawn} batches. Pass a tf.data.Dataset, a "
            "keras.utils.PyDataset or a longer one"
        )

    def _begin(self) -> Iterator:
        """A new pass, by Keras' own adapter of what `fit` takes."""
        import keras
        from keras.src.trainers.data_adapters import get_data_adapter  # not public: `fit` itself draws by these

        self.passes += 1
        data = self.data
        x = data.x
        if data.kind == "an iterable":  # which `fit` takes as a generator alone
            x = (batch for batch in x)
        weights = {"class_weight": data.class_weight} if data.class_weight else {}
        try:
            self._adapter = get_data_adapter(
                x, data.y, sample_weight=data.sample_weight, batch_size=data.batch_size, **weights
            )
        except ValueError as error:
            if "empty generator" in str(error) or "at least one batch" in str(error):
                return iter(())
            raise InputError(f"The dataset must be one that `fit` takes. Received: {error}") from error
        self._adapter.on_epoch_begin()
        return iter(getattr(self._adapter, DRAWN_BY_TENSORFLOW.get(keras.backend.backend(), "get_numpy_iterator"))())

    def close(self) -> None:
        """Ends the pass; the next draw begins a new one, but of a generator, which has one alone."""
        if self.data.kind != "a generator":
            self._end()

    def _end(self) -> None:
        self._batches = iter(())
        if self._adapter is not None:
            self._adapter.on_epoch_end()
        self._adapter = None


def check_batch(batch: Any, model: Any) -> None:
    """Checks that a dataset gives batches that a model may train on.

    Raises:
        InputError: If they have no batch dimension, or are of another rank than the model's input.
    """
    import keras

    shapes = [tuple(getattr(array, "shape", ())) for array in keras.tree.flatten(batch) if array is not None]
    said = ", ".join(map(str, shapes))
    if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
        raise InputError(
            f"The dataset must give batches: arrays whose first dimension is the same. Received: shapes {said}. "
            "`dataset.batch(32)` adds the dimension"
        )
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) == 1 and len(inputs[0].shape) != len(shapes[0]):
        raise InputError(
            f"The dataset must give batches of what the model takes, {tuple(inputs[0].shape)}. "
            f"Received: shapes {said}. `dataset.batch(32)` adds a batch dimension"
        )


def draws(batches: Iterable) -> Generator:
    """A generator over batches: what every backend's step takes."""
    yield from batches
