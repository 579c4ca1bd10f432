"""The output of a frozen base for each image, computed once: transfer learning then trains the head alone."""

from collections.abc import Generator, Iterable, Sequence
from typing import Any

import keras
import ml_dtypes
import numpy as np

from flowers_core import progress
from flowers_core.errors import RunFailed
from flowers_core.train import feeding


def split(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Splits a model into the base, which never changes, and the head, which learns.

    Args:
        model: A stack of layers (`keras.Sequential`).

    Returns:
        `(base, head)`, which share the model's layers: to train the head is to train the model. None where the first
        layer with weights learns, so that there is nothing to compute once.
    """
    layers = model.layers
    frozen = 0
    while frozen < len(layers) and not layers[frozen].trainable_weights:
        frozen += 1
    while frozen and not layers[frozen - 1].weights:
        frozen -= 1  # what has no weights is cheap, and makes no smaller features
    if not frozen:
        return None
    base = keras.Sequential([keras.Input(model.input_shape[1:]), *layers[:frozen]])
    head = keras.Sequential([keras.Input(base.output_shape[1:], dtype=base.outputs[0].dtype), *layers[frozen:]])
    return base, head


def bytes_of(base: keras.Model, count: int) -> int:
    """Memory that the features of `count` images take."""
    return count * int(np.prod(base.output_shape[1:])) * _dtype(base).itemsize


def _dtype(base: keras.Model) -> np.dtype:
    """The type of features, bfloat16 among them, which NumPy has from `ml_dtypes`."""
    name = base.outputs[0].dtype
    return np.dtype(getattr(ml_dtypes, name, name))


class Features:
    """Features of the images in some shards, in the order of reading; those of their mirror images follow, if asked."""

    def __init__(  # noqa: PLR0913 - its options
        self,
        base: keras.Model,
        shards: Sequence[str],
        *,
        image_size: int,
        batch_size: int,
        count: int,
        mirrored: bool = False,
        arrays: bool = False,
        dispatcher: str = "",
    ) -> None:
        """Reads the shards and computes, behind a bar.

        Args:
            base: Takes images, float32 in [0, 1].
            shards: Paths of the shards.
            image_size: Side of their images in pixels.
            batch_size: Images at a time.
            count: How many images there are.
            mirrored: Whether the base sees the mirror image of each as well.
            arrays: Whether batches are NumPy arrays, see `feeding`.
            dispatcher: Address of a tf.data service that decodes them; empty for this process.

        Raises:
            RunFailed: If not all images came.
        """
        source = {"image_size": image_size, "batch_size": batch_size, "dispatcher": dispatcher}
        data = feeding.validation(shards, arrays=arrays, **source)
        views = [lambda pixels: pixels, lambda pixels: keras.ops.flip(pixels, 2)][: 1 + mirrored]
        self.mirrored, self.labels, self._arrays = mirrored, np.empty(count, np.int64), arrays
        self.values = np.empty((len(views) * count, *base.output_shape[1:]), _dtype(base))
        filled = 0
        with progress.bar("features of the frozen base", len(self.values)) as advance:
            for pixels, labels in data:
                end = filled + len(labels)
                for start, view in zip((0, count), views, strict=False):
                    self.values[start + filled : start + end] = base.predict_on_batch(view(pixels))
                    advance(end - filled)
                self.labels[filled:end] = labels
                filled = end
        if filled != count:
            raise RunFailed(
                f"The frozen base must see each of {count} images once. Received: {filled}. A worker of a service was "
                f"lost, or the shards do not hold what their names say: try again, or without --dispatcher"
            )

    def training(self, *, batch_size: int, shuffle_buffer: int, seed: int | None) -> Iterable:
        """Batches to train on, in the order of `feeding.training` with this seed, flipped as it flips."""
        return (self._draw if self._arrays else self._dataset)(batch_size, shuffle_buffer, seed)

    def _draw(self, batch_size: int, shuffle_buffer: int, seed: int | None) -> Generator[tuple]:
        """The batches as arrays."""
        from flowers_core.input import array_data

        count, draw = len(self.labels), np.random.default_rng(seed)
        for rows in array_data.shuffle(count, batch_size=batch_size, shuffle_buffer=shuffle_buffer, draw=draw):
            flipped = count * (draw.random(batch_size) < 0.5) if self.mirrored else 0
            yield self.values[rows + flipped], self.labels[rows]

    def _dataset(self, batch_size: int, shuffle_buffer: int, seed: int | None) -> Any:
        """The batches as a dataset."""
        import tensorflow as tf

        data = tf.data.Dataset.range(len(self.labels)).repeat()
        data = self._flip(data, seed) if self.mirrored else data
        data = data.shuffle(shuffle_buffer, seed=seed)
        data = data.batch(batch_size, drop_remainder=True)
        values, labels = tf.constant(self.values), tf.constant(self.labels)  # held once, not in the graph
        data = data.map(lambda rows: (tf.gather(values, rows), tf.gather(labels, rows % len(self.labels))))
        return data.prefetch(tf.data.AUTOTUNE)

    def _flip(self, rows: Any, seed: int | None) -> Any:
        """Rows of a dataset of which, at random, half become those of the mirror images."""
        import tensorflow as tf

        from flowers_core.data import images
        from flowers_core.input import training_data

        offset = tf.constant(len(self.labels), tf.int64)
        if seed is None:
            return rows.map(lambda row: row + offset * tf.cast(images.is_flipped(), tf.int64))
        return tf.data.Dataset.zip(rows, training_data.augmentation_seeds(seed)).map(
            lambda row, draw: row + offset * tf.cast(images.is_flipped(draw), tf.int64)
        )

    def validation(self, *, batch_size: int) -> Iterable:
        """Batches to validate on: each image once a pass."""
        if self._arrays:
            from flowers_core.input import array_data

            return array_data.Slices(self.values, self.labels, batch_size=batch_size)
        import tensorflow as tf

        data = tf.data.Dataset.from_tensor_slices((self.values, self.labels))
        return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)
