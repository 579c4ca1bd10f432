"""Callbacks of a training: they keep rows and weights, advance the bar, and stop at a target or a NaN."""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, cast

import keras

from flowers_core.errors import RunFailed
from flowers_core.train.run_dir import Run

KEEP_SECONDS = 5.0  # at least between two saves, which may take longer than an epoch; a kill may lose as much


class KeepEpochs(keras.callbacks.Callback):
    """Adds a row as each epoch ends, and saves rows and weights unless that was done seconds ago.

    Rows are saved first: even after a kill in between, saved weights belong to an epoch that has a row.

    Attributes:
        kept: The epoch, from 1, whose weights were saved last; 0 for none.
    """

    def __init__(
        self,
        run: Run,
        whole: keras.Model,
        *,
        classes: Sequence[str],
        images: int,
        rows: list[dict[str, float]],
        begun: float,
        tell: Callable[[str], None],
    ) -> None:
        """Prepares for training.

        Args:
            run: Where to save.
            whole: The model to save; the one that is trained may be its head.
            classes: Their names, to be saved with the model.
            images: How many images an epoch trains on.
            rows: Rows of the epochs so far; those to come are added.
            begun: When the training began by `perf_counter`: time to accuracy includes building, compilation, features
                of a frozen base, validation and saving.
            tell: Called with a line an epoch.
        """
        super().__init__()
        self._run, self._whole, self._images, self._rows, self._tell = run, whole, images, rows, tell
        self._classes = classes
        self._begun = begun - (rows[-1]["elapsed_seconds"] if rows else 0.0)
        self._kept_at, self.kept = -math.inf, len(rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts the epoch's clock."""
        del logs
        self._epoch = epoch + 1
        self._epoch_begun = self._trained = perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes when the last step ended, for validation comes after it.

        Raises:
            RunFailed: If the loss is NaN or infinite; what is saved is from before this step.
        """
        self._check_finite("loss", (logs or {})["loss"], f"after step {batch + 1}")
        self._trained = perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the row.

        Raises:
            RunFailed: If a loss is NaN or infinite: the last step may have spoilt the weights after its own loss.
        """
        seconds, model = self._trained - self._epoch_begun, cast("Any", self.model)
        figures = {name: float((logs or {})[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        self._check_finite("loss", figures["loss"], "at the end")
        self._check_finite("validation loss", figures["val_loss"], "at the end")
        self._rows.append(
            {
                "epoch": epoch + 1,
                **figures,
                "learning_rate": float(model.optimizer.learning_rate),
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

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Saves the last epoch."""
        del logs
        if self.kept < len(self._rows):
            self._keep()

    def _check_finite(self, name: str, loss: float, when: str) -> None:
        if not math.isfinite(loss):
            left = f"the weights of epoch {self.kept} are kept in {self._run.model}" if self.kept else "nothing is kept"
            raise RunFailed(
                f"The {name} is {float(loss)} {when} of epoch {self._epoch}: {left}. A smaller --learning-rate or "
                f"--precision float32 may help"
            )

    def _keep(self) -> None:
        self._run.keep_history(self._rows)
        self._run.keep_model(self._whole, self._classes)
        self._kept_at, self.kept = perf_counter(), len(self._rows)


class StopAtTarget(keras.callbacks.Callback):
    """Stops when validation accuracy has reached a target."""

    def __init__(self, target: float):
        super().__init__()
        self._target = target

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Stops if the accuracy is as asked."""
        del epoch
        if (logs or {})["val_accuracy"] >= self._target:
            model: Any = self.model
            model.stop_training = True
