"""Shows verdicts: the table at 80 columns, Markdown for a pull request, plain values for a program."""

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median

from bench.compare.comparison import Trial
from bench.compare.sequential_test import Rule
from bench.machine.facts import BUSY_SHARE
from bench.results import format, labels
from bench.results.table import Column, Table, Value

COLUMNS = (
    Column("cell"),
    Column("base→candidate", below="cell"),
    Column("ratio [95 %]", "ratio", whole=True),
    Column("other", "ratio", whole=True),
    Column("n", "count", whole=True),
    Column("verdict", "verdict", whole=True),
)
CLOCKS = {"wall": "wall", "cpu": "CPU"}


def table(trials: Sequence[Trial], rule: Rule, title: str) -> Table:
    """The table of a comparison, of each cell a row; also while it is still undecided."""
    short, _ = labels.apart([trial.variants.base.cell for trial in trials])
    pairs = ((trial.variants.base, trial.variants.candidate) for trial in trials)
    _, same = labels.apart([variant.cell for pair in pairs for variant in pair])
    return Table(
        title=f"{title} ({', '.join(same)})" if same else title,
        columns=COLUMNS,
        rows=tuple((name, *_figures(trial)) for name, trial in zip(short, trials, strict=True)),
        notes=tuple(_notes(trials, rule)),
    )


def _figures(trial: Trial) -> tuple[Value, ...]:
    word = trial.verdict.word if trial.verdict else "…"
    estimates = trial.estimates()
    if not estimates:
        return "", "", "", len(trial.pairs), word
    clock = _leading_clock(trial)
    estimate = estimates[clock]
    return (
        format.change(*trial.step_seconds(clock)),
        f"{clock} {estimate.ratio:.3f} [{estimate.low:.3f},{estimate.high:.3f}]",
        next((estimates[name].ratio for name in estimates if name != clock), ""),
        len(trial.pairs),
        word,
    )


def _leading_clock(trial: Trial) -> str:
    """The clock that a row shows: the one that decided; until one has, the one that is surer."""
    estimates = trial.estimates()
    if trial.verdict and trial.verdict.clock in estimates:
        return trial.verdict.clock
    return min(estimates, key=lambda clock: estimates[clock].deviation)


def _notes(trials: Sequence[Trial], rule: Rule) -> list[str]:
    """What the columns mean, what was dropped, and why a cell is inconclusive."""
    clocks = " and ".join(f"{CLOCKS[clock]} clock" for clock in rule.clocks)
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


def plain(trials: Sequence[Trial]) -> list[dict]:
    """One object of plain values a cell."""
    return [
        {
            "cell_id": trial.variants.cell,
            "base": trial.variants.base.name,
            "candidate": trial.variants.candidate.name,
            "verdict": trial.final.word,
            "clock": trial.final.clock,
            "reason": trial.final.reason,
            "units": len(trial.pairs),
            "dropped": len(trial.failures),
            "seconds": trial.total_seconds(),
            "clocks": {clock: asdict(estimate) for clock, estimate in trial.estimates().items()},
        }
        for trial in trials
    ]
