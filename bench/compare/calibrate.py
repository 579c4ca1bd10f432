"""Measures how much identical pairs of processes differ here, and which slowdown this machine can therefore detect."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.compare import noise_floor, pair
from bench.compare.comparison import known_pairs
from bench.compare.pair_result import PairResult
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results import store
from bench.results.cell import Cell
from bench.results.result import DONE, NOTHING_MEASURED, new_mark
from bench.results.table import say
from bench.run.data_source import Source
from bench.run.durations import forecast
from flowers_core import progress


def run(
    cells: Sequence[Cell],
    source: Source,
    results: Path,
    *,
    pairs: int,
    as_json: bool = False,
    record: Callable[..., list[PairResult]] = pair.record,
) -> int:
    """Runs so many identical pairs of each cell, cell after cell in turn, and prints the noise floor of each.

    Each is stored when it ends: after Ctrl-C those that are there count, and a second call adds to them.

    Returns:
        Exit code: 0 done, 3 no cell could be measured.
    """
    from rich import console

    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    seconds = known_pairs(results).total([cell.id] for cell in cells for _ in range(pairs))
    what = f"{pairs} identical pairs of fresh processes of {'each of ' * (len(cells) > 1)}{len(cells)} cell"
    say(err, forecast(f"{what}{'s' * (len(cells) > 1)}", seconds), whole=True)
    common = {"source": source, "code": facts.code(), "classes": source.classes(cells)}
    comparison = f"calibration-{new_mark()}"
    failures = {}
    with progress.bar("identical pairs", pairs * len(cells)) as advance:
        for _ in range(pairs):
            for cell in cells:
                variants = (Variant(name=name, cell=cell, **common) for name in ("base", "candidate"))
                result = record(*variants, comparison=comparison)[0]
                store.append(result, results)
                if result.status != "ok":
                    failures[cell.id] = result.reason
                advance()
    measured = {cell.id for cell in cells}
    stored = store.load(PairResult, results).results
    here = facts.fingerprint()
    floors = noise_floor.floors(stored, machine_id=here["id"], setting=here)
    floors = [floor for floor in floors if floor.cell in measured]
    for name, reason in failures.items():
        say(err, f"{name}: a pair died: {reason}")
    if as_json:
        for row in noise_floor.to_json(floors):
            out.file.write(json.dumps(row) + "\n")
    else:
        noise_floor.table(floors).draw(out)
    return DONE if any(not floor.reason for floor in floors) else NOTHING_MEASURED
