"""What this machine could do at most, measured: matrix products in each precision, and copies of memory.

`python -m bench.run.peak` measures in its own, fresh process and answers with one JSON object. A model's arithmetic is
held against the product of large square matrices, the fastest arithmetic that a framework has.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Any

from bench.machine import facts
from bench.machine.cpu_time import ForeignLoad
from bench.results.result import Result
from bench.run import child, process, product

SIZE = 4096  # of the matrices: 64 MB each in float32, larger than caches
COPIED_BYTES = 512 * 2**20
ROUNDS = 9
DTYPES = {"float32": "float32", "mixed_bfloat16": "bfloat16"}  # by precision
COPY = "copy"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit: the median of some rounds, with the lowest and highest."""

    value: float
    low: float
    high: float
    rounds: int
    unit: str


@dataclass(frozen=True, kw_only=True)
class Peak(Result):
    """What a machine could do at most.

    Attributes:
        limits: By name: a precision for GFLOP/s of matrix products, `copy` for GB/s read and written.
        foreign_cpu_share: Share of the machine's CPU time that others used meanwhile.
    """

    KIND = "peak"
    FORMAT = 1  # limits by name, machine (2026-11)

    limits: dict[str, dict]
    foreign_cpu_share: float | None = None


def measure(*, timeout: float = 300.0) -> Peak:
    """Measures all limits in a fresh process.

    Raises:
        InputError: If TensorFlow is not installed.
        RunFailed: If the process dies or takes too long; the message says how.
    """
    product.require_tensorflow("peak")
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), ForeignLoad()
    limits = process.ask("bench.run.peak", {}, timeout=timeout)
    return Peak(limits=limits, started=started, foreign_cpu_share=load.share(), machine=facts.fingerprint())


def measure_here() -> dict[str, Limit]:
    """Measures all limits in this process."""
    import tensorflow as tf

    products = {precision: matrix_products(tf.dtypes.as_dtype(dtype)) for precision, dtype in DTYPES.items()}
    return {**products, COPY: memory_copies()}


def matrix_products(dtype: Any, size: int = SIZE) -> Limit:
    """GFLOP/s of the product of two square matrices."""
    import tensorflow as tf

    square = tf.cast(tf.random.stateless_uniform((size, size), (0, 0)), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.cast(square @ square, tf.float32)))
    return _limit(lambda: product().numpy(), 2 * size**3 / 1e9, "GFLOP/s")


def memory_copies(size: int = COPIED_BYTES) -> Limit:
    """GB/s of copying large arrays, on all cores: each byte is read and written."""
    import tensorflow as tf

    source = tf.zeros((size // 4,), tf.float32)
    copied = tf.function(lambda: source + 1.0)  # as fast as memory, for addition waits for it
    return _limit(copied, 2 * size / 1e9, "GB/s")


def _limit(work: Callable[[], object], amount: float, unit: str) -> Limit:
    work()
    work()
    rates = []
    for _ in range(ROUNDS):
        start = perf_counter()
        work()
        rates.append(amount / (perf_counter() - start))
    return Limit(value=median(rates), low=min(rates), high=max(rates), rounds=ROUNDS, unit=unit)


if __name__ == "__main__":
    child.connect()[1]({name: asdict(limit) for name, limit in measure_here().items()})
