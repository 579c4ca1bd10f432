"""What a frozen base makes of each image, computed once: transfer learning then trains its head alone."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from flowers_core import progress, splits


def part(model: keras.Model) -> tuple[keras.Model, keras.Model] | None:
    """Parts a model into what stays as it is and what learns.

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


def bytes_of(base: keras.Model, images: int) -> int:
    """Memory that the features of so many images take."""
    return images * int(np.prod(base.output_shape[1:])) * tf.as_dtype(base.outputs[0].dtype).size


class Features:
    """Features of the records of some shards, in the order of reading."""

    def __init__(
        self,
        base: keras.Model,
        shards: Sequence[str],
        *,
        image_size: int,
        batch_size: int,
        images: int,
        dispatcher: str = "",
    ):
        """Reads the shards and computes, behind a bar.

        Args:
            base: Takes images, float32 in [0, 1].
            shards: Paths of the shards.
            image_size: Side of their images in pixels.
            batch_size: Images at a time.
            images: How many there are, for the bar.
            dispatcher: Address of a tf.data service that decodes them; empty for here.
        """
        data = splits.validation(shards, image_size=image_size, batch_size=batch_size, dispatcher=dispatcher)
        self.labels = np.empty(images, np.int64)
        self.values = np.empty((images, *base.output_shape[1:]), tf.as_dtype(base.outputs[0].dtype).as_numpy_dtype)
        filled = 0
        with progress.bar("features of the frozen base", images) as advance:
            for pixels, labels in data:
                end = filled + len(labels)
                self.values[filled:end] = keras.ops.convert_to_numpy(base.predict_on_batch(pixels))
                self.labels[filled:end] = labels
                advance(end - filled)
                filled = end

    def training(self, *, batch_size: int, shuffle_buffer: int, seed: int | None):
        """Batches to train on, for ever, in the order of `splits.training` with this seed."""
        data = tf.data.Dataset.from_tensor_slices((self.values, self.labels))
        data = data.repeat()
        data = data.shuffle(shuffle_buffer, seed=seed)
        data = data.batch(batch_size, drop_remainder=True)
        return data.prefetch(tf.data.AUTOTUNE)

    def validation(self, *, batch_size: int):
        """Batches to validate on: each once a pass."""
        data = tf.data.Dataset.from_tensor_slices((self.values, self.labels))
        return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)
