"""Finds the largest batch of a step that fits into memory, and the smallest one that is nearly as fast as any.

Each batch is tried in a fresh process, which may run out of memory: that is how the search learns where the limit is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from bench.results import format
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import Result, stamp
from bench.results.table import Column, Table

NEARLY = 0.97  # of the best images/s: the smallest batch with so many is enough
CLOSE = 16  # the search ends when the batch that failed is larger by less than a 16th than the one that fits
DOES_NOT_FIT = ("oom", "timeout", "crash")  # a framework that is out of memory may also die without a word


@dataclass(frozen=True, kw_only=True)
class BatchSearch(Result):
    """The outcome of a search for the largest batch.

    Attributes:
        cell: The step, with the largest batch that fits; with the first that was tried where none does.
        largest: That batch, None where none fits.
        too_large: The smallest batch that failed; None where the largest that may be tried fits.
        ended_by: The status of that batch, and why.
        enough: The smallest batch within 3 % of the best images/s.
        rates: Images/s of each batch that was tried and fits, as text for JSON's keys.
        device_bytes: Likewise the most memory held on the accelerator, where there is one.
        memory_bytes: Limit of a process's memory, if one was asked for.
    """

    KIND = "batches"

    cell: Cell
    largest: int | None = None
    too_large: int | None = None
    ended_by: tuple[str, str] = ("", "")
    enough: int | None = None
    rates: dict[str, float] = field(default_factory=dict)
    device_bytes: dict[str, int] = field(default_factory=dict)
    memory_bytes: int | None = None

    @property
    def sentence(self) -> str:
        """The outcome in a sentence."""
        if self.largest is None:
            return f"No batch fits, not even {self.cell.batch_size}: {': '.join(self.ended_by)}"
        rest = f"{self.too_large:,} does not ({': '.join(self.ended_by)})" if self.too_large else "no larger was tried"
        best = max(self.rates.values())
        return (
            f"The largest batch that fits is {self.largest:,}; {rest}. The smallest within 3 % of the best "
            f"({format.rate(best)} images/s) is {self.enough:,}."
        )


def sizes(first: int, most: int) -> Iterator[int]:
    """Batches to try: each answer, whether it fits, is sent back with `send`.

    Doubled from the first until a batch does not fit, or halved until the first fits; then bisected.
    """
    fits, fails, size = 0, 0, min(first, most)
    while True:
        if (yield size):
            fits = size
        else:
            fails = size
        if not fits:
            size //= 2
        elif not fails:
            size = min(2 * size, most)
        elif fails - fits > max(1, fits // CLOSE):
            size = (fits + fails) // 2
        else:
            return
        if size == fits or size < 1:
            return


def most_tries(first: int, most: int) -> int:
    """How many batches are tried at most, but for those smaller than the first."""
    doublings, size = 1, first
    while size < most:
        doublings, size = doublings + 1, 2 * size
    return doublings + CLOSE.bit_length() - 1


def run(
    cell: Cell, *, most: int, measure: Callable[[Cell], Measurement], memory_bytes: int | None = None
) -> Iterator[Measurement | BatchSearch]:
    """Tries batches of a cell, beginning with its own.

    Args:
        cell: The step.
        most: The largest batch to try.
        measure: Measures a cell in a fresh process.
        memory_bytes: The limit that it has, to be kept with the result.

    Yields:
        Each measurement as it ends, and the result as far as it is known after it: the last one is the answer.
    """
    shared = {**stamp(), "memory_bytes": memory_bytes}
    tried: list[Measurement] = []
    candidates: Any = sizes(cell.batch_size, most)
    size = next(candidates)
    while size is not None:
        tried.append(measure(replace(cell, batch_size=size)))
        yield tried[-1]
        yield summarise(tried, shared)
        if tried[-1].status not in ("ok", *DOES_NOT_FIT):
            return  # no batch of it would do better
        try:
            size = candidates.send(tried[-1].status == "ok")
        except StopIteration:
            return


def summarise(tried: list[Measurement], shared: dict[str, Any]) -> BatchSearch:
    """What the batches of a cell that were tried say together.

    Args:
        tried: A measurement of each batch.
        shared: Other fields of the result.
    """
    good = {done.cell.batch_size: done for done in tried if done.status == "ok"}
    bad = {done.cell.batch_size: done for done in tried if done.status != "ok"}
    rates = {size: size / median(done.step_seconds) for size, done in sorted(good.items())}
    known: dict[str, Any] = {}
    if bad:
        failed = bad[min(bad)]
        known = {"too_large": min(bad), "ended_by": (failed.status, failed.reason)}
    if good:
        known |= {
            "cell": good[max(good)].cell,
            "largest": max(good),
            "enough": min(size for size, rate in rates.items() if rate >= NEARLY * max(rates.values())),
            "rates": {str(size): rate for size, rate in rates.items()},
            "device_bytes": {
                str(size): done.device_peak_bytes for size, done in sorted(good.items()) if done.device_peak_bytes
            },
        }
    else:
        known |= {"cell": tried[-1].cell, "status": tried[-1].status, "reason": tried[-1].reason}
    return BatchSearch(**known, **shared)


def table(tried: list[Measurement], found: BatchSearch) -> Table:
    """The batches that were tried, the smallest first."""
    shown = sorted(tried, key=lambda done: done.cell.batch_size)
    on_device = bool(found.device_bytes)
    limit = f"; limit of a process: {format.size(found.memory_bytes)}" if found.memory_bytes else ""
    cell = found.cell
    compiled = "".join(f", {words}" for words in (cell.chosen_compiler, cell.loop) if words)
    return Table(
        title=f"Batches of {cell.model} ({cell.image_size} px, {cell.mode}, {cell.device}, {cell.precision}, "
        f"{cell.backend}{compiled})",
        columns=(
            Column("batch", "count"),
            Column("images/s", "rate", bars=True),
            Column("time a step", "time"),
            Column("device MB" if on_device else "MB", "bytes"),
        ),
        rows=tuple(
            (
                done.cell.batch_size,
                found.rates.get(str(done.cell.batch_size), done.status),
                median(done.step_seconds) if done.step_seconds else "",
                (done.device_peak_bytes if on_device else done.peak_bytes) or "",
            )
            for done in shown
        ),
        notes=(found.sentence, f"each batch in a fresh process{limit}"),
    )
