"""The proof as a user asks for it: units recorded behind a bar, and what all units of a store prove."""

import json
from collections.abc import Collection
from pathlib import Path
from time import perf_counter

from bench.compare.inject import NONE
from bench.compare.pair_result import PairResult
from bench.compare.validation import error_rates, table
from bench.compare.validation import record as recording
from bench.results import store
from bench.run.data_source import Source
from flowers_core import progress


def record(results: Path, source: Source, *, seconds: float, load_share: float, kinds: Collection[str]) -> None:
    """Records units for some time; each is stored as its pair ends, so that Ctrl-C loses a pair at most.

    Args:
        results: The store.
        source: What the cells read.
        seconds: How long.
        load_share: Of one core, which a load beside takes.
        kinds: What is planted, of `bench.compare.inject.KINDS`; nothing is, in any case, for comparison.
    """
    cases = tuple(case for case in recording.CASES if case.kind in kinds or case == NONE)
    begun, told = perf_counter(), 0
    with progress.bar("planted pairs, seconds", round(seconds)) as advance:
        for _ in recording.record(results, source, seconds=seconds, load_share=load_share, cases=cases):
            passed = min(round(seconds), round(perf_counter() - begun))
            advance(passed - told)
            told = passed


def show(results: Path, *, as_json: bool) -> None:
    """Judges all units of a store, prints what that proves, and keeps it as results/tables/proof.md.

    Raises:
        InputError: If there is no unit that could be judged.
    """
    from rich import console

    found = error_rates.prove(store.load(PairResult, results).results)
    store.save_table("proof.md", table.markdown(found), results)
    out = console.Console()
    if as_json:
        out.file.write(json.dumps(table.to_json(found)) + "\n")
    else:
        table.show(found, out)
