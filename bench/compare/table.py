"""Shows verdicts: the table at 80 columns, Markdown for a pull request, plain values for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

from bench.compare.comparison import Trial
from bench.compare.sequential_test import Estimate, Rule
from bench.machine.facts import BUSY_SHARE
from bench.results import format, labels, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

TIMES = "base→candidate"
COLUMNS = ("cell", TIMES, "ratio [95 %]", "other", "n", "verdict")
LEFT = ("cell", "verdict")
STYLES = {"slower": "bold red", "faster": "bold green", "same": "green", "inconclusive": "yellow"}


def rows(trials: Sequence[Trial]) -> list[tuple[str, ...]]:
    """A text for each of `COLUMNS`, of each cell; also while it is still undecided."""
    short, _ = labels.apart([trial.variants.base.cell for trial in trials])
    return [(name, *_figures(trial)) for name, trial in zip(short, trials, strict=True)]


def _figures(trial: Trial) -> tuple[str, ...]:
    word = trial.verdict.word if trial.verdict else "…"
    estimates = trial.estimates()
    if not estimates:
        return "", "", "", str(len(trial.pairs)), word
    clock = leading(trial)
    return (
        format.change(*trial.step_seconds(clock)),
        f"{clock} {interval(estimates[clock])}",
        " ".join(f"{estimates[name].ratio:.3f}" for name in estimates if name != clock),
        str(len(trial.pairs)),
        word,
    )


def leading(trial: Trial) -> str:
    """The clock that a row shows: the one that decided; until one has, the one that is surer."""
    estimates = trial.estimates()
    if trial.verdict and trial.verdict.clock in estimates:
        return trial.verdict.clock
    return min(estimates, key=lambda clock: estimates[clock].deviation)


def interval(estimate: Estimate) -> str:
    """A ratio with its 95 % interval: `1.050 [1.041,1.060]`."""
    return f"{estimate.ratio:.3f} [{estimate.low:.3f},{estimate.high:.3f}]"


def drawing(trials: Sequence[Trial], title: str) -> "Table":
    """The table, for rich."""
    from rich import markup, text

    same = _same(trials)
    heading = f"{title} ({', '.join(same)})" if same else title
    grid = table.titled(heading)
    for column in COLUMNS:
        if column != TIMES:
            grid.add_column(column, justify="left" if column in LEFT else "right", no_wrap=column != "cell")
    for name, times, *row, word in rows(trials):
        cell = text.Text.assemble(name, (f"\n  {times}" if times else "", "dim"))  # below, or 80 columns are too few
        grid.add_row(cell, *map(markup.escape, row), text.Text(word, style=STYLES.get(word, "dim")))
    return grid


def _same(trials: Sequence[Trial]) -> list[str]:
    """What all cells share, on both sides."""
    sides = ((trial.variants.base, trial.variants.candidate) for trial in trials)
    return labels.apart([variant.cell for pair in sides for variant in pair])[1]


def notes(trials: Sequence[Trial], rule: Rule) -> list[str]:
    """What the columns mean, what was dropped, and why a cell is inconclusive."""
    clocks = " and ".join(f"{_clock(clock)} clock" for clock in rule.clocks)
    lines = [
        "ratio: candidate over base, above 1 is slower, on the clock named; other: on the other clock",
        f"n: pairs of fresh processes, over which is tested, on the {clocks}, p < {rule.level:.2g} at a look",
    ]
    if any(trial.verdict and trial.verdict.word == "same" for trial in trials):
        wall = f", ±{100 * rule.wall_margin:g} % on the wall clock" if "cpu" in rule.clocks else ""
        lines.append(f"same: the 90 % interval lies within ±{100 * rule.margin:g} %{wall}")
    short, _ = labels.apart([trial.variants.base.cell for trial in trials])
    for name, trial in zip(short, trials, strict=True):
        if trial.verdict and trial.verdict.reason:
            lines.append(f"{name}: {trial.verdict.word}, {trial.verdict.reason}")
        if trial.failures:
            lines.append(f"{name}: {len(trial.failures)} pairs dropped, the last: {trial.failures[-1].reason}")
    load = [result.foreign_cpu_share or 0.0 for trial in trials for result in trial.pairs]
    if load and median(load) > BUSY_SHARE:
        lines.append(f"others used {100 * median(load):.0f} % of the CPU meanwhile (median): `python -m bench doctor`")
    return lines


def _clock(name: str) -> str:
    return "CPU" if name == "cpu" else name


def show(trials: Sequence[Trial], rule: Rule, title: str, console: "Console") -> None:
    """Draws the table and its notes on a rich console."""
    console.print(drawing(trials, title))
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
            "cell_id": trial.variants.cell,
            "base": trial.variants.base.name,
            "candidate": trial.variants.candidate.name,
            "verdict": trial.verdict.word,
            "clock": trial.verdict.clock,
            "reason": trial.verdict.reason,
            "units": len(trial.pairs),
            "dropped": len(trial.failures),
            "seconds": trial.total_seconds(),
            "clocks": {clock: asdict(estimate) for clock, estimate in trial.estimates().items()},
        }
        for trial in trials
    ]
