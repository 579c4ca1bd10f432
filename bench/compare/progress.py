"""Shows a comparison while it runs, and gives the exit code it ends with."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from bench.compare import comparison
from bench.compare.comparison import PairRuns, Trial
from bench.compare.sequential_test import Rule
from bench.compare.table import plain, table
from bench.compare.variant import VariantPair
from bench.results import format
from bench.results.result import DONE, FAILED, NOTHING_MEASURED
from bench.results.table import say

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 60.0  # between two lines on what is left, where there is no terminal
NOTHING_SLOWER, SLOWER, NOTHING_COMPARED = DONE, FAILED, NOTHING_MEASURED


def run(
    variant_pairs: Sequence[VariantPair],
    results: Path,
    *,
    rule: Rule,
    title: str,
    budget_seconds: float | None = None,
    as_json: bool = False,
    runs: PairRuns = comparison.PLAIN,
) -> list[Trial]:
    """Runs a comparison and prints its table, or one JSON object a cell; after Ctrl-C as well, as far as it came.

    Raises:
        KeyboardInterrupt: After the table.
    """
    from rich import console

    comparison.check_budget(budget_seconds, len(variant_pairs))
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    trials: list[Trial] = []
    say(err, comparison.forecast(variant_pairs, results, control=runs.control, budget=budget_seconds), whole=True)
    running = comparison.run(variant_pairs, results, rule=rule, title=title, budget_seconds=budget_seconds, runs=runs)
    try:
        with _live(err, rule, title) as show, closing(running):
            for trials in running:
                show(trials)
    finally:
        if as_json:
            for row in plain([trial for trial in trials if trial.verdict]):
                out.file.write(json.dumps(row) + "\n")
        elif trials:
            table(trials, rule, title).draw(out)
    return trials


@contextmanager
def _live(console: "Console", rule: Rule, title: str) -> Iterator[Callable[[Sequence[Trial]], None]]:
    """Gives a function that shows how trials stand: a table that moves on a terminal, lines elsewhere.

    There a line says how a cell stands whenever that changes, and one what is left, each minute and with each verdict.
    """
    from rich import console as consoles
    from rich import live

    if not console.is_terminal:
        printed: dict[str, list[str]] = {}  # by cell: rows change places when all are decided
        said, known = perf_counter(), 0

        def print_changes(trials: Sequence[Trial]) -> None:
            nonlocal said, known
            for row in table(trials, rule, title).texts():
                if printed.get(row[0], row) != row:
                    say(console, "  ".join(filter(None, row)))
                printed[row[0]] = row
            decided = sum(trial.verdict is not None for trial in trials)
            if decided < len(trials) and (decided > known or perf_counter() - said > LINE_SECONDS):
                said, known = perf_counter(), decided
                say(console, _what_is_left(trials))

        yield print_changes
        return
    # Only where something changed: redrawing all the time takes CPU from what is measured.
    with live.Live(console=console, auto_refresh=False, transient=True) as screen:

        def draw(trials: Sequence[Trial]) -> None:
            screen.update(consoles.Group(table(trials, rule, title).renderable(), _what_is_left(trials)), refresh=True)

        yield draw


def _what_is_left(trials: Sequence[Trial]) -> str:
    left = format.duration(round(sum(trial.left_seconds() for trial in trials)))
    decided = sum(trial.verdict is not None for trial in trials)
    return f"{decided} of {len(trials)} decided; about {left} to go if nothing surprises"


def exit_code(trials: Sequence[Trial]) -> int:
    """0 nothing slower, 1 something slower or over a budget, 3 nothing could be compared, or no verdict is proven.

    What the project acknowledges counts as known, not as slower.
    """
    if any(trial.final.word == "slower" and not trial.acknowledged for trial in trials) or _over_budget(trials):
        return SLOWER
    if any(trial.final.word == "unproven" for trial in trials):
        return NOTHING_COMPARED
    return NOTHING_SLOWER if any(trial.final.pairs for trial in trials) else NOTHING_COMPARED


def gate_code(trials: Sequence[Trial], threshold: float) -> int:
    """For a gate: 1 if a cell is slower by more than the threshold or over a budget, 3 if one is inconclusive.

    What is inconclusive is never a pass, nor is a budget that is unproven.
    """
    if any(_is_over(trial, threshold) for trial in trials) or _over_budget(trials):
        return SLOWER
    return NOTHING_COMPARED if _doubtful(trials) or _budgets(trials, "unproven") else NOTHING_SLOWER


def _budgets(trials: Sequence[Trial], word: str) -> list[str]:
    """Budgets of which the candidates' processes say this word, each with its cell."""
    return [f"{trial.variants.cell}: {budget}" for trial in trials for budget in trial.budgets if budget.word == word]


def _over_budget(trials: Sequence[Trial]) -> list[str]:
    return _budgets(trials, "exceeded")


def _doubtful(trials: Sequence[Trial]) -> list[Trial]:
    """Those whose verdict is neither a pass nor a failure."""
    return [trial for trial in trials if trial.final.word in ("inconclusive", "unproven")]


def _is_over(trial: Trial, threshold: float) -> bool:
    over = trial.final.word == "slower" and (trial.final.ratio or 0.0) > 1 + threshold
    return over and not trial.acknowledged


def gate_text(trials: Sequence[Trial], threshold: float) -> str:
    """What a gate decided, in one sentence."""
    over = [trial.variants.cell for trial in trials if _is_over(trial, threshold)]
    failures = [f"slower by more than {100 * threshold:g} %: {', '.join(over)}"] if over else []
    failures += _over_budget(trials)
    if failures:
        return f"Failed: {'; '.join(failures)}."
    undecided = _doubtful(trials)
    if undecided:
        cells = ", ".join(trial.variants.cell for trial in undecided)
        return f"Not passed: {undecided[0].final.word}, which is no pass: {cells}."
    if unproven := _budgets(trials, "unproven"):
        return f"Not passed: {'; '.join(unproven)}."
    known = [f"{trial.variants.cell} (acknowledged: {trial.acknowledged})" for trial in trials if trial.acknowledged]
    accepted = f", but for {', '.join(known)}" if known else ""
    return f"Passed: nothing is slower by more than {100 * threshold:g} %{accepted}."
