"""Shows a comparison while it runs, and says by an exit code how it went."""

import json
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.compare import comparison, table
from bench.compare.comparison import Match, Standing
from bench.compare.sequential_test import Rule
from bench.results import format

NOTHING_SLOWER, SLOWER, NOTHING_COMPARED = 0, 1, 3


def run(
    matches: Sequence[Match],
    results: Path,
    *,
    rule: Rule,
    title: str,
    budget_seconds: float | None = None,
    as_json: bool = False,
) -> list[Standing]:
    """Runs a comparison and prints its table, or one JSON object a cell; after Ctrl-C as well, as far as it came.

    Raises:
        KeyboardInterrupt: After the table.
    """
    from rich import console

    comparison.check_budget(budget_seconds, len(matches))
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    standings: list[Standing] = []
    try:
        with _live(err, title) as show:
            for standings in comparison.run(matches, results, rule=rule, budget_seconds=budget_seconds):
                show(standings)
    except KeyboardInterrupt:
        comparison.interrupt(standings, rule)
        raise
    finally:
        if as_json:
            for row in table.plain([one for one in standings if one.verdict]):
                out.file.write(json.dumps(row) + "\n")
        elif standings:
            table.show(standings, rule, title, out)
    return standings


@contextmanager
def _live(console, title: str):
    """Gives a function that shows how standings stand: a table that moves on a terminal, a line a unit elsewhere."""
    from rich import console as consoles
    from rich import live

    if not console.is_terminal:
        told: dict[int, tuple] = {}

        def tell(standings: Sequence[Standing]) -> None:
            for number, row in enumerate(table.rows(standings)):
                if told.get(number, row) != row:
                    console.print("  ".join(filter(None, row)), markup=False, highlight=False)
                told[number] = row

        yield tell
        return
    # Now and then only: who redraws all the time takes CPU from what is measured.
    with live.Live(console=console, auto_refresh=False, transient=True) as shown:

        def draw(standings: Sequence[Standing]) -> None:
            left = format.duration(round(sum(one.left_seconds() for one in standings)))
            decided = sum(one.verdict is not None for one in standings)
            foot = f"{decided} of {len(standings)} decided; about {left} to go if nothing surprises"
            shown.update(consoles.Group(table.drawn(standings, title), foot), refresh=True)

        yield draw


def exit_code(standings: Sequence[Standing]) -> int:
    """0 nothing slower, 1 something slower, 3 no cell could be compared."""
    if any(one.verdict.word == "slower" for one in standings):
        return SLOWER
    return NOTHING_SLOWER if any(one.verdict.units for one in standings) else NOTHING_COMPARED


def gate_code(standings: Sequence[Standing], threshold: float) -> int:
    """For a gate: 1 if a cell is slower by more than the threshold, 3 if one is inconclusive, which is never a pass."""
    if any(_is_over(one, threshold) for one in standings):
        return SLOWER
    return NOTHING_COMPARED if any(one.verdict.word == "inconclusive" for one in standings) else NOTHING_SLOWER


def _is_over(one: Standing, threshold: float) -> bool:
    return one.verdict.word == "slower" and one.verdict.ratio > 1 + threshold


def gate_words(standings: Sequence[Standing], threshold: float) -> str:
    """What a gate found, in one sentence."""
    over = [one.match.cell for one in standings if _is_over(one, threshold)]
    if over:
        return f"Failed: slower by more than {100 * threshold:g} %: {', '.join(over)}."
    undecided = [one.match.cell for one in standings if one.verdict.word == "inconclusive"]
    if undecided:
        return f"Not passed: inconclusive, which clears nobody: {', '.join(undecided)}."
    return f"Passed: nothing is slower by more than {100 * threshold:g} %."
