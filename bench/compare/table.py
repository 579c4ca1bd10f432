"""Verdicts in words: the table at 80 columns, Markdown for a pull request, plain values for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from bench.compare.comparison import Trial
from bench.compare.sequential_test import Estimate, Rule
from bench.machine.facts import BUSY_SHARE
from bench.results import format, labels, table

TIMES = "base→candidate"
COLUMNS = ("cell", TIMES, "ratio [95 %]", "other", "n", "verdict")
SIDES = ("base", "candidate")
LEFT = ("cell", "verdict")
STYLES = {"slower": "bold red", "faster": "bold green", "same": "green", "inconclusive": "yellow"}


def rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """A text for each of `COLUMNS`, of each cell; also while it is still undecided."""
    short, _ = labels.apart([one.variants.base.cell for one in trials])
    return [(name, *_figures(one)) for name, one in zip(short, trials, strict=True)]


def _figures(one: Trial) -> tuple[str, ...]:
    word = one.verdict.word if one.verdict else "…"
    estimates = one.estimates()
    if not estimates:
        return "", "", "", str(len(one.pairs)), word
    clock = leading(one)
    return (
        format.change(
            *(median(value for unit in one.pairs for value in unit.step_seconds(side, clock)) for side in SIDES)
        ),
        f"{clock} {interval(estimates[clock])}",
        " ".join(f"{estimates[name].ratio:.3f}" for name in estimates if name != clock),
        str(len(one.pairs)),
        word,
    )


def leading(one: Trial) -> str:
    """The clock that a row shows: the one that decided; until one has, the one that is surer."""
    estimates = one.estimates()
    if one.verdict and one.verdict.clock in estimates:
        return one.verdict.clock
    return min(estimates, key=lambda clock: estimates[clock].deviation)


def interval(estimate: Estimate) -> str:
    """A ratio with its 95 % interval: `1.050 [1.041,1.060]`."""
    return f"{estimate.ratio:.3f} [{estimate.low:.3f},{estimate.high:.3f}]"


def drawn(trials: Sequence[Trial], title: str):
    """The table, for rich."""
    from rich import markup, text

    same = _same(trials)
    heading = f"{title} ({', '.join(same)})" if same else title
    made = table.titled(heading)
    for column in COLUMNS:
        if column != TIMES:
            made.add_column(column, justify="left" if column in LEFT else "right", no_wrap=column != "cell")
    for name, times, *row, word in rows(trials):
        cell = text.Text.assemble(name, (f"\n  {times}" if times else "", "dim"))  # below, or 80 columns are too few
        made.add_row(cell, *map(markup.escape, row), text.Text(word, style=STYLES.get(word, "dim")))
    return made


def _same(trials: Sequence[Trial]) -> list[str]:
    """What all cells share, on both sides."""
    return labels.apart([side.cell for one in trials for side in (one.variants.base, one.variants.candidate)])[1]


def notes(trials: Sequence[Trial], rule: Rule) -> list[str]:
    """What the columns mean, what was dropped, and why a cell is inconclusive."""
    clocks = " and ".join(f"{_clock(clock)} clock" for clock in rule.clocks)
    said = [
        "ratio: candidate over base, above 1 is slower, on the clock named; other: on the other clock",
        f"n: pairs of fresh processes, over which is tested, on the {clocks}, p < {rule.level:.2g} at a look",
    ]
    if any(one.verdict and one.verdict.word == "same" for one in trials):
        wall = f", ±{100 * rule.wall_margin:g} % on the wall clock" if "cpu" in rule.clocks else ""
        said.append(f"same: the 90 % interval lies within ±{100 * rule.margin:g} %{wall}")
    short, _ = labels.apart([one.variants.base.cell for one in trials])
    for name, one in zip(short, trials, strict=True):
        if one.verdict and one.verdict.reason:
            said.append(f"{name}: {one.verdict.word}, {one.verdict.reason}")
        if one.failures:
            said.append(f"{name}: {len(one.failures)} units dropped, the last: {one.failures[-1].reason}")
    load = [unit.foreign_cpu_share or 0.0 for one in trials for unit in one.pairs]
    if load and median(load) > BUSY_SHARE:
        said.append(f"others used {100 * median(load):.0f} % of the CPU meanwhile (median): `python -m bench doctor`")
    return said


def _clock(name: str) -> str:
    return "CPU" if name == "cpu" else name


def show(trials: Sequence[Trial], rule: Rule, title: str, console) -> None:
    """Draws the table and its notes on a rich console."""
    console.print(drawn(trials, title))
    table.say(notes(trials, rule), console)


def markdown(trials: Sequence[Trial], rule: Rule, title: str) -> str:
    """The table for a pull request, notes below."""
    same = _same(trials)
    lines = [f"### {title}", "", *([", ".join(same), ""] if same else [])]
    marked = [(*row, f"**{word}**" if word in ("slower", "faster") else word) for *row, word in rows(trials)]
    lines += table.grid(COLUMNS, marked, left=LEFT)
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(trials, rule)), ""])


def plain(trials: Sequence[Trial]) -> list[dict]:
    """One object of plain values a cell."""
    return [
        {
            "cell_id": one.variants.cell,
            "base": one.variants.base.name,
            "candidate": one.variants.candidate.name,
            "verdict": one.verdict.word,
            "clock": one.verdict.clock,
            "reason": one.verdict.reason,
            "units": len(one.pairs),
            "dropped": len(one.failures),
            "seconds": sum(one.seconds),
            "clocks": {clock: asdict(estimate) for clock, estimate in one.estimates().items()},
        }
        for one in trials
    ]
