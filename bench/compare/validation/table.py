"""A validation as tables: Markdown for `results/tables/`, and the terminal at 80 columns."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from bench.compare.sequential_test import Estimate
from bench.compare.validation import other_tests
from bench.compare.validation.aa_runs import AARuns
from bench.compare.validation.error_rates import RECORDED, RULES, SEED, ErrorRates, Validation, interval
from bench.compare.validation.resampling import MAX_PAIRS
from bench.machine.facts import BUSY_SHARE
from bench.results import format, table

if TYPE_CHECKING:
    from rich.console import Console

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
    "Hits over halves: 95 % of the shares that random halves of the pairs give; the honest width.",
    "Consecutive: the pairs as they were recorded, each in one comparison; few, but independent.",
    f"`*`: a cell has fewer than the {MAX_PAIRS} pairs that a comparison may need, and ends undecided too often.",
    "Minutes: what the pairs would have taken alone, start of both processes included.",
    f"Load: share of one core; `quiet` is where others used under {BUSY_SHARE:.0%} of the CPU time (median).",
    f"{other_tests.NAMES['asv']}: asv's own code and defaults: {other_tests.PROCESSES} processes, {other_tests.BLOCKS} "
    f"blocks each, medians {other_tests.FACTOR} times apart and p < 0.002. Without its factor: `--factor 1`. Five "
    "processes: as the suites here feed it.",
    f"Pooled tests: p < {other_tests.P} over all blocks of the pairs that our rule needed, as if independent.",
)

Columns = dict[str, Callable[[ErrorRates], str]]


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return format.ABSENT if value is None else f"{100 * value:.{digits}f} %"


def share(hits: int, total: int) -> str:
    """A share with its exact interval: `0.4 % [0.1, 1.0]`."""
    if not total:
        return format.ABSENT
    low, high = interval(hits, total)
    return f"{percent(hits / total)} [{100 * low:.1f}, {100 * high:.1f}]"


def count(hits: int, total: int) -> str:
    """A count with the exact interval of its share: `0 of 12 [0, 26] %`."""
    if not total:
        return format.ABSENT
    low, high = interval(hits, total)
    return f"{hits} of {total} [{100 * low:.0f}, {100 * high:.0f}] %"


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
    return f"{'≤' if rates.kind == 'none' else '≥'} {percent(bound, 0)}: {'yes' if reached else 'NO'}"


def _injected(rates: ErrorRates) -> str:
    return INJECTIONS[rates.kind].format(percent(rates.share, 0))


def _effect(estimate: Estimate | None) -> str:
    """By how much the candidate was slower: `+5.1 % [4.8, 5.4]`."""
    if estimate is None:
        return format.ABSENT
    return "{:+.1f} % [{:.1f}, {:.1f}]".format(
        *(100 * (ratio - 1) for ratio in (estimate.ratio, estimate.low, estimate.high))
    )


def _deviation(rates: ErrorRates, clock: str) -> str:
    return percent(rates.effects[clock].deviation) if rates.effects else format.ABSENT


def _hits_of(name: str) -> Callable[[ErrorRates], str]:
    """How often another test hits."""

    def hits(rates: ErrorRates) -> str:
        found, total = rates.hits(rates.other_tests.get(name, {}))
        return percent(found / total) if total else format.ABSENT

    return hits


def _share_of(word: str) -> Callable[[ErrorRates], str]:
    return lambda rates: share(rates.verdicts.get(word, 0), sum(rates.verdicts.values()))


def _slower_faster(verdicts: dict[str, int]) -> str:
    """The two shares, for one test."""
    if not verdicts:
        return format.ABSENT
    return " / ".join(percent(verdicts.get(word, 0) / sum(verdicts.values())) for word in ("slower", "faster"))


def _halves(rates: ErrorRates) -> str:
    if rates.half_shares is None:
        return format.ABSENT
    return "[{:.1f}, {:.1f}] %".format(*(100 * end for end in rates.half_shares))


def _spent(name: str, digits: int) -> Callable[[ErrorRates], str]:
    """Median and 95th percentile of what a comparison takes."""
    return lambda rates: (
        "{:.{d}f} (p95 {:.{d}f})".format(*rates.spent[name], d=digits) if rates.spent else format.ABSENT
    )


def _pairs(rates: ErrorRates) -> str:
    return f"{rates.results}" if rates.results == rates.pairs else f"{rates.results} of {rates.pairs} processes"


OVERALL: Columns = {
    "load": load,
    "in the candidate": _injected,
    "`--min-effect`": lambda rates: percent(rates.min_effect, 0),
    "counted": lambda rates: "false alarms" if rates.kind == "none" else "found",
    "drawn comparisons": lambda rates: share(*rates.hits(rates.verdicts)) + "*" * bool(rates.warning),
    "target": target,
    "consecutive": lambda rates: count(*rates.hits(rates.consecutive)),
    "minutes": lambda rates: f"{rates.spent['minutes'][0]:.1f}",
    "asv compare": _hits_of("asv"),
    "Mann-Whitney": _hits_of("mann_whitney"),
}
TERMINAL = ("in the candidate", "`--min-effect`", "drawn comparisons", "minutes", "asv compare", "Mann-Whitney")
TERMINAL_HEADINGS = ("in the candidate", "effect", "share [95 %]", "minutes", "asv", "M.-W.")
CELL: Columns = {"cell": lambda rates: f"`{rates.cell}`", "in the candidate": _injected}
INJECTED: Columns = CELL | {
    "pairs": _pairs,
    "wall clock": lambda rates: _effect(rates.effects.get("wall")),
    "CPU clock": lambda rates: _effect(rates.effects.get("cpu")),
    "wall sd": lambda rates: _deviation(rates, "wall"),
    "CPU sd": lambda rates: _deviation(rates, "cpu"),
    "others' CPU": lambda rates: percent(rates.foreign_cpu_share),
}
VERDICTS: Columns = CELL | {
    "`--min-effect`": OVERALL["`--min-effect`"],
    **{word: _share_of(word) for word in ("slower", "faster", "same", "inconclusive")},
    "hits over halves": _halves,
    "consecutive hits": OVERALL["consecutive"],
    "pairs": _spent("pairs", 0),
    "minutes": _spent("minutes", 1),
}
OTHERS: Columns = CELL | {
    "this rule": lambda rates: _slower_faster(rates.verdicts),
    **{
        title: lambda rates, name=name: _slower_faster(rates.other_tests.get(name, {}))
        for name, title in other_tests.NAMES.items()
    },
}


def aa_line(runs: AARuns) -> str:
    """One sentence on comparisons of a cell with itself."""
    total = sum(runs.verdicts.values())
    if not total:
        return f"{load(runs)}: no comparison of a cell with itself came to an end ({runs.unfinished} stopped)"
    alarms = runs.verdicts.get("slower", 0) + runs.verdicts.get("faster", 0)
    others = ", ".join(
        f"{other_tests.NAMES[name]} {said.get('slower', 0) + said.get('faster', 0)}"
        for name, said in runs.other_tests.items()
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
    days = sorted({pair.started[:10] for pair in validation.pairs})
    commits = ", ".join(sorted({pair.base.get("commit", "")[:8] for pair in validation.pairs} - {""}))
    place = table.place_line(validation.pairs[-1].machine, {"commit": ""}, days[-1])
    hours = sum(pair.seconds for pair in validation.pairs) / 3600
    lines = [
        f"{place} (from {days[0]}); commits {commits}",
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
        _grid(OVERALL, validation.overall, right=6),
        "## What was injected, as the clocks saw it\n",
        _by_load(INJECTED, coarse),
        "## Verdicts, cell by cell\n",
        _by_load(VERDICTS, validation.cells),
        "## What other tests say of the same comparisons: slower / faster\n",
        _by_load(OTHERS, coarse),
        "## Notes\n",
        *(f"- {note}" for note in (*origin_lines(validation), *NOTES)),
        f"- `python -m bench.compare.validation report --results …` computes this again (seed {SEED})\n",
    ]
    return "\n".join(parts)


def _grid(columns: Columns, rows: Iterable[ErrorRates], *, right: int) -> str:
    """A Markdown table, with so many columns at the right aligned to the right."""
    texts = [[column(rates) for column in columns.values()] for rates in rows]
    return "\n".join([*table.grid(tuple(columns), texts, left=tuple(columns)[: len(columns) - right]), ""])


def _by_load(columns: Columns, rows: Iterable[ErrorRates]) -> str:
    """A table for each background load."""
    loads: dict[str, list[ErrorRates]] = {}
    for rates in rows:
        loads.setdefault(rates.load, []).append(rates)
    return "\n".join(
        f"### {f'Background load: {name}' if name else 'No background load'}\n\n"
        + _grid(columns, of_load, right=len(columns) - 2)
        for name, of_load in loads.items()
    )


def show(validation: Validation, console: "Console") -> None:
    """Draws what matters on a console; fits 80 columns."""
    for name in dict.fromkeys(rates.load for rates in validation.overall):
        rows = [rates for rates in validation.overall if rates.load == name]
        loads = ", ".join(dict.fromkeys(map(load, rows)))
        title = f"Alarms where nothing was injected, else slowdowns found ({loads})"
        texts = [tuple(OVERALL[column](rates) for column in TERMINAL) for rates in rows]
        table.draw(title, TERMINAL_HEADINGS, texts, console, left=TERMINAL_HEADINGS[:1], whole=TERMINAL_HEADINGS)
    lines = (*map(aa_line, validation.aa_runs), *origin_lines(validation)[:2], NOTES[0])
    table.say((line.replace("**", "") for line in lines), console)
