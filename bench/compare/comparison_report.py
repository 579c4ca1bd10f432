"""A comparison as a reviewer would paste it: verdict, table, picture, machine, how sure, how to repeat it."""

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.compare import alarms, detectable
from bench.compare.comparison_result import CellVerdict, Comparison, describe
from bench.compare.detectable import Noise
from bench.compare.explain import Explained, Explanation
from bench.compare.pair_result import INSTRUCTIONS
from bench.compare.sequential_test import LOOKS, WORDS, Estimate, Rule
from bench.results import store
from bench.results.table import Column, Interval, Table, markdown_code, markdown_text, printable

COLUMNS = (
    Column("cell"),
    Column("base", "time"),
    Column("candidate", "time"),
    Column("ratio [95 %]", "ratio"),
    Column("clock"),
    Column("pairs", "count"),
    Column("finds from", "percent"),
    Column("verdict", "verdict"),
)
CLOCKS = {"wall": "wall", "cpu": "CPU"}
WIDTH = 41  # characters of the picture, with the ratio 1 in the middle
POWER = "9 of 10"  # `detectable.POWER` in words
LEAST_SPAN = 0.02  # what the picture spans to either side at least


def latest(results: Path) -> str:
    """The last comparison of a store for a pull request; a sentence where there is none."""
    stored = store.load(Comparison, results).results
    if not stored:
        return "Nothing was compared: no pair of processes came to its end.\n"
    compared = max(stored, key=lambda compared: compared.started)
    kept = (entry for entry in store.load(Explained, results).results if entry.comparison == compared.comparison)
    report = markdown(compared, [entry.explanation for entry in kept])
    return report + "".join(f"- {markdown_text(said)}\n" for said in alarms.sentences(stored))


def markdown(compared: Comparison, explanations: Iterable[Explanation] = ()) -> str:
    """A comparison for a pull request, with where the time went of cells that were explained."""
    repeat, short = again(compared), {cell.cell: cell.short for cell in compared.cells}
    where = (replace(entry, cell=short.get(entry.cell, entry.cell)).sentence() for entry in explanations)
    lines = [
        f"### {markdown_text(sentence(compared))}",
        "",
        *(f"- {side}: {markdown_text(_describe(facts))}" for side, facts in _sides(compared)),
        *([f"- Measured: {markdown_text(', '.join(compared.shared))}"] if compared.shared else []),
        "",
        table(compared).markdown(),
        "```",
        *picture(compared),
        "```",
        "",
        *(f"- Where: {markdown_text(said)}" for said in where),
        f"- How sure: {' '.join(certainty(compared))}",
        f"- Machine: {markdown_text(compared.origin)}",
        *([f"- Repeat: {markdown_code(repeat)}"] if repeat else []),
    ]
    return "\n".join(lines) + "\n"


def sentence(compared: Comparison) -> str:
    """The verdict in one sentence, as a reviewer wants it: what is slower, undecided, faster, the same.

    `mobilenetv2 is 5.0 % slower [4.1 %, 5.9 %]; 5 are the same.`
    """
    by_word: dict[str, list[CellVerdict]] = {}
    for cell in compared.cells:
        by_word.setdefault(cell.verdict.word, []).append(cell)
    return "; ".join(_part(word, by_word[word]) for word in WORDS if word in by_word) + "."


def _part(word: str, cells: Sequence[CellVerdict]) -> str:
    """What a sentence says of the cells of one verdict."""
    said = "the same" if word == "same" else word
    if word in ("slower", "faster"):
        worst = max(cells, key=lambda cell: abs(math.log(cell.verdict.ratio or 1)))
        estimate = worst.verdict.estimate
        if estimate:
            low, high = sorted(abs(100 * (end - 1)) for end in (estimate.low, estimate.high))
            said = f"{100 * abs(estimate.ratio - 1):.1f} % {word} [{low:.1f} %, {high:.1f} %]"
        if len(cells) > 1:
            return f"{worst.short} and {len(cells) - 1} more are {word}, {worst.short} most: {said}"
        return f"{worst.short} is {said}"
    if len(cells) > 1:
        return f"{len(cells)} are {said}"
    estimate = cells[0].verdict.estimate
    if word == "inconclusive" and estimate:
        low, middle, high = (f"{100 * (end - 1):+.1f} %" for end in (estimate.low, estimate.ratio, estimate.high))
        said += f", so far {middle} [{low}, {high}]"
    return f"{cells[0].short} is {said}"


def _sides(compared: Comparison) -> tuple[tuple[str, dict], tuple[str, dict]]:
    return ("Base", compared.base), ("Candidate", compared.candidate)


def _describe(facts: dict) -> str:
    return describe(**facts) or "unknown"


def table(compared: Comparison) -> Table:
    """A row a cell, what is slower first."""
    cells, rule = compared.ordered, rule_of(compared)
    return Table(columns=COLUMNS, rows=tuple(_row(cell, rule) for cell in cells), notes=tuple(_notes(cells)))


def _row(cell: CellVerdict, rule: Rule) -> tuple:
    clock = _clock(cell)
    estimate = cell.verdict.estimates.get(clock)
    base, candidate = cell.step_seconds.get("wall" if clock == INSTRUCTIONS else clock, (None, None))
    ratio = Interval(estimate.ratio, estimate.low, estimate.high) if estimate else None
    decided = ", ".join(CLOCKS.get(name, name) for name in (cell.verdict.clock or clock).split("+"))
    found = minimum_effect(cell, rule)
    return cell.short, base, candidate, ratio, decided, cell.verdict.pairs, found, cell.verdict.word


