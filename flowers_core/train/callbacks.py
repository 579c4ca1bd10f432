"""What happens beside the steps of a training: rows and weights are kept, a bar moves, and it stops where it must."""

import math
from collections.abc import Callable
from time import perf_counter

import keras

from flowers_core.train.run_dir import Run

KEEP_SECONDS = 5.0  # at least from keeping to keeping: what a kill may cost; saving may take longer than an epoch


class NotFinite(RuntimeError):
    """The loss is no number any more; the message says when it happened and what is left."""


class Epochs(keras.callbacks.Callback):
    """Makes a row as each epoch ends, and keeps rows and weights unless that was done seconds ago.

    Rows come first: weights that are kept belong to an epoch whose row is there, even after a kill in between.

    Attributes:
        kept: The epoch, from 1, whose weights were kept last; 0 for none.
    """

    def __init__(
        self,
        run: Run,
        whole: keras.Model,
        *,
        images: int,
        rows: list[dict[str, float]],
        begun: float,
        tell: Callable[[str], None],
    ):
        """Made when training begins.

        Args:
            run: Where to keep them.
            whole: The model to save; the one that is trained may be its head.
            images: How many an epoch trains on.
            rows: Rows of the epochs so far; those to come are added.
            begun: When it all began by `perf_counter`: time to accuracy counts building, compilation, features of a
                frozen base, validation and saving, too.
            tell: Is called with a line an epoch.
        """
        super().__init__()
        self._run, self._whole, self._images, self._rows, self._tell = run, whole, images, rows, tell
        self._begun = begun - (rows[-1]["elapsed_seconds"] if rows else 0.0)
        self._kept_at, self.kept = -math.inf, len(rows)

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the epoch's clock."""
        del epoch, logs
        self._epoch_begun = self._trained = perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        """Remembers when the last step ended: validation comes after it."""
        del batch, logs
        self._trained = perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        """Makes the row.

        Raises:
            NotFinite: If a loss is NaN or infinite: the last step may have spoilt the weights after its own loss.
        """
        seconds = self._trained - self._epoch_begun
        figures = {name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        for name, loss in (("loss", figures["loss"]), ("validation loss", figures["val_loss"])):
            if not math.isfinite(loss):
                raise self.lost(f"The {name} is {loss} at the end of epoch {epoch + 1}")
        self._rows.append(
            {
                "epoch": epoch + 1,
                **figures,
                "learning_rate": float(self.model.optimizer.learning_rate),
                "seconds": seconds,
                "images_per_second": self._images / seconds,
                "elapsed_seconds": perf_counter() - self._begun,
            }
        )
        if perf_counter() - self._kept_at > KEEP_SECONDS:
            self._keep()
        self._tell(
            f"epoch {epoch + 1}: loss {figures['loss']:.3f}, accuracy {figures['accuracy']:.3f}; validation: "
            f"loss {figures['val_loss']:.3f}, accuracy {figures['val_accuracy']:.3f}; "
            f"{self._images / seconds:,.0f} images/s"
        )

    def on_train_end(self, logs=None):
        """Keeps the last epoch."""
        del logs
        if self.kept < len(self._rows):
            self._keep()

    def lost(self, said: str) -> NotFinite:
        """What to raise when a loss is no number any more: what happened, and what is left."""
        left = f"the weights of epoch {self.kept} are kept in {self._run.model}" if self.kept else "nothing is kept"
        return NotFinite(f"{said}: {left}. A smaller --learning-rate or --precision float32 may help")

    def _keep(self) -> None:
        self._run.keep_history(self._rows)
        self._run.keep_model(self._whole)
        self._kept_at, self.kept = perf_counter(), len(self._rows)


class Moving(keras.callbacks.Callback):
    """Moves a bar on by each step."""

    def __init__(self, advance: Callable[[], None]):
        super().__init__()
        self._advance = advance

    def on_train_batch_end(self, batch, logs=None):
        """One step further."""
        del batch, logs
        self._advance()


class StopAtNaN(keras.callbacks.Callback):
    """Stops at the first step after which the loss is no number; what is kept is from before it."""

    def __init__(self, epochs: Epochs):
        super().__init__()
        self._epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch."""
        del logs
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Looks at the loss.

        Raises:
            NotFinite: If it is NaN or infinite.
        """
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise self._epochs.lost(f"The loss is {loss} after step {batch + 1} of epoch {self._epoch + 1}")


class StopAtTarget(keras.callbacks.Callback):
    """Stops when validation accuracy has reached a target."""

    def __init__(self, target: float):
        super().__init__()
        self._target = target

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the accuracy."""
        del epoch
        if logs["val_accuracy"] >= self._target:
            self.model.stop_training = True
