"""Records pair results whose truth is known: identical pairs and injected slowdowns, with and without a load."""

import os
import random
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bench.compare import pair
from bench.compare.inject import NONE, Injection
from bench.compare.pair_result import PairResult
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.results.result import new_mark
from bench.run import process
from bench.run.data_source import Source
from flowers_core import progress

# A pipeline and two steps: one of many small kernels (frozen base), one of few large ones, which also learns.
CELLS = (
    Cell(model=NO_MODEL, pipeline="records_parallel"),
    Cell(model="mobilenetv2", batch_size=8),
    Cell(model="convnet_gap", batch_size=8),
)

INJECTIONS = (
    NONE,
    Injection(kind="compute", share=0.02),
    Injection(kind="compute", share=0.05),
    Injection(kind="sleep", share=0.15),
    Injection(kind="lock", share=0.15),
    Injection(kind="core", share=0.15),
)

BURST_SECONDS = 0.2  # mean length of a burst and, for half a core, of a pause: what guests of a shared machine do

LOAD_CODE = """
import random, sys, time
share, burst, draw = float(sys.argv[1]), float(sys.argv[2]), random.Random(0)
while True:
    end = time.perf_counter() + draw.expovariate(1 / burst)
    while time.perf_counter() < end:
        sum(range(1000))
    time.sleep(draw.expovariate(share / (1 - share) / burst))
"""


def record(
    results: Path, source: Source, *, seconds: float, load_share: float = 0.0, kinds: Collection[str] = ()
) -> None:
    """Records pairs for some time behind a progress bar; each is stored as it ends, so that Ctrl-C loses one at most.

    Args:
        results: The store.
        source: What the cells read.
        seconds: How long; the pair that runs then is finished.
        load_share: Share of one core that a background load takes.
        kinds: What is injected, of `bench.compare.inject.KINDS`, beside nothing at all; empty for all of them.
    """
    injections = tuple(injection for injection in INJECTIONS if not kinds or injection.kind in (*kinds, "none"))
    start, shown = perf_counter(), 0
    with progress.bar("pairs with injections, seconds", round(seconds)) as advance:
        for pairs in _run(source, injections, seconds=seconds, load_share=load_share):
            for result in pairs:
                store.append(result, results)
            passed = min(round(seconds), round(perf_counter() - start))
            advance(passed - shown)
            shown = passed


def _run(
    source: Source, injections: tuple[Injection, ...], *, seconds: float, load_share: float
) -> Iterator[list[PairResult]]:
    """Runs pairs of processes, cell after cell.

    The results of a pair have different injections, so the results of one injection are all of different pairs.
    """
    start, draw = perf_counter(), random.Random()
    comparison = f"validation-{new_mark()}"
    name = f"{load_share:g} core" if load_share else ""
    code, classes = facts.code(), source.classes(CELLS)
    with background_load(load_share):
        while True:
            for cell in CELLS:
                base, candidate = (
                    Variant(name=variant, cell=cell, source=source, code=code, classes=classes)
                    for variant in ("base", "candidate")
                )
                yield pair.record(base, candidate, comparison=comparison, injections=injections, load=name, draw=draw)
                if perf_counter() - start > seconds:
                    return


@contextmanager
def background_load(share: float) -> Iterator[None]:
    """Takes `share` of one core while the block runs; 0 is no load."""
    if not share:
        yield
        return
    command = [sys.executable, "-c", LOAD_CODE, str(share), str(BURST_SECONDS)]
    with (
        process.scratch() as folder,
        process.ChildProcess(command, folder, name="The background load", env=os.environ, answers=False),
    ):
        yield