def _clock(cell: CellVerdict) -> str:
    """The clock that decided, else the wall clock."""
    return cell.verdict.clock.partition("+")[0] or "wall"


def _notes(cells: Sequence[CellVerdict]) -> list[str]:
    notes = [
        "ratio: candidate over base, above 1 is slower; times: median of a step on the clock that decided",
        f"finds from: the least slowdown that up to {LOOKS[-1]} pairs of this noise find in {POWER} cases",
    ]
    return notes + [f"{cell.short}: {note}" for cell in cells for note in cell.notes]


def picture(compared: Comparison) -> list[str]:
    """Lines of text: each cell's ratio as a dot with its 95 % interval, on a logarithmic axis around 1."""
    estimates = [(cell, cell.verdict.estimates.get(_clock(cell))) for cell in compared.ordered]
    known = [estimate for _, estimate in estimates if estimate]
    ends = [abs(math.log(end)) for estimate in known for end in (estimate.low, estimate.high) if end > 0]
    span = max([LEAST_SPAN, *(end for end in ends if math.isfinite(end))])
    length = max((len(cell.short) for cell, _ in estimates), default=0)
    name = min(length, 79 - WIDTH - 2)
    lines = [
        f"{_shorten(_in_block(cell.short), name):<{name}}  {_draw(estimate, span)}" for cell, estimate in estimates
    ]
    half = WIDTH // 2
    axis = f"{math.exp(-span):.3f}".ljust(half - 1) + "1.000" + f"{math.exp(span):.3f}".rjust(WIDTH - half - 4)
    return [*lines, f"{'faster  slower':>{name + 2 + half + 9}}", f"{'':<{name}}  {axis}"]


def _in_block(text: str) -> str:
    """A name that does not end the block of code that it stands in."""
    return printable(text).replace("`", "'").replace("\n", " ")


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _draw(estimate: Estimate | None, span: float) -> str:
    """One line of the picture."""
    if estimate is None:
        return "n/a".center(WIDTH).rstrip()

    def place(ratio: float) -> int:
        share = math.log(ratio) / span if ratio > 0 else -1.0
        return round((WIDTH - 1) * (1 + max(-1.0, min(1.0, share))) / 2)

    marks = [" "] * WIDTH
    marks[WIDTH // 2] = "┆"
    low, middle, high = (place(ratio) for ratio in (estimate.low, estimate.ratio, estimate.high))
    marks[low : high + 1] = ["─"] * (high + 1 - low)
    marks[low], marks[high] = "├", "┤"
    marks[middle] = "●"
    return "".join(marks).rstrip()


def certainty(compared: Comparison) -> list[str]:
    """How sure the verdicts are: the level, the least slowdown that so many pairs find, the control."""
    rule, count = rule_of(compared), len(compared.cells)
    over = f", shared among {count} cells" if count > 1 else ""
    sentences = [f"fresh processes in pairs, p < {rule.level:.2g} at each of up to {len(LOOKS)} looks{over}."]
    effects = sorted(effect for cell in compared.cells if (effect := minimum_effect(cell, rule)) is not None)
    if effects:
        least = f"{100 * effects[0]:.1f} %" + (f" to {100 * effects[-1]:.1f} %" if len(effects) > 1 else "")
        sentences.append(f"With this noise, a slowdown of {least} is found in {POWER} cases.")
    if compared.control:
        word = compared.control.verdict.word
        sentences.append(f"The base against itself: {'did not move' if word == 'same' else word}.")
    if compared.foreign_cpu_share is not None:
        sentences.append(f"Others used {100 * compared.foreign_cpu_share:.0f} % of the CPU meanwhile.")
    return sentences


def rule_of(compared: Comparison) -> Rule:
    """The rule by which it was decided."""
    kept: dict[str, Any] = {**compared.rule, "clocks": tuple(compared.rule.get("clocks", Rule().clocks))}
    return Rule(**kept)


def minimum_effect(cell: CellVerdict, rule: Rule) -> float | None:
    """The least slowdown that is found in 9 of 10 cases with this noise; None with fewer than 4 pairs.

    A cell that has its verdict would have gone on to the last look, had it needed to; one without had no more pairs.
    """
    estimates, pairs = cell.verdict.estimates, cell.verdict.pairs
    if "wall" not in estimates or pairs < LOOKS[0]:
        return None
    timed = replace(rule, clocks=tuple(clock for clock in rule.clocks if clock != INSTRUCTIONS))
    deviations = [estimates[clock].deviation for clock in ("wall", "cpu") if clock in estimates]
    most = pairs if cell.verdict.word == "inconclusive" else LOOKS[-1]
    return _least(Noise(wall=deviations[0], cpu=deviations[-1]), most, timed)


@cache
def _least(noise: Noise, pairs: int, rule: Rule) -> float | None:
    """The same of so many pairs at most: thousands of made-up comparisons, once."""
    return detectable.minimum_effect(noise, pairs, rule=lambda _: rule)


def again(compared: Comparison) -> str:
    """What repeats it, with commits in place of names, for a branch is at another commit tomorrow."""
    words = shlex.split(compared.command)
    for facts in (compared.base, compared.candidate):
        name, commit = facts.get("name", ""), facts.get("commit", "")
        if commit and not facts.get("dirty"):
            words = [commit[:12] if word == name else word for word in words]
    return shlex.join(words)
