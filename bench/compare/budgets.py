"""Checks absolute budgets: whether the candidate of a cell stays below them, by fresh processes of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.compare.acknowledged import Budget
from bench.compare.comparison_result import BudgetVerdict
from bench.compare.variant import Variant
from bench.machine.facts import BUSY_SHARE
from bench.results import summary
from bench.results.measurement import Measurement
from bench.run.timing import Effort

PROCESSES = 6  # the least of which the median has a 95 % interval: from the lowest to the highest
EFFORT = Effort(seconds=1.0)


@dataclass
class Check:
    """The budgets of one cell while its candidate is measured.

    Attributes:
        variant: What is measured.
        budgets: Those of its cell.
        measurements: Processes so far.
        reason: Why it ended early; empty while it did not.
    """

    variant: Variant
    budgets: Sequence[Budget]
    measurements: list[Measurement] = field(default_factory=list)
    reason: str = ""

    def run(self) -> Iterator[None]:
        """Measures in fresh processes, one after another; a process that fails ends it."""
        while len(self.measurements) < PROCESSES and not self.reason:
            measurement = self.variant.measure(EFFORT)
            if measurement.status == "ok":
                self.measurements.append(measurement)
            else:
                self.reason = f"{measurement.status}: {measurement.reason}"
            yield

    def verdicts(self) -> tuple[BudgetVerdict, ...]:
        """What the processes say of each budget."""
        busy = max((measurement.foreign_cpu_share or 0.0 for measurement in self.measurements), default=0.0)
        return tuple(
            judge(
                budget,
                [figure(budget.what, measurement) for measurement in self.measurements],
                self.reason,
                busy=busy if budget.what != "memory" else 0.0,
            )
            for budget in self.budgets
        )


def figure(what: str, measurement: Measurement) -> float:
    """What a process says of a budget: seconds, or bytes."""
    if what == "memory":
        return float(measurement.peak_bytes or 0)
    if what == "step":
        return summary.summarise([measurement]).batch_seconds or 0.0
    return measurement.first_step_seconds or 0.0


def judge(budget: Budget, figures: Sequence[float], reason: str = "", *, busy: float = 0.0) -> BudgetVerdict:
    """Decides by the interval of the median: `exceeded` where all of it lies above, `within` where none does.

    What took too long beside other programs is unproven: alone it might not have.

    Args:
        budget: What is allowed.
        figures: One a process.
        reason: Why there are no more of them.
        busy: The most of the CPU that others used during one of them.
    """
    interval = summary.median_interval(list(figures))
    if interval is None:
        said = reason or f"{len(figures)} of {PROCESSES} processes"
        return BudgetVerdict(what=budget.what, limit=budget.limit, word="unproven", reason=said)
    low, high = interval
    word = "exceeded" if low > budget.limit else "within" if high <= budget.limit else "unproven"
    why = budget.reason
    if word == "exceeded" and busy > BUSY_SHARE:
        word, why = "unproven", f"others used {busy:.0%} of the CPU meanwhile"
    return BudgetVerdict(what=budget.what, limit=budget.limit, word=word, low=low, high=high, reason=why)
