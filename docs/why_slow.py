"""Three fits that are slow for known reasons: what `diagnose` says of each, and what removing the reason saves.

`python docs/why_slow.py [ROUNDS]` prints a line a fit. A fit with the reason and one without take turns.
"""

import os
import sys
import time
from collections.abc import Callable
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from bench import diagnose
from bench.machine.cpu_time import ForeignLoad

BATCH, SIZE, STEPS = 32, 64, 20
SLEEP = 0.15  # a batch
IMAGES = np.random.default_rng(0).random((8 * BATCH, SIZE, SIZE, 3), dtype=np.float32)
LABELS = np.arange(len(IMAGES)) % 5


def model(filters: int) -> keras.Model:
    """A convolution that keeps all cores busy for longer the more filters it has."""
    layers = [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(filters, 3, activation="relu"),
        keras.layers.Conv2D(filters, 3, strides=2, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(5, activation="softmax"),
    ]
    made = keras.Sequential(layers)
    made.compile("adam", "sparse_categorical_crossentropy")
    return made


def batches() -> tf.data.Dataset:
    """Batches that lie ready in memory."""
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(BATCH).cache().repeat()


def starved() -> tf.data.Dataset:
    """The same with a sleep in a map."""

    def sleep(images: np.ndarray) -> np.ndarray:
        time.sleep(SLEEP)
        return images

    def slow(images: tf.Tensor, labels: tf.Tensor) -> tuple:
        return tf.ensure_shape(tf.numpy_function(sleep, [images], tf.float32), (None, SIZE, SIZE, 3)), labels

    return batches().map(slow).prefetch(2)


def contended() -> tf.data.Dataset:
    """The same with work in a parallel map, which alone keeps up with the step, but takes its cores."""

    def work(images: tf.Tensor, labels: tf.Tensor) -> tuple:
        larger = tf.image.resize(images, (6 * SIZE, 6 * SIZE), method="bicubic")
        return tf.image.resize(larger, (SIZE, SIZE), method="area"), labels

    return batches().map(work, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def step_seconds(trained: keras.Model, data: tf.data.Dataset) -> float:
    """What a step of `fit` takes, once it is compiled and buffers have settled."""
    trained.fit(data, steps_per_epoch=STEPS // 2, verbose=0, shuffle=False)
    start = time.perf_counter()
    trained.fit(data, steps_per_epoch=STEPS, verbose=0, shuffle=False)
    return (time.perf_counter() - start) / STEPS


def show(name: str, filters: int, slow: Callable[[], tf.data.Dataset], rounds: int) -> None:
    """Diagnoses a fit, and measures what removing the reason saves."""
    trained, load, found, saved = model(filters), ForeignLoad(), [], []
    for number in range(rounds):
        found.append(diagnose(trained, slow()))
        turns = [batches(), slow()] if number % 2 else [slow(), batches()]
        seconds = [step_seconds(trained, data) for data in turns]
        free, held_up = seconds if number % 2 else reversed(seconds)
        saved.append(1 - free / held_up)
    said = median(diagnosis.headspace for diagnosis in found)
    verdicts = ", ".join(dict.fromkeys(diagnosis.verdict for diagnosis in found))
    print(
        f"{name}: {verdicts}; a free input would save {said:.0%}, removing the reason saved {median(saved):.0%} "
        f"[{min(saved):.0%}, {max(saved):.0%}]; n = {rounds}; others used {load.share():.0%} of the CPU",
        flush=True,
    )


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    show("starved", 8, starved, repeats)
    show("compute-bound", 24, batches, repeats)
    show("contended", 24, contended, repeats)
