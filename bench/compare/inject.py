"""Injects real extra work or waiting into a candidate on purpose: a slowdown of known size for a verdict to find.

Work goes where a bad commit would put it: decoding into the pipeline's own decoder, arithmetic behind the step. How
much is needed for a stated share is measured in the very process, on its own step.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING

from bench.run import product
from flowers_core.errors import InputError, one_of

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

# compute: more of the same work. sleep: waiting, as for a disk. lock: waiting for another thread. core: one core lost
# for as much of the time as makes the step so much longer.
KINDS = ("none", "compute", "sleep", "lock", "core")

CALIBRATION_STEPS = 8
WORK_SIZE = 512  # columns of a matrix product, which runs on all cores as a step does; its rows are as many as needed
WORK_ROWS = 1024  # for measuring what a row costs
WAIT_CHANCE = 1 / 64  # of an image: calling Python for each would cost more than what is injected
CORE_PERIOD_SECONDS = 0.05
DRAWN_SECONDS = 0.5
CORE_TRIES = 3  # what losing a core costs depends on how threads share: found by trying


@dataclass(frozen=True, kw_only=True)
class Injection:
    """What is injected: one of `KINDS`, and the share of a step by which it makes the step longer."""

    kind: str = "none"
    share: float = 0.0

    def __post_init__(self):
        one_of("kind", self.kind, KINDS)
        if not 0 <= self.share <= 1 or (self.kind == "none") != (self.share == 0):
            raise InputError(
                f"`share` must be above 0 and at most 1, and 0 for `none`. Received: {self.kind}={self.share}"
            )


NONE = Injection()


class Waiting:
    """Waits of one length: by sleeping, or for a lock that another thread holds."""

    def __init__(self):
        self.seconds, self.locked = 0.0, False
        self._lock = threading.Lock()

    def __call__(self) -> None:
        """Waits once."""
        if not self.locked:
            sleep(self.seconds)
            return
        held = threading.Event()
        threading.Thread(target=self._hold, args=(held,), daemon=True).start()
        held.wait()
        with self._lock:
            pass

    def _hold(self, held: threading.Event) -> None:
        with self._lock:
            held.set()
            sleep(self.seconds)


class OneCore:
    """Keeps this process on one core for a share of the time, from a thread of its own."""

    def __init__(self):
        self.share = 0.0
        self._cores = sorted(os.sched_getaffinity(0))
        threading.Thread(target=self._turn, daemon=True).start()

    def _turn(self) -> None:
        while True:
            if not self.share:
                sleep(CORE_PERIOD_SECONDS)
                continue
            self.allow(self._cores[:1])
            sleep(self.share * CORE_PERIOD_SECONDS)
            self.allow(self._cores)
            sleep((1 - self.share) * CORE_PERIOD_SECONDS)

    @staticmethod
    def allow(cores: list[int]) -> None:
        """Lets every thread of this process run on these cores only."""
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # a thread that has just ended
                os.sched_setaffinity(int(task.name), cores)

    def lose(self, share: float, seconds: Callable[[], float]) -> None:
        """Loses a core for as much of the time as makes a step, of so many `seconds`, longer by `share`."""
        self.share = 0.0
        apart, self.share = seconds(), min(0.9, 2 * share)
        for _ in range(CORE_TRIES):
            longer = max(seconds() / apart - 1, share / 4)
            self.share = min(0.95, self.share * share / longer)


def _seconds(step: Callable[[], object]) -> tuple[float, float]:
    """Median wall and CPU seconds of a step."""
    walls, cpus = [], []
    for _ in range(CALIBRATION_STEPS):
        cpu, wall = process_time(), perf_counter()
        step()
        walls.append(perf_counter() - wall)
        cpus.append(process_time() - cpu)
    return median(walls), median(cpus)


class StepInjector:
    """Injects behind each step of a model."""

    def __init__(self, step: Callable[[], object]):
        self._step = step
        self._extra: Callable[[], object] = lambda: None
        self._waiting, self._core, self._work = Waiting(), OneCore(), _product()

    def __call__(self) -> None:
        """One step and what is injected behind it."""
        self._step()
        self._extra()

    def inject(self, injection: Injection) -> None:
        """Measures the step and makes each further one longer by the share."""
        self._extra, self._core.share = lambda: None, 0.0
        if injection.kind == "none":
            return
        wall, cpu = _seconds(self._step)
        if injection.kind == "compute":
            row = _seconds(lambda: self._work(WORK_ROWS))[1] / WORK_ROWS
            rows = max(1, round(injection.share * cpu / row))
            self._extra = lambda: self._work(rows)
        elif injection.kind == "core":
            self._core.lose(injection.share, lambda: _seconds(self._step)[0])
        else:
            self._waiting.seconds, self._waiting.locked = injection.share * wall, injection.kind == "lock"
            self._extra = self._waiting


class PipelineInjector:
    """Injects into the decoder of a pipeline; made before the pipeline is built, for it takes the decoder's place."""

    def __init__(self):
        import tensorflow as tf

        self._again, self._wait = tf.Variable(tf.constant(0.0)), tf.Variable(tf.constant(0.0))
        self._waiting, self._core, self._decode = Waiting(), OneCore(), product.images.decode
        self.draw: Callable[[], object] = lambda: None
        self.images_per_draw, self.jpegs = 1, []
        setattr(product.images, "decode", self._decode_with_injection)  # noqa: B010 - the module's own function

    def _decode_with_injection(self, jpeg: "tf.Tensor") -> "tf.Tensor":
        import tensorflow as tf

        image = self._decode(jpeg)
        waits = tf.random.uniform([]) < self._wait
        waited = tf.cond(waits, lambda: tf.numpy_function(self._wait_in_python, [], tf.float32), lambda: 0.0)
        with tf.control_dependencies([waited]):
            # The same image, of a byte more that is not part of it: TensorFlow would decode equal bytes only once. And
            # it would decode one of the two if only one were looked at.
            again = lambda: tf.maximum(image, self._decode(tf.strings.join([jpeg, "\0"])))  # noqa: E731
            return tf.cond(tf.random.uniform([]) < self._again, again, lambda: image)

    def _wait_in_python(self) -> "np.floating":
        import numpy as np

        self._waiting()
        return np.float32(0)

    def __call__(self) -> None:
        """One draw."""
        self.draw()

    def inject(self, injection: Injection) -> None:
        """Measures a draw and makes each further one longer by the share."""
        self._again.assign(0.0)
        self._wait.assign(0.0)
        self._core.share = 0.0
        if injection.kind == "none":
            return
        wall, cpu = self._draw_once()
        if injection.kind == "compute":
            self._again.assign(injection.share * cpu / self._decode_seconds())
        elif injection.kind == "core":
            self._core.lose(injection.share, lambda: self._draw_once()[0])
        else:
            threads = product.cores()  # tf.data runs so many maps at once; each has to wait its share
            self._waiting.seconds = injection.share * wall * threads / WAIT_CHANCE
            self._waiting.locked = injection.kind == "lock"
            self._wait.assign(WAIT_CHANCE)

    def _draw_once(self) -> tuple[float, float]:
        """Wall and CPU seconds an image, of draws from buffers that are empty."""
        for _ in range(20):
            self.draw()
        count, cpu, wall = 0, process_time(), perf_counter()
        while perf_counter() - wall < DRAWN_SECONDS:
            self.draw()
            count += self.images_per_draw
        return (perf_counter() - wall) / count, (process_time() - cpu) / count

    def _decode_seconds(self) -> float:
        """CPU seconds of decoding an image as the pipeline does it."""
        import tensorflow as tf

        decode = tf.function(lambda jpegs: [self._decode(jpeg) for jpeg in tf.unstack(jpegs)])
        jpegs = tf.constant(self.jpegs)  # handed over, or TensorFlow would decode while it compiles
        decode(jpegs)
        return _seconds(lambda: decode(jpegs))[1] / len(self.jpegs)


def _product() -> Callable[[int], object]:
    """A function of a number of rows that multiplies so many by a square matrix."""
    import tensorflow as tf

    square = tf.random.stateless_uniform((WORK_SIZE, WORK_SIZE), (0, 0))

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def work(rows: "tf.Tensor") -> "tf.Tensor":
        return tf.reduce_sum(tf.matmul(tf.ones((rows, WORK_SIZE)), square))

    return lambda rows: work(tf.constant(rows)).numpy()
