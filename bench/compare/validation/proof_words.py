"""A proof's rows as words and figures, and the notes that say what they are made of."""

from collections import Counter

from bench.compare.sequential_test import Estimate
from bench.compare.validation import other_tests
from bench.compare.validation.aa_runs import Fresh
from bench.compare.validation.error_rates import HALVES, IN_HALF, PROOF, SEED, Proof, Row, interval
from bench.compare.validation.resampling import BLOCK, MOST
from bench.machine.facts import BUSY_SHARE
from bench.results import format

PLANTS = {
    "none": "nothing (A/A)",
    "compute": "{} more work",
    "sleep": "{} waiting, asleep",
    "lock": "{} waiting, locked",
    "core": "{} by losing a core",
}

# What the rule is meant to reach: plant, its share, what is looked for -> least share found, or most alarms.
WANTED = {
    ("none", 0.0, 0.05): 0.01,
    ("none", 0.0, 0.02): 0.01,
    ("compute", 0.05, 0.05): 0.99,
    ("compute", 0.02, 0.02): 0.90,
    ("sleep", 0.15, 0.05): 0.90,
    ("lock", 0.15, 0.05): 0.90,
    ("core", 0.15, 0.05): 0.90,
}
WANTED_MINUTES = 5.0


def plant(row: Row) -> str:
    """What was planted, in words."""
    return PLANTS[row.kind].format(percent(row.share, 0))


def beside(one: Row | Fresh) -> str:
    """What went on beside; `quiet` only where others took little."""
    if one.load:
        return one.load
    busy = one.foreign_cpu_share is None or one.foreign_cpu_share >= BUSY_SHARE
    return "as it was" if busy else "quiet"


def percent(value: float, digits: int = 1) -> str:
    """A share in percent."""
    return f"{100 * value:.{digits}f} %"


def share(hits: int, of: int) -> str:
    """A share with its exact interval: `0.4 % [0.1, 1.0]`."""
    if not of:
        return format.ABSENT
    low, high = interval(hits, of)
    return f"{percent(hits / of)} [{100 * low:.1f}, {100 * high:.1f}]"


def counted(hits: int, of: int) -> str:
    """A count with the exact interval of its share: `0 of 12 [0, 26] %`."""
    if not of:
        return format.ABSENT
    low, high = interval(hits, of)
    return f"{hits} of {of} [{100 * low:.0f}, {100 * high:.0f}] %"


def effect(one: Estimate) -> str:
    """By how much the candidate was slower: `+5.1 % [4.8, 5.4]`."""
    return f"{100 * (one.ratio - 1):+.1f} % [{100 * (one.low - 1):.1f}, {100 * (one.high - 1):.1f}]"


def wanted(row: Row) -> str:
    """What the rule is meant to reach, and whether it does."""
    bound = WANTED.get((row.kind, row.share, row.find))
    if bound is None:
        return ""
    hits, of = row.hit(row.words)
    reached = hits / of <= bound if row.kind == "none" else hits / of >= bound
    return f"{'≤' if row.kind == 'none' else '≥'} {percent(bound, 0)}: {'yes' if reached else 'NO'}"


def rival(row: Row, name: str) -> str:
    """How often a rival hits."""
    hits, of = row.hit(row.rivals.get(name, {}))
    return percent(hits / of) if of else format.ABSENT


def fresh_line(one: Fresh) -> str:
    """One sentence on whole comparisons."""
    of = sum(one.words.values())
    if not of:
        return f"{beside(one)}: no fresh comparison came to an end ({one.unfinished} stopped)"
    alarms = one.words.get("slower", 0) + one.words.get("faster", 0)
    flagged = (
        f"{name} {said.get('slower', 0) + said.get('faster', 0)}"
        for name, said in ((other_tests.NAMES[key], words) for key, words in one.rivals.items())
    )
    return (
        f"{beside(one)}: {of} fresh comparisons of a cell with itself ({len(one.cells)} cells, "
        f"{one.comparisons} runs), start to verdict: **{counted(alarms, of)} false alarms**, "
        f"{one.words.get('same', 0)} same, {one.words.get('inconclusive', 0)} inconclusive, {one.unfinished} stopped; "
        f"median {one.units:.0f} units and {one.minutes:.1f} minutes. Of the same, others flag: {', '.join(flagged)}"
        + (f". Alarms: {'; '.join(one.alarms)}" if one.alarms else "")
    )


