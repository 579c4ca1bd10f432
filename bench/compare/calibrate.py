"""Measures how much identical pairs of processes differ here, and says what slowdown that lets this machine find."""

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.compare import noise_floor, pair
from bench.compare.pair_result import PairResult
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results import store
from bench.results.cell import Cell
from bench.run.data_source import Source
from flowers_core import progress

DONE, NOTHING = 0, 3


def run(
    cells: Sequence[Cell],
    source: Source,
    results: Path,
    *,
    units: int,
    as_json: bool = False,
    record: Callable[..., list[PairResult]] = pair.record,
) -> int:
    """Runs `units` identical pairs of each cell, in turns over the cells, and prints the noise floor of each.

    Units are stored as they end: after Ctrl-C those that are there count, and a second call adds to them.

    Returns:
        Exit code: 0 done, 3 no cell could be measured.
    """
    from rich import console

    common, draw = {"source": source, "code": facts.code(), "classes": source.classes(cells)}, random.Random()
    comparison = datetime.now(UTC).strftime("calibration-%Y%m%dT%H%M%S%fZ")
    died = {}
    with progress.bar("identical pairs", units * len(cells)) as advance:
        for _ in range(units):
            for cell in cells:
                sides = (Variant(name=name, cell=cell, **common) for name in ("base", "candidate"))
                unit = record(*sides, comparison=comparison, draw=draw)[0]
                store.append(unit, results)
                if unit.status != "ok":
                    died[cell.id] = unit.reason
                advance()
    wanted = {cell.id for cell in cells}
    found = [
        one
        for one in noise_floor.floors(store.load(PairResult, results).results, machine_id=facts.hardware_id())
        if one.cell in wanted
    ]
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    for name, reason in died.items():
        err.print(f"{name}: a pair died: {reason}", markup=False, highlight=False)
    if as_json:
        for row in noise_floor.to_json(found):
            out.file.write(json.dumps(row) + "\n")
    else:
        noise_floor.show(found, out)
    return DONE if any(not one.reason for one in found) else NOTHING
