"""Shows a comparison while it runs, and says by an exit code how it went."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.compare import comparison, table
from bench.compare.comparison import Trial, VariantPair
from bench.compare.sequential_test import Rule
from bench.results import format

NOTHING_SLOWER, SLOWER, NOTHING_COMPARED = 0, 1, 3


def run(
    variant_pairs: Sequence[VariantPair],
    results: Path,
    *,
    rule: Rule,
    title: str,
    budget_seconds: float | None = None,
    as_json: bool = False,
) -> list[Trial]:
    """Runs a comparison and prints its table, or one JSON object a cell; after Ctrl-C as well, as far as it came.

    Raises:
        KeyboardInterrupt: After the table.
    """
    from rich import console

    comparison.check_budget(budget_seconds, len(variant_pairs))
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    trials: list[Trial] = []
    try:
        with _live(err, title) as show:
            for trials in comparison.run(variant_pairs, results, rule=rule, budget_seconds=budget_seconds):
                show(trials)
    except KeyboardInterrupt:
        comparison.interrupt(trials, rule)
        raise
    finally:
        if as_json:
            for row in table.plain([one for one in trials if one.verdict]):
                out.file.write(json.dumps(row) + "\n")
        elif trials:
            table.show(trials, rule, title, out)
    return trials


@contextmanager
def _live(console, title: str):
    """Gives a function that shows how trials stand: a table that moves on a terminal, a line a unit elsewhere."""
    from rich import console as consoles
    from rich import live

    if not console.is_terminal:
        told: dict[int, tuple] = {}

        def tell(trials: Sequence[Trial]) -> None:
            for number, row in enumerate(table.rows(trials)):
                if told.get(number, row) != row:
                    console.print("  ".join(filter(None, row)), markup=False, highlight=False)
                told[number] = row

        yield tell
        return
    # Now and then only: who redraws all the time takes CPU from what is measured.
    with live.Live(console=console, auto_refresh=False, transient=True) as shown:

        def draw(trials: Sequence[Trial]) -> None:
            left = format.duration(round(sum(one.left_seconds() for one in trials)))
            decided = sum(one.verdict is not None for one in trials)
            foot = f"{decided} of {len(trials)} decided; about {left} to go if nothing surprises"
            shown.update(consoles.Group(table.drawn(trials, title), foot), refresh=True)

        yield draw


def exit_code(trials: Sequence[Trial]) -> int:
    """0 nothing slower, 1 something slower, 3 no cell could be compared."""
    if any(one.verdict.word == "slower" for one in trials):
        return SLOWER
    return NOTHING_SLOWER if any(one.verdict.pairs for one in trials) else NOTHING_COMPARED


def gate_code(trials: Sequence[Trial], threshold: float) -> int:
    """For a gate: 1 if a cell is slower by more than the threshold, 3 if one is inconclusive, which is never a pass."""
    if any(_is_over(one, threshold) for one in trials):
        return SLOWER
    return NOTHING_COMPARED if any(one.verdict.word == "inconclusive" for one in trials) else NOTHING_SLOWER


def _is_over(one: Trial, threshold: float) -> bool:
    return one.verdict.word == "slower" and one.verdict.ratio > 1 + threshold


def gate_words(trials: Sequence[Trial], threshold: float) -> str:
    """What a gate found, in one sentence."""
    over = [one.variants.cell for one in trials if _is_over(one, threshold)]
    if over:
        return f"Failed: slower by more than {100 * threshold:g} %: {', '.join(over)}."
    undecided = [one.variants.cell for one in trials if one.verdict.word == "inconclusive"]
    if undecided:
        return f"Not passed: inconclusive, which clears nobody: {', '.join(undecided)}."
    return f"Passed: nothing is slower by more than {100 * threshold:g} %."
