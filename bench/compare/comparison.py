"""Runs a comparison: pairs of fresh processes, cell after cell in turn, until each cell has its verdict."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median
from time import perf_counter

from bench.compare import acknowledged, budgets, pair, revision, sequential_test
from bench.compare.acknowledged import Acknowledged
from bench.compare.comparison_result import BudgetVerdict, CellVerdict, Comparison, describe
from bench.compare.pair_result import INSTRUCTIONS, PairResult
from bench.compare.sequential_test import LOOKS, Estimate, Rule, Verdict
from bench.compare.variant import Command, Variant, VariantPair, shared_clocks, short_names
from bench.results import store
from bench.results.result import chronological, new_mark
from bench.run import durations
from bench.run.durations import Durations
from flowers_core.errors import InputError, ReportedError

UNKNOWN_SECONDS = 20.0  # a pair, until the first has run: two imports of TensorFlow, warm-up, 32 blocks
TYPICAL_PAIRS = 6
LINE = 80  # characters of a terminal
MAX_FAILURES_IN_A_ROW = 3  # then the cell is given up

CONTROL_PAIRS = LOOKS[0]
CONTROL = "control-"  # before the mark of its pairs: they are of no comparison of two
CONFIRMING_LOOKS = LOOKS[:3]
CONFIRMING_LEVEL = 0.05  # one of some hundred alarms is false; of those one in forty passes twice, and to the same side


@dataclass
class Trial:
    """How one cell stands; it changes as pair results come in.

    Attributes:
        variants: What is compared.
        pairs: Pair results so far.
        failures: Those that were dropped because a process died.
        failures_in_a_row: Since the last whole pair result.
        verdict: Once there is one.
        confirmation: Pair results of a second build, which were run after the verdict `slower`.
        control: The base against itself, of the whole comparison; None where that is not run.
        acknowledged: Why the project accepts that it is slower; empty where it does not.
        budgets: What was measured of the candidate beside absolute budgets.
    """

    variants: VariantPair
    pairs: list[PairResult] = field(default_factory=list)
    failures: list[PairResult] = field(default_factory=list)
    failures_in_a_row: int = 0
    verdict: Verdict | None = None
    confirmation: list[PairResult] = field(default_factory=list)
    control: "Trial | None" = None
    acknowledged: str = ""
    budgets: tuple[BudgetVerdict, ...] = ()

    def enter(self, result: PairResult, rule: Rule) -> None:
        """Adds a pair result, and decides if it is time."""
        if result.status == "ok" and INSTRUCTIONS in rule.clocks and not result.is_counted:
            result = replace(result, status="error", reason="its instructions were not counted")
        if result.status != "ok":
            self.failures.append(result)
            self.failures_in_a_row += 1
            if self.failures_in_a_row == MAX_FAILURES_IN_A_ROW:
                self.close(rule, f"{MAX_FAILURES_IN_A_ROW} processes in a row died: {result.reason}")
            return
        self.failures_in_a_row = 0
        self.pairs.append(result)
        if len(self.pairs) in LOOKS:
            self.verdict = sequential_test.follow(self.values(rule), rule)

    def confirm(self, result: PairResult) -> bool:
        """Adds a pair result of a second build; whether it is settled now whether the alarm stands."""
        self.confirmation.append(result)
        if result.status != "ok":
            self.leave_unconfirmed(result.reason)
            return True
        if len(self.confirmation) not in CONFIRMING_LOOKS:
            return False
        clock = self.final.clock
        second = sequential_test.estimate([sequential_test.value(pair, clock) for pair in self.confirmation])
        figures = f"{second.ratio:.3f} [{second.low:.3f},{second.high:.3f}], {len(self.confirmation)} pairs"
        if second.p < CONFIRMING_LEVEL and second.ratio > 1:
            return self._settle(f"confirmed by fresh builds and pairs: {clock} {figures}")
        if len(self.confirmation) == CONFIRMING_LOOKS[-1]:
            self.verdict = replace(self.final, word="inconclusive", clock="")
            return self._settle(f"an alarm that fresh builds and pairs did not confirm: {clock} {figures}")
        return False

    def leave_unconfirmed(self, reason: str) -> None:
        """Lets the alarm stand as it was raised, and says that nothing confirmed it."""
        self._settle(f"not confirmed: {reason}")

    def _settle(self, reason: str) -> bool:
        self.verdict = replace(self.final, reason="; ".join(filter(None, (self.final.reason, reason))))
        return True

    def close(self, rule: Rule, reason: str) -> None:
        """Leaves it inconclusive, with what its pairs say so far."""
        self.verdict = sequential_test.partial(self.values(rule), rule, reason)

    @property
    def final(self) -> Verdict:
        """Its verdict, once the comparison has ended."""
        if self.verdict is None:
            raise RuntimeError(f"{self.variants.cell} has no verdict yet")
        return self.verdict

    def estimates(self) -> dict[str, Estimate]:
        """What its pairs say together, by clock; those of the verdict where there is one."""
        if self.verdict:
            return self.verdict.estimates
        if len(self.pairs) < 2:
            return {}
        rule = Rule(clocks=shared_clocks([self.variants]))
        return {clock: sequential_test.estimate(values) for clock, values in self.values(rule).items()}

    def step_seconds(self, clock: str) -> tuple[float, float]:
        """Base's and candidate's: the median over all blocks of all pairs."""
        base, candidate = (
            median(seconds for result in self.pairs for seconds in result.step_seconds(name, clock))
            for name in ("base", "candidate")
        )
        return base, candidate

    def total_seconds(self) -> float:
        """How long its pairs took, failures included."""
        return sum(result.seconds for result in (*self.pairs, *self.failures, *self.confirmation))

    def pair_seconds(self) -> float:
        """How long the next pair will probably take."""
        taken = [result.seconds for result in (*self.pairs, *self.failures)]
        return mean(taken) if taken else UNKNOWN_SECONDS

    def left_seconds(self) -> float:
        """How long until its verdict, if it needs the usual number of pairs; beyond that, until the next look."""
        if self.verdict:
            return 0.0
        wanted = next((look for look in LOOKS if look > len(self.pairs) and look >= TYPICAL_PAIRS), LOOKS[-1])
        return (wanted - len(self.pairs)) * self.pair_seconds()

    def values(self, rule: Rule) -> dict[str, list[float]]:
        """What its pairs say, by clock."""
        return {clock: [sequential_test.value(result, clock) for result in self.pairs] for clock in rule.clocks}


def known_pairs(results: Path) -> Durations:
    """How long pairs of each cell took on this machine, by a store; a cell is named as a `PairResult` names it."""
    known = Durations()
    for result in chronological(store.load(PairResult, results).results):
        known.note([result.cell], result.seconds, result.machine)
    return known


def forecast(variant_pairs: Sequence[VariantPair], results: Path, *, control: bool, budget: float | None) -> str:
    """What a comparison is about to do and how long that takes, if it needs the usual number of pairs."""
    known, cells = known_pairs(results), [variants.cell for variants in variant_pairs]
    usual = known.total([cell] for cell in cells for _ in range(TYPICAL_PAIRS))
    base = known.total([cells[0]] for _ in range(CONTROL_PAIRS)) if control else 0.0
    what = f"{len(cells)} cell{'s' * (len(cells) > 1)}, each in about {TYPICAL_PAIRS} pairs of fresh processes"
    what += f", and {CONTROL_PAIRS} of the base with itself" if control else ""
    seconds = None if usual is None or base is None else usual + base
    return durations.forecast(what, seconds, by=f"{durations.EARLIER}, if nothing surprises", budget=budget)


def check_budget(budget_seconds: float | None, cells: int) -> None:
    """Checks that a budget can hold the four pairs of the first look, for one cell at least.

    Raises:
        InputError: If it cannot.
    """
    least = LOOKS[0] * UNKNOWN_SECONDS
    if budget_seconds is not None and budget_seconds < least:
        raise InputError(
            f"`--budget` must allow at least {LOOKS[0]} pairs, about {least:.0f} s for a cell "
            f"({cells * least:.0f} s for all {cells}). Received: {budget_seconds:.0f} s. Give more time, or fewer cells"
        )


@dataclass(frozen=True, kw_only=True)
class PairRuns:
    """How pairs are run, and which beside those that the verdicts are made from.

    Attributes:
        record: Runs one pair.
        control: Whether the base runs against itself as well; if that moves, no verdict of the comparison is proven.
        rebuild: Builds both variants anew at another place, for alarms to be confirmed; None confirms none.
        command: What was typed to run them, for a reader of the store.
        acknowledged: Slowdowns that the project accepts, and absolute budgets.
    """

    record: Callable[..., list[PairResult]] = field(default_factory=lambda: pair.record)  # as it is then
    control: bool = False
    rebuild: Callable[[VariantPair], VariantPair] | None = None
    command: str = ""
    acknowledged: Acknowledged = acknowledged.NOTHING


PLAIN = PairRuns()


@dataclass
class _Run:
    """A comparison while it runs: where results go, what they are marked by, and when it must end."""

    trials: list[Trial]
    results: Path
    rule: Rule
    mark: str
    record: Callable[..., list[PairResult]]
    is_over: Callable[[Trial], bool]
    control: Trial | None = None

    def pair(self, variants: VariantPair, mark: str) -> PairResult:
        """Runs a pair and stores it."""
        result = replace(self.record(variants.base, variants.candidate, comparison=mark)[0], margin=self.rule.margin)
        store.append(result, self.results)
        return result

    def decide(self) -> Iterator[None]:
        """Runs cells in turn until each has its verdict, the control among them in the first rounds."""
        while any(trial.verdict is None for trial in self.trials):
            for trial in self.trials:
                if trial.verdict:
                    continue
                if self.is_over(trial):
                    trial.close(self.rule, "the budget ended")
                else:
                    trial.enter(self.pair(trial.variants, self.mark), self.rule)
                yield
            self._check_control()
        verdicts = sequential_test.holm([trial.final for trial in self.trials], self.rule)
        for trial, verdict in zip(self.trials, verdicts, strict=True):
            trial.verdict = verdict
        yield

    def _check_control(self) -> None:
        """Runs a pair of the base against itself, until there are enough."""
        control = self.control
        if control is None or control.verdict or self.is_over(control):
            return
        result = self.pair(control.variants, f"{CONTROL}{self.mark}")
        if result.status != "ok":
            return  # the base's trials die, too, and say so
        control.pairs.append(result)
        if len(control.pairs) == CONTROL_PAIRS:
            control.verdict = sequential_test.control(control.values(self.rule), self.rule)

    def confirm(self, rebuild: Callable[[VariantPair], VariantPair]) -> Iterator[None]:
        """Runs pairs of second builds of what was found slower, in turn, until each alarm is confirmed or not."""
        alarms = []
        for trial in (trial for trial in self.trials if trial.final.word == "slower"):
            try:
                alarms.append((trial, rebuild(trial.variants)))
            except ReportedError as error:
                trial.leave_unconfirmed(str(error))
        while alarms:
            for alarm in tuple(alarms):
                trial, variants = alarm
                if self.is_over(trial):
                    trial.leave_unconfirmed("the budget ended")
                    alarms.remove(alarm)
                elif trial.confirm(self.pair(variants, f"confirmation-{self.mark}")):
                    alarms.remove(alarm)
                yield

    def acknowledge(self, accepted: Acknowledged) -> None:
        """Notes of what is slower why the project accepts it, where it does."""
        for trial in self.trials:
            verdict, sides = trial.final, trial.variants
            if verdict.word == "slower" and verdict.estimate:
                commits = (side.code.get("commit", "") for side in sides)
                trial.acknowledged = accepted.why(trial.variants.cell, verdict.estimate.low, *commits)

    def check_budgets(self, accepted: Acknowledged) -> Iterator[None]:
        """Measures the candidates of cells with absolute budgets, alone."""
        for trial in self.trials:
            candidate = trial.variants.candidate
            if not isinstance(candidate, Variant):
                continue
            limits = [budget for budget in accepted.budgets if budget.is_for(candidate.cell)]
            check = budgets.Check(candidate, limits)
            for _ in check.run() if limits else ():
                check.reason = check.reason or ("the time of `--budget` ended" if self.is_over(trial) else "")
                trial.budgets = check.verdicts()
                yield

    def doubt(self) -> None:
        """Takes every verdict back if the control moved."""
        if self.control is None or self.control.verdict is None or self.control.verdict.word == "same":
            return
        for trial in self.trials:
            trial.verdict = replace(trial.final, word="unproven", reason=self.control.verdict.reason)


def run(
    variant_pairs: Sequence[VariantPair],
    results: Path,
    *,
    rule: Rule,
    title: str = "",
    budget_seconds: float | None = None,
    runs: PairRuns = PLAIN,
    now: Callable[[], float] = perf_counter,
) -> Generator[list[Trial]]:
    """Runs pairs, stores each the moment it ends, and stores the verdicts at the end, also after Ctrl-C.

    Cells take turns, so that a drift of the machine hits all and an early end leaves each with something. A cell
    stops at its verdict.

    Args:
        variant_pairs: What to compare.
        results: The store.
        rule: How sure verdicts must be.
        title: What is compared, for a reader of the store.
        budget_seconds: When to stop; what has no verdict then is inconclusive. None is no limit.
        runs: How pairs are run, whether there is a negative control, and how alarms are confirmed.
        now: Clock in seconds.

    Yields:
        The same trials, as they change; after the last time all have a verdict.
    """
    begun, started = now(), datetime.now(UTC)
    mark = new_mark(started)
    base = variant_pairs[0].base
    control = Trial(variants=VariantPair(base, base)) if runs.control else None
    trials = [Trial(variants=variants, control=control) for variants in variant_pairs]
    running = _Run(
        trials=trials,
        results=results,
        rule=rule,
        mark=mark,
        record=runs.record,
        is_over=lambda trial: budget_seconds is not None and now() - begun + trial.pair_seconds() > budget_seconds,
        control=control,
    )
    try:
        yield trials
        for _ in running.decide():
            yield trials
        if runs.rebuild:
            for _ in running.confirm(runs.rebuild):
                yield trials
        running.doubt()
        running.acknowledge(runs.acknowledged)
        yield trials
        for _ in running.check_budgets(runs.acknowledged):
            yield trials
    finally:
        for trial in trials:
            if trial.verdict is None:
                trial.close(rule, "interrupted")
        if any(trial.pairs or trial.failures for trial in trials):
            store.append(replace(_comparison(running, title, started), command=runs.command), results)


def _comparison(running: _Run, title: str, started: datetime) -> Comparison:
    """What is stored of a comparison in the end."""
    trials, rule = running.trials, running.rule
    variants = trials[0].variants
    pairs = [result for trial in trials for result in (*trial.pairs, *trial.failures)]
    shares = [result.foreign_cpu_share for result in pairs if result.foreign_cpu_share is not None]
    names, shared = short_names([trial.variants for trial in trials])
    return Comparison(
        comparison=running.mark,
        title=title or f"{variants.base.name} v {variants.candidate.name}",
        base=_summary(variants.base),
        candidate=_summary(variants.candidate),
        rule=asdict(rule),
        cells=tuple(replace(_cell(rule, trial), name=name) for trial, name in zip(trials, names, strict=True)),
        shared=tuple(shared),
        control=_cell(rule, running.control) if running.control and running.control.verdict else None,
        foreign_cpu_share=median(shares) if shares else None,
        started=started.isoformat(timespec="milliseconds"),
        data=next((result.data for result in pairs if "photos" in result.data), {}),
        machine=pairs[-1].machine,
    )


def _cell(rule: Rule, trial: Trial) -> CellVerdict:
    """What is stored of one cell."""
    return CellVerdict(
        cell=trial.variants.cell,
        verdict=trial.final,
        step_seconds={clock: trial.step_seconds(clock) for clock in rule.clocks} if trial.pairs else {},
        failures=len(trial.failures),
        seconds=trial.total_seconds(),
        acknowledged=trial.acknowledged,
        budgets=trial.budgets,
    )


def title(variants: VariantPair) -> str:
    """Names what is compared by revisions, commits and their titles; a line each where one is too short for both."""
    base, candidate = (describe(**_summary(variant)) for variant in (variants.base, variants.candidate))
    together = f"{base} v {candidate}"
    return together if len(together) < LINE else f"{base}\nv {candidate}"


def _summary(variant: Variant | Command) -> dict:
    """Which code a variant ran, in words as well."""
    return {"name": variant.name, **variant.code, "subject": revision.subject(variant.code.get("commit", ""))}
