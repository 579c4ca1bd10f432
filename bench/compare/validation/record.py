"""Records units for a proof: identical pairs and planted slowdowns, with and without a load beside them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from bench.compare import pair
from bench.compare.inject import NONE, Injection
from bench.compare.pair_result import PairResult
from bench.compare.validation import background_load
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results import store
from bench.results.cell import NO_MODEL, Cell
from bench.run.data_source import Source

# A pipeline and two steps: one of many small kernels (frozen base), one of few large ones, which also learns.
CELLS = (
    Cell(model=NO_MODEL, pipeline="records_parallel"),
    Cell(model="mobilenetv2", batch_size=8),
    Cell(model="convnet_gap", batch_size=8),
)

CASES = (
    NONE,
    Injection(kind="compute", share=0.02),
    Injection(kind="compute", share=0.05),
    Injection(kind="sleep", share=0.15),
    Injection(kind="lock", share=0.15),
    Injection(kind="core", share=0.15),
)


def record(
    results: Path,
    source: Source,
    *,
    seconds: float,
    load_share: float = 0.0,
    cells: tuple[Cell, ...] = CELLS,
    cases: tuple[Injection, ...] = CASES,
) -> Iterator[list[PairResult]]:
    """Runs pairs of processes, cell after cell, for some time; stores their units and gives them.

    The units of a pair are of different cases, so the units of one case are all of different pairs.

    Args:
        results: The store.
        source: What the cells read.
        seconds: How long; the pair that runs then is finished.
        load_share: Of one core, which a load beside takes.
        cells: What is measured.
        cases: What is planted.
    """
    begun, draw = perf_counter(), random.Random()
    comparison = datetime.now(UTC).strftime("proof-%Y%m%dT%H%M%SZ")
    name = f"{load_share:g} core" if load_share else ""
    common = {"source": source, "code": facts.code(), "classes": source.classes(cells)}
    with background_load.beside(load_share):
        while perf_counter() - begun < seconds:
            for cell in cells:
                sides = (Variant(name=side, cell=cell, **common) for side in ("base", "candidate"))
                units = pair.record(*sides, comparison=comparison, injections=cases, load=name, draw=draw)
                for unit in units:
                    store.append(unit, results)
                yield units
                if perf_counter() - begun > seconds:
                    return
