"""Runs `regressions`: finds steps over commits, and confirms them by paired runs on this machine."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.compare import acknowledged, comparison, sequential_test, variants
from bench.compare.history import change_points, regressions, table
from bench.compare.history.regressions import History
from bench.compare.sequential_test import Rule, Verdict
from bench.compare.variant import VariantPair
from bench.results import store
from bench.results.cell import Cell
from bench.run import durations
from bench.run.data_source import Source
from bench.run.product import ReportedError

Tell = Callable[[str], object]


def find(results: Path, source: Source, *, confirm: bool, budget_seconds: float | None, tell: Tell) -> History:
    """Finds the steps, confirms them if asked, and keeps what was found as results/tables/regressions.md and .json.

    Raises:
        InputError: If asv has measured nothing of this branch, or bench/acknowledged.toml cannot be read.
    """
    accepted = acknowledged.load()
    level = change_points.LEVEL_TO_CONFIRM if confirm else change_points.LEVEL
    history = regressions.find(results / "asv", detect=partial(change_points.detect, level=level))
    if confirm:
        if history.changes:
            tell(_forecast(history, results, budget_seconds))
        paired_runs = PairedRuns(results, source, budget_seconds=budget_seconds, tell=tell)
        history = regressions.confirm(history, paired_runs, tell=tell)
    history = replace(history, changes=tuple(change.acknowledge(accepted) for change in history.changes))
    store.save_table("regressions.md", table.markdown(history), results)
    store.save_table("regressions.json", json.dumps(table.plain(history), indent=1), results)
    return history


def _forecast(history: History, results: Path, budget_seconds: float | None) -> str:
    """How many steps there are to confirm, and how long that takes if all are: the ends, then halves of the range."""
    commits, known = list(history.commits), comparison.known_pairs(results)
    seconds: list[float | None] = []
    for candidate in (change.candidate for change in history.changes):
        between = commits.index(candidate.after) - commits.index(candidate.before)
        run = known.total([regressions.cell_id(candidate)] for _ in range(comparison.TYPICAL_PAIRS))
        run = run if budget_seconds is None else min(budget_seconds, run or budget_seconds)
        seconds.append(None if run is None else run * (1 + between.bit_length() - 1))
    what = f"{len(seconds)} step{'s' * (len(seconds) > 1)} to confirm by paired runs of the ends and of commits between"
    return durations.forecast(
        what,
        durations.total_of(seconds),
        by="by `--budget` and what pairs took here" if budget_seconds else durations.EARLIER,
    )


class PairedRuns:
    """Compares two commits in a cell by a paired run; the same two codes are run once."""

    def __init__(self, results: Path, source: Source, *, budget_seconds: float | None, tell: Tell):
        self._results, self._source, self._budget, self._tell = results, source, budget_seconds, tell
        self._known: dict[tuple, Verdict] = {}

    def __call__(self, cell: Cell, base: str, candidate: str) -> Verdict:
        """The verdict on `candidate`; inconclusive, and the reason reported, where a commit cannot be built or run."""
        try:
            (variant_pair,) = variants.of_revisions([cell], base, candidate, self._source, tell=lambda _: None)
        except ReportedError as error:
            self._tell(f"{base[:8]}..{candidate[:8]}: {error}")
            return Verdict(word="inconclusive", estimates={}, reason=str(error))
        key = cell, variant_pair.base.code["digest"], variant_pair.candidate.code["digest"]
        if key[1] == key[2]:
            return Verdict(word="same", estimates={}, reason="the same code")
        if key not in self._known:
            self._known[key] = self._run(variant_pair, cell)
        return self._known[key]

    def _run(self, variant_pair: VariantPair, cell: Cell) -> Verdict:
        rule = Rule(clocks=sequential_test.clocks([cell]))
        (*_, (trial,)) = comparison.run([variant_pair], self._results, rule=rule, budget_seconds=self._budget)
        verdict = trial.final
        reason = f" ({verdict.reason})" if verdict.reason else ""
        commits = f"{variant_pair.base.name[:8]}..{variant_pair.candidate.name[:8]}"
        self._tell(f"  {commits}: {verdict.word}, {verdict.pairs} pairs{reason}")
        return verdict