def machine_line(proof: Proof) -> str:
    """Machine, software and code of the units, and when they were recorded."""
    last = proof.units[-1]
    machine, packages = last.machine, last.machine.get("packages", {})
    commits = sorted({unit.base.get("commit", "")[:8] for unit in proof.units} - {""})
    days = sorted({unit.started[:10] for unit in proof.units})
    parts = [
        f"{machine.get('cpu', 'unknown CPU')}, {machine.get('usable_cores', '?')} cores",
        f"{(machine.get('memory_bytes') or 0) / 2**30:.0f} GiB",
        *(f"{name} {packages[name]}" for name in ("tensorflow", "keras", "jax") if name in packages),
        *([f"commit {', '.join(commits)}"] if commits else []),
        days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}",
    ]
    return "; ".join(parts)


def notes(proof: Proof) -> list[str]:
    """What the figures are made of, how far to trust them, and how to compute them again."""
    recorded = [unit for unit in proof.units if unit.comparison.startswith(PROOF)]
    runs = len({unit.comparison for unit in recorded})
    hours = sum(unit.seconds for unit in proof.units) / 3600
    found = [
        machine_line(proof),
        f"{len(recorded)} units of {len({unit.pair for unit in recorded})} process pairs, recordings: {runs}; "
        f"{len(proof.units) - len(recorded)} units of comparisons; {hours:.1f} hours of measuring in all. Units of a "
        "pair differ in what was planted, so the units of one row are all of different pairs",
        f"drawn comparisons: each draws up to {MOST} units of a row, none twice, in blocks of {BLOCK} neighbours "
        "(neighbours share the mood of the machine) in random order, and is followed to its verdict. In "
        "brackets is the exact 95 % interval of the count. All are drawn from the same few units, so it is too narrow",
        f"hits over halves: where 95 % of the share lies over {HALVES} random halves of the units, {IN_HALF} "
        f"comparisons each; the honest width. n/a under {2 * MOST} units. A hit is an alarm (slower or faster) where "
        "nothing was planted, else `slower`",
        "one after another: the units as they were recorded, each in one comparison only; few, but independent, "
        "with the exact 95 % interval. What is left at the end without a verdict is not counted",
        "`*` marks rows that rest on fewer units than a whole comparison may need: those end undecided too often",
        "minutes: what each unit would have taken alone, start of both processes included",
        "in all: every cell gives as many drawn comparisons. A load's name says how much of one core it takes; "
        f"`quiet` is where others used less than {percent(BUSY_SHARE, 0)} of the machine's CPU time (median)",
        *_rival_notes(),
        *(f"{text} (rows: {count})" for text, count in Counter(row.warning for row in proof.rows).items() if text),
    ]
    if proof.died:
        found.append(f"{proof.died} pairs gave no figure: a process died")
    if proof.left_out:
        found.append(f"{proof.left_out} units of another machine or another ruler are left out")
    return [*found, f"to compute this again (seed {SEED}): `python -m bench prove --results results/reference`"]


def _rival_notes() -> list[str]:
    """What the rivals were fed."""
    return [
        "all rivals are fed wall time of the very units of each drawn comparison. Its processes took turns; asv runs "
        "one side after the other, so these records are kinder to it than its own",
        f"{other_tests.NAMES['asv']}: asv's own code; {other_tests.PROCESSES} processes a side, {other_tests.TURNS} turns of each, as "  # noqa: E501
        f"its defaults would keep; flagged where medians differ by more than {other_tests.FACTOR} times and its own test, "  # noqa: E501
        f"Mann and Whitney's, gives p < 0.002. {other_tests.NAMES['asv_test']}: the same with `--factor 1`",
        f"{other_tests.NAMES['asv_suite']}: the rule of asv, fed as the asv suites here feed it: one median of each of "
        f"{other_tests.SUITE_PROCESSES} processes a side; with so few asv asks that the 99 % intervals of the medians lie "  # noqa: E501
        "apart",
        f"{other_tests.NAMES['mann_whitney']}, {other_tests.NAMES['welch']}: p < {other_tests.P} over all turns of the units that "  # noqa: E501
        "this rule needed, as if each turn stood for itself",
    ]
