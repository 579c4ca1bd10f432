"""A validation as tables: Markdown for `results/tables/`, and the terminal at 80 columns."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.compare.validation import other_tests
from bench.compare.validation.aa_runs import AARuns
from bench.compare.validation.error_rates import RECORDED, RULES, SEED, ErrorRates, Validation, interval
from bench.compare.validation.resampling import MAX_PAIRS
from bench.machine.facts import BUSY_SHARE
from bench.results.table import Column, Interval, Table, Value, markdown_text, say

if TYPE_CHECKING:
    from rich.console import Console

Figure = Callable[[ErrorRates], Value]
Columns = dict[Column, Figure]

INJECTIONS = {
    "none": "nothing (A/A)",
    "compute": "{} more work",
    "sleep": "{} waiting, asleep",
    "lock": "{} waiting, locked",
    "core": "{} by losing a core",
}

# What the rule is meant to reach: injection, its share, effect looked for -> least share found, or most false alarms.
TARGETS = {
    ("none", 0.0, 0.05): 0.01,
    ("none", 0.0, 0.02): 0.01,
    ("compute", 0.05, 0.05): 0.99,
    ("compute", 0.02, 0.02): 0.90,
    ("sleep", 0.15, 0.05): 0.90,
    ("lock", 0.15, 0.05): 0.90,
    ("core", 0.15, 0.05): 0.90,
}

INTRODUCTION = (
    "Extra work or waiting was injected into one of two identical programs. How often does a comparison find it, "
    "and how often does it raise a false alarm where nothing was injected? Beside it stands what asv's rule and tests "
    "that pool all timings say of the same results."
)

NOTES = (
    f"Drawn comparisons: up to {MAX_PAIRS} of a row's pairs in random order, neighbours together, none twice. In "
    "brackets: the exact 95 % interval of the count; it is too narrow, for all are drawn from the same pairs.",
    "Effect: `--min-effect` of the rule.",
    "Consecutive: the pairs as they were recorded, each in one comparison; few, but independent.",
    f"`*`: a cell has fewer than the {MAX_PAIRS} pairs that a comparison may need, and ends undecided too often.",
    "Minutes: what the pairs would have taken alone, start of both processes included.",
    f"Load: share of one core; `quiet` is where others used under {BUSY_SHARE:.0%} of the CPU time (median).",
    f"{other_tests.NAMES['asv']}: asv's own code and defaults: {other_tests.PROCESSES} processes, {other_tests.BLOCKS} "
    f"blocks each, medians {other_tests.FACTOR} times apart and p < 0.002. Without its factor: `--factor 1`. Five "
    "processes: as the suites here feed it.",
    f"Pooled tests (M.-W.: Mann-Whitney): p < {other_tests.P} over all blocks of the pairs that our rule needed, as if "
    "independent.",
)


def percent(value: float) -> str:
    """A share in percent, without digits it does not need: `5%`."""
    return f"{value:.0%}"


def share(hits: int, total: int) -> Value:
    """A share with its exact interval."""
    return Interval(hits / total, *interval(hits, total)) if total else None


def count(hits: int, total: int) -> str | None:
    """A count with the exact interval of its share: `0 of 12 [0%, 26%]`."""
    if not total:
        return None
    low, high = interval(hits, total)
    return f"{hits} of {total} [{percent(low)}, {percent(high)}]"


def load(rates: ErrorRates | AARuns) -> str:
    """The background load; `quiet` only where others took little."""
    busy = rates.foreign_cpu_share is None or rates.foreign_cpu_share >= BUSY_SHARE
    return rates.load or ("not controlled" if busy else "quiet")


def target(rates: ErrorRates) -> str:
    """What the rule is meant to reach, and whether it does."""
    bound = TARGETS.get((rates.kind, rates.share, rates.min_effect))
    if bound is None:
        return ""
    hits, total = rates.hits(rates.verdicts)
    reached = hits / total <= bound if rates.kind == "none" else hits / total >= bound
    return f"{'≤' if rates.kind == 'none' else '≥'} {percent(bound)}: {'yes' if reached else 'NO'}"


def _injection(rates: ErrorRates) -> str:
    return INJECTIONS[rates.kind].format(percent(rates.share))


def _effect(clock: str) -> Figure:
    """By how much the candidate was slower."""

    def effect(rates: ErrorRates) -> Value:
        estimate = rates.effects.get(clock)
        return Interval(estimate.ratio - 1, estimate.low - 1, estimate.high - 1) if estimate else None

    return effect


def _deviation(clock: str) -> Figure:
    return lambda rates: rates.effects[clock].deviation if rates.effects else None


def _hits_of(test: str) -> Figure:
    """How often another test hits."""

    def hit_share(rates: ErrorRates) -> Value:
        hits, total = rates.hits(rates.other_tests.get(test, {}))
        return hits / total if total else None

    return hit_share


def _share_of(word: str) -> Figure:
    return lambda rates: share(rates.verdicts.get(word, 0), sum(rates.verdicts.values()))


def _hits(rates: ErrorRates) -> Value:
    """How often our rule hits; marked where too few pairs were recorded."""
    hit_share = share(*rates.hits(rates.verdicts))
    return f"{DRAWN.text(hit_share)}*" if rates.warning else hit_share


def _slower_faster(verdicts: dict[str, int]) -> str | None:
    """The two shares, for one test."""
    total = sum(verdicts.values())
    return " / ".join(f"{verdicts.get(word, 0) / total:.1%}" for word in ("slower", "faster")) if total else None


def _spent(name: str, digits: int) -> Figure:
    """Median and 95th percentile of what a comparison takes."""
    return lambda rates: "{:.{d}f} (p95 {:.{d}f})".format(*rates.spent[name], d=digits) if rates.spent else None


def _pairs(rates: ErrorRates) -> Value:
    return rates.results if rates.results == rates.pairs else f"{rates.results} of {rates.pairs} pairs"


def _consecutive(rates: ErrorRates) -> Value:
    return count(*rates.hits(rates.consecutive))


def _min_effect(rates: ErrorRates) -> str:
    return percent(rates.min_effect)


INJECTED = Column("in the candidate", whole=True)
EFFECT = Column("effect", whole=True)
DRAWN = Column("drawn [95 %]", "percent", whole=True)
MINUTES = Column("minutes", "count", whole=True)
ASV = Column("asv", "percent", whole=True)
MANN_WHITNEY = Column("M.-W.", "percent", whole=True)
OVERALL: Columns = {
    Column("load"): load,
    INJECTED: _injection,
    EFFECT: _min_effect,
    Column("counted"): lambda rates: "false alarms" if rates.kind == "none" else "found",
    DRAWN: _hits,
    Column("target", "percent"): target,
    Column("consecutive", "count"): _consecutive,
    MINUTES: lambda rates: f"{rates.spent['minutes'][0]:.1f}",
    ASV: _hits_of("asv"),
    MANN_WHITNEY: _hits_of("mann_whitney"),
}
TERMINAL: Columns = {column: OVERALL[column] for column in (INJECTED, EFFECT, DRAWN, MINUTES, ASV, MANN_WHITNEY)}
CELL: Columns = {Column("cell"): lambda rates: f"`{rates.cell}`", INJECTED: _injection}
CLOCKS: Columns = CELL | {
    Column("pairs", "count"): _pairs,
    Column("wall clock", "percent"): _effect("wall"),
    Column("CPU clock", "percent"): _effect("cpu"),
    Column("wall sd", "percent"): _deviation("wall"),
    Column("CPU sd", "percent"): _deviation("cpu"),
    Column("others' CPU", "percent"): lambda rates: rates.foreign_cpu_share,
}
VERDICTS: Columns = CELL | {
    EFFECT: _min_effect,
    **{Column(word, "percent"): _share_of(word) for word in ("slower", "faster", "same", "inconclusive")},
    Column("consecutive hits", "count"): _consecutive,
    Column("pairs", "count"): _spent("pairs", 0),
    Column("minutes", "count"): _spent("minutes", 1),
}
OTHERS: Columns = CELL | {
    Column("this rule", "percent"): lambda rates: _slower_faster(rates.verdicts),
    **{
        Column(title, "percent"): lambda rates, test=test: _slower_faster(rates.other_tests.get(test, {}))
        for test, title in other_tests.NAMES.items()
    },
}


def aa_line(runs: AARuns) -> str:
    """One sentence on comparisons of a cell with itself."""
    total = sum(runs.verdicts.values())
    if not total:
        return f"{load(runs)}: no comparison of a cell with itself came to an end ({runs.unfinished} stopped)"
    alarms = runs.verdicts.get("slower", 0) + runs.verdicts.get("faster", 0)
    others = ", ".join(
        f"{other_tests.NAMES[name]} {verdicts.get('slower', 0) + verdicts.get('faster', 0)}"
        for name, verdicts in runs.other_tests.items()
    )
    return (
        f"{load(runs)}: {total} comparisons of a cell with itself, start to verdict ({len(runs.cells)} cells, "
        f"{runs.runs} runs): **{count(alarms, total)} false alarms**, {runs.verdicts.get('same', 0)} same, "
        f"{runs.verdicts.get('inconclusive', 0)} inconclusive, {runs.unfinished} stopped; median {runs.pairs:.0f} "
        f"pairs and {runs.minutes:.1f} minutes. Alarms of other tests: {others}"
        + (f". False alarms: {'; '.join(runs.false_alarms)}" if runs.false_alarms else "")
    )


def origin_lines(validation: Validation) -> list[str]:
    """Machine, software and code of the pair results, when they were recorded, and what is missing."""
    recorded = [pair for pair in validation.pairs if pair.comparison.startswith(RECORDED)]
    last = validation.pairs[-1]
    first_day = min(pair.started[:10] for pair in validation.pairs)
    commits = ", ".join(sorted({pair.base.get("commit", "")[:8] for pair in validation.pairs} - {""}))
    hours = sum(pair.seconds for pair in validation.pairs) / 3600
    lines = [
        f"{replace(last, code=last.base).origin}; since {first_day}, of commits {commits}",
        f"{len(recorded)} results of {len({pair.pair for pair in recorded})} recorded pairs and "
        f"{len(validation.pairs) - len(recorded)} of live comparisons; {hours:.1f} hours of measuring. The results of "
        "a pair have different injections, so those of a row are all of different pairs",
    ]
    warnings = Counter(rates.warning for rates in validation.cells if rates.warning and not rates.verdicts)
    lines += [f"{warning} (rows: {rows})" for warning, rows in warnings.items()]
    lines += [f"{validation.died} pairs gave no figure: a process died"] * bool(validation.died)
    left_out = f"{validation.left_out} pair results of another machine or another harness version are left out"
    return lines + [left_out] * bool(validation.left_out)


def markdown(validation: Validation) -> str:
    """The whole page: what matters first, then each cell, then what the figures are made of."""
    coarse = [rates for rates in validation.cells if rates.min_effect == max(RULES)]
    parts = [
        f"# Are the verdicts right?\n\n{INTRODUCTION}\n\n## Overall\n",
        *(f"- {aa_line(runs)}" for runs in validation.aa_runs),
        "",
        _table(OVERALL, validation.overall).markdown(),
        _by_load("What was injected, as the clocks saw it", CLOCKS, coarse),
        _by_load("Verdicts, cell by cell", VERDICTS, validation.cells),
        _by_load("What other tests say of the same comparisons: slower / faster", OTHERS, coarse),
        "## Notes\n",
        *(f"- {markdown_text(note)}" for note in origin_lines(validation)),
        *(f"- {note}" for note in NOTES),
        f"- `python -m bench.compare.validation report --results …` computes this again (seed {SEED})\n",
    ]
    return "\n".join(parts)


def _table(columns: Columns, rows: Iterable[ErrorRates], *, title: str = "") -> Table:
    values = tuple(tuple(figure(rates) for figure in columns.values()) for rates in rows)
    return Table(title=title, columns=tuple(columns), rows=values)


def _by_load(title: str, columns: Columns, rows: Iterable[ErrorRates]) -> str:
    """A section with a table for each background load."""
    loads: dict[str, list[ErrorRates]] = {}
    for rates in rows:
        loads.setdefault(f"Background load: {rates.load}" if rates.load else "No background load", []).append(rates)
    tables = [_table(columns, alike, title=name).markdown() for name, alike in loads.items()]
    return "\n".join([f"## {title}\n", *tables])


def show(validation: Validation, console: "Console") -> None:
    """Draws what matters on a console; fits 80 columns."""
    for name in dict.fromkeys(rates.load for rates in validation.overall):
        rows = [rates for rates in validation.overall if rates.load == name]
        loads = ", ".join(dict.fromkeys(map(load, rows)))
        _table(TERMINAL, rows, title=f"Alarms where nothing was injected, else slowdowns found ({loads})").draw(console)
    for line in (*map(aa_line, validation.aa_runs), *origin_lines(validation)[:2], NOTES[0]):
        say(console, line.replace("**", ""), style="dim")
