"""The history that a user asks for: steps over commits, confirmed by paired runs that this machine makes."""

import json
from collections.abc import Callable
from pathlib import Path

from bench.compare import comparison, variants
from bench.compare import sequential_test as verdicts
from bench.compare.history import regressions, table
from bench.compare.history.regressions import History, Paired
from bench.compare.sequential_test import Rule
from bench.results import store
from bench.results.cell import Cell
from bench.run.data_source import Source
from bench.run.failures import ReportedError

Tell = Callable[[str], object]


def find(results: Path, source: Source, *, confirm: bool, budget_seconds: float | None, tell: Tell) -> History:
    """Finds the steps, confirms them if asked, and keeps what was found as results/tables/history.md and .json.

    Raises:
        InputError: If asv has measured nothing of this branch.
    """
    found = regressions.find(results / "asv", tell=tell)
    if confirm:
        judge = Judge(results, source, budget_seconds=budget_seconds, tell=tell)
        found = regressions.confirm(found, judge, tell=tell)
    store.save_table("regressions.md", table.markdown(found), results)
    store.save_table("regressions.json", json.dumps(table.plain(found), indent=1), results)
    return found


class Judge:
    """Compares two commits in a cell by a paired run; what it has judged before, it does not run again."""

    def __init__(self, results: Path, source: Source, *, budget_seconds: float | None, tell: Tell):
        self._results, self._source, self._budget, self._tell = results, source, budget_seconds, tell
        self._known: dict[tuple, Paired] = {}

    def __call__(self, cell: Cell, base: str, candidate: str) -> Paired:
        """The verdict on `candidate`; inconclusive, with the reason told, where a commit cannot be built or run."""
        try:
            (match,) = variants.of_revisions([cell], base, candidate, self._source, tell=lambda _: None)
        except ReportedError as error:
            self._tell(f"{base[:8]}..{candidate[:8]}: {error}")
            return Paired(verdict="inconclusive")
        key = cell, match.base.code["digest"], match.candidate.code["digest"]
        if key[1] == key[2]:
            return Paired(verdict="same", ratio=1.0, low=1.0, high=1.0)
        if key not in self._known:
            self._known[key] = self._run(match, cell)
        return self._known[key]

    def _run(self, match: comparison.VariantPair, cell: Cell) -> Paired:
        rule = Rule(clocks=verdicts.clocks([cell]))
        for trials in comparison.run([match], self._results, rule=rule, budget_seconds=self._budget):
            (one,) = trials
        verdict, estimates = one.verdict, one.verdict.estimates
        reason = f" ({verdict.reason})" if verdict.reason else ""
        self._tell(
            f"  {match.base.name[:8]}..{match.candidate.name[:8]}: {verdict.word}, {verdict.pairs} units{reason}"
        )
        if not estimates:
            return Paired(verdict=verdict.word)
        estimate = estimates[verdict.clock if verdict.clock in estimates else "wall"]
        return Paired(verdict=verdict.word, ratio=estimate.ratio, low=estimate.low, high=estimate.high)
