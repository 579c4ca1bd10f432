"""Three fits that are slow for known reasons: what `diagnose` says of each, and what removing the reason saves.

`python docs/why_slow.py [ROUNDS]` prints a line a fit. A fit with the reason and one without take turns. Then fits with
the callback's clocks and without take turns, which shows what these cost.
"""

import math
import sys
import time
from collections.abc import Callable
from statistics import median

from flowers_core.cli import quiet

quiet.imports()

import keras
import numpy as np
import tensorflow as tf

from bench import Diagnose, diagnose
from bench.compare import sequential_test
from bench.machine.cpu_time import ForeignLoad
from bench.results import format

BATCH, SIZE, SETTLING, STEPS = 32, 64, 20, 60
SLEEP = 0.15  # a batch
SHORT_STEPS = 500  # of a fit that shows what a callback costs
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
    """What a step of `fit` takes, once it is compiled, the cache is full and buffers have settled."""
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, **__: ends.append(time.perf_counter()))
    trained.fit(data, steps_per_epoch=SETTLING + STEPS, verbose=0, shuffle=False, callbacks=[clock])
    return (ends[-1] - ends[SETTLING - 1]) / STEPS


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


def clock_callback(pairs: int) -> None:
    """Fits of short steps with the callback's clocks and without, in turns: what they cost."""

    class Clocks(Diagnose):  # without the three runs at the end, which are no part of a step
        def on_train_end(self, logs: dict | None = None) -> None:
            """Says nothing."""

    inputs = keras.Input((SIZE,))
    trained = keras.Sequential([inputs, keras.layers.Dense(5, activation="softmax")])
    trained.compile("adam", "sparse_categorical_crossentropy")
    data = tf.data.Dataset.from_tensors((IMAGES[:BATCH, 0, :, 0], LABELS[:BATCH])).repeat()

    def fit(*callbacks: keras.callbacks.Callback) -> tuple[float, float]:
        start, cpu_start = time.perf_counter(), time.process_time()
        trained.fit(data, steps_per_epoch=SHORT_STEPS, verbose=0, shuffle=False, callbacks=list(callbacks))
        return time.perf_counter() - start, time.process_time() - cpu_start

    fit()
    values = {"wall": [], "CPU": []}
    for number in range(pairs):
        turns = [fit(), fit(Clocks())] if number % 2 else [fit(Clocks()), fit()]
        without, watched = turns if number % 2 else reversed(turns)
        for clock, ratio in zip(values, (math.log(b / a) for a, b in zip(without, watched, strict=True)), strict=True):
            values[clock].append(ratio)
    found = {clock: sequential_test.estimate(ratios) for clock, ratios in values.items()}
    ratios = ", ".join(f"{clock} {said.ratio:.4f} [{said.low:.4f}, {said.high:.4f}]" for clock, said in found.items())
    step = format.duration(without[0] / SHORT_STEPS)
    print(
        f"Diagnose() over no callback: {ratios}; n = {pairs} pairs of fits of {SHORT_STEPS} steps of {step}", flush=True
    )


if __name__ == "__main__":
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    show("starved", 8, starved, repeats)
    show("compute-bound", 24, batches, repeats)
    show("contended", 24, contended, repeats)
    clock_callback(8 * repeats)
