"""Measures what a device could do at most: matrix products in each number format, and copies within its memory.

`python -m bench.run.peak` measures in its own, fresh process and answers with one JSON object. A model's arithmetic is
held against the product of large square matrices, the fastest arithmetic that a framework has.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from statistics import median
from time import perf_counter

from bench.machine import facts
from bench.machine.cpu_time import ForeignLoad
from bench.results.cell import Cell
from bench.results.peak import COPY, Limit, Peak
from bench.run import child, process, product, timing
from bench.run.product import Unsuitable

SIZES = {"cpu": 4096}  # of the matrices: 64 MB each in float32, larger than caches
ACCELERATOR_SIZE = 8192  # whose product takes an accelerator milliseconds, far more than to start it
ACCELERATOR_FIRST = 4096
FIRST_SIZES = {"cpu": 512}  # of the smallest, where products of larger ones would take too long
COPIED_BYTES = 512 * 2**20
ROUNDS, LEAST_ROUNDS = 9, 3  # of a limit: fewer where they take long
SECONDS = 5.0  # of a limit


def measure(backend: str, device: str, *, seconds: float = SECONDS, timeout: float = 300.0) -> Peak:
    """Measures all limits of a device in a fresh process.

    Args:
        backend: What computes.
        device: Where: `cpu`, `gpu` or `tpu`.
        seconds: How long each limit is measured at most; matrices are smaller where products would take longer.
        timeout: Seconds after which the process is ended.

    Raises:
        RunFailed: If the process dies or takes too long; the message says how.
    """
    started, load = datetime.now(UTC).isoformat(timespec="seconds"), ForeignLoad()
    spec = product.backends()[backend]
    cell = Cell(model="dense_single", backend=backend, device=device, xla=spec.always_compiled)  # any model: its place
    job = {"backend": backend, "device": device, "seconds": seconds}
    answer = process.ask("bench.run.peak", job, timeout=timeout, cell=cell)
    return Peak(
        **answer,
        backend=backend,
        device=device,
        started=started,
        foreign_cpu_share=load.share(),
        machine=facts.fingerprint(),
    )


def measure_here(
    backend: str, device: str, *, seconds: float = SECONDS, size: int = 0, copied: int = COPIED_BYTES
) -> dict[str, Limit]:
    """Measures all limits in this process.

    Args:
        backend: What computes.
        device: Where.
        seconds: How long each limit is measured at most.
        size: Rows and columns of the matrices; large ones, unless given.
        copied: Bytes of what is copied.

    Raises:
        Unsuitable: If the device is unavailable.
    """
    import numpy as np

    place, engine = product.find_device(backend, device), product.get_backend(backend)
    largest = size or SIZES.get(device, ACCELERATOR_SIZE)
    square = np.random.default_rng(0).standard_normal((largest, largest), dtype=np.float32)  # zeros would be faster

    def multiply(rows: int, name: str) -> Callable[[], object]:
        return engine.product(square[:rows, :rows].copy(), name, device)

    limits = {}
    with place.scope():
        for name in product.FORMATS:
            if not product.why_unsuitable(name, device):
                first = min(FIRST_SIZES.get(device, ACCELERATOR_FIRST), largest)
                rows = _affordable(partial(multiply, name=name), first, largest, seconds)
                limits[name] = limit(multiply(rows, name), 2 * rows**3 / 1e9, "GFLOP/s", seconds)
        limits[COPY] = limit(engine.addition(copied // 4, device), 2 * copied / 1e9, "GB/s", seconds)
    return limits


def _affordable(multiply: Callable[[int], Callable[[], object]], rows: int, largest: int, seconds: float) -> int:
    """Rows of the largest matrices whose product does not take too long: some formats are slow on some devices."""
    while 2 * rows <= largest and 8 * timing.median_seconds(multiply(rows), rounds=1) < seconds / LEAST_ROUNDS:
        rows *= 2
    return rows


def limit(work: Callable[[], object], amount: float, unit: str, seconds: float = SECONDS) -> Limit:
    """How much of an amount some work does in a second."""
    work()
    work()
    rates, begun = [], perf_counter()
    while len(rates) < ROUNDS and (len(rates) < LEAST_ROUNDS or perf_counter() - begun < seconds):
        start = perf_counter()
        work()
        rates.append(amount / (perf_counter() - start))
    return Limit(value=median(rates), low=min(rates), high=max(rates), rounds=len(rates), unit=unit)


def main() -> None:
    """Measures what the parent asks for."""
    orders, answer = child.connect()
    try:
        limits = measure_here(**next(orders))
    except Unsuitable as unsuitable:
        answer({"limits": {}, "status": "n/a", "reason": str(unsuitable)})
    else:
        answer({"limits": {name: asdict(known) for name, known in limits.items()}})


if __name__ == "__main__":
    main()
