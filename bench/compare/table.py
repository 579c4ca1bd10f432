"""Shows verdicts: the table at 80 columns, Markdown for a pull request, plain values for a program."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter
from statistics import geometric_mean, median

from bench.compare.comparison import Trial
from bench.compare.pair_result import INSTRUCTIONS
from bench.compare.sequential_test import WORDS, Rule
from bench.compare.variant import short_names
from bench.machine import instructions
from bench.machine.facts import BUSY_SHARE
from bench.results import format
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
MILLION = 1e6


def table(trials: Sequence[Trial], rule: Rule, title: str) -> Table:
    """The table of a comparison, of each cell a row; also while it is still undecided.

    When all is decided, what is slower comes first, and then what is inconclusive: it is no pass, and below many
    others it would be missed.
    """
    if all(trial.verdict for trial in trials):
        trials = sorted(trials, key=lambda trial: trial.final.importance)
    short, same = short_names([trial.variants for trial in trials])
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
    estimate, metric = estimates[clock], trial.variants.metric
    base, candidate = trial.step_seconds(clock)
    figures = format.change(base, candidate)
    if metric:
        figures = f"{metric.cost(base):.4g}→{metric.cost(candidate):.4g}"
    elif clock == INSTRUCTIONS:
        figures = f"{base / MILLION:,.4g}→{candidate / MILLION:,.4g} million"
    return (
        figures,
        f"{metric.name if metric else clock} {estimate.ratio:.3f} [{estimate.low:.3f},{estimate.high:.3f}]",
        next((estimates[name].ratio for name in estimates if name != clock), ""),
        len(trial.pairs),
        word,
    )


def _leading_clock(trial: Trial) -> str:
    """The clock that a row shows: the one that decided; until one has, the one that is surer."""
    estimates = trial.estimates()
    if trial.verdict and trial.verdict.clock in estimates:
        return trial.verdict.clock
    timed = [clock for clock in estimates if clock != INSTRUCTIONS]  # seconds say more to a reader
    return min(timed, key=lambda clock: estimates[clock].deviation)


def _notes(trials: Sequence[Trial], rule: Rule) -> list[str]:
    """What the columns mean, what was dropped, and why a cell is inconclusive."""
    clocks = "on the " + " and ".join(f"{CLOCKS[clock]} clock" for clock in rule.clocks if clock in CLOCKS)
    clocks += ", and by instructions" if INSTRUCTIONS in rule.clocks else ""
    lines = ["ratio: candidate over base, above 1 is slower, on the clock named; other: on the other clock"]
    if metric := trials[0].variants.metric:
        over = "base over candidate" if metric.higher_is_better else "candidate over base"
        clocks, lines = f"by {metric.name}", [f"ratio: {over}, by the {metric.name} that they print; above 1 is slower"]
    lines.append(f"n: pairs of fresh processes, over which is tested, {clocks}, p < {rule.level:.2g} at a look")
    if any(trial.verdict and trial.verdict.word == "same" for trial in trials):
        wall = f", ±{100 * rule.wall_margin:g} % on the wall clock" if "cpu" in rule.clocks else ""
        lines.append(f"same: the 90 % interval lies within ±{100 * rule.margin:g} %{wall}")
    short, _ = short_names([trial.variants for trial in trials])
    for name, trial in zip(short, trials, strict=True):
        if trial.verdict and trial.verdict.reason:
            lines.append(f"{name}: {trial.verdict.word}, {trial.verdict.reason}")
        if trial.acknowledged:
            lines.append(f"{name}: acknowledged: {trial.acknowledged}")
        lines.extend(f"{name}: {verdict}" for verdict in trial.budgets)
        if trial.failures:
            lines.append(f"{name}: {len(trial.failures)} pairs dropped, the last: {trial.failures[-1].reason}")
    if "cpu" in rule.clocks and (absent := instructions.why_absent()):
        lines.append(f"instructions are not counted: {absent}")
    lines.extend(_summary(trials))
    lines.extend(_control_note(trials[0]))
    load = [result.foreign_cpu_share or 0.0 for trial in trials for result in trial.pairs]
    if load and median(load) > BUSY_SHARE:
        lines.append(f"others used {100 * median(load):.0f} % of the CPU meanwhile (median): `python -m bench doctor`")
    return lines


def _summary(trials: Sequence[Trial]) -> list[str]:
    """What several cells say together, once all are decided."""
    decided = [(trial, trial.final.ratio) for trial in trials if trial.verdict and trial.verdict.ratio]
    if len(decided) < 2 or len(decided) < len(trials):
        return []
    ratios = [ratio for _, ratio in decided if ratio]
    words = Counter(trial.final.word for trial, _ in decided)
    counted = ", ".join(f"{words[word]} {word}" for word in WORDS if words[word])
    mixed = "mixed: " if words["slower"] and words["faster"] else ""
    short, _ = short_names([trial.variants for trial in trials])
    (worst, highest), (best, lowest) = (
        choose(zip(short, ratios, strict=True), key=itemgetter(1)) for choose in (max, min)
    )
    return [
        f"all {len(trials)} cells: {mixed}{counted}; geometric mean {geometric_mean(ratios):.3f}, "
        f"worst {worst} {highest:.3f}, best {best} {lowest:.3f}"
    ]


def _control_note(trial: Trial) -> list[str]:
    """What the negative control said, once every cell has its verdict."""
    if trial.control is None or trial.verdict is None:
        return []
    verdict = trial.control.verdict
    if verdict is None:
        return ["negative control (the base against itself): not run to its end"]
    if verdict.word != "same":
        return [f"negative control: {verdict.reason}; so no verdict here is proven"]
    estimate = verdict.estimates[min(verdict.estimates, key=lambda clock: verdict.estimates[clock].deviation)]
    return [
        f"negative control, the base against itself: {estimate.ratio:.3f} [{estimate.low:.3f},{estimate.high:.3f}], "
        f"{verdict.pairs} pairs: did not move"
    ]


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
            "acknowledged": trial.acknowledged,
            "budgets": list(map(asdict, trial.budgets)),
            "control": trial.control.verdict.word if trial.control and trial.control.verdict else None,
            "clocks": {clock: asdict(estimate) for clock, estimate in trial.estimates().items()},
        }
        for trial in trials
    ]
