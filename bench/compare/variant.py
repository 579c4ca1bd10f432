"""What a comparison is between: a variant is a cell, of some code, in an environment; or it is any command."""

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.compare import sequential_test
from bench.compare.pair_result import CLOCKS, INSTRUCTIONS
from bench.machine import facts as machine
from bench.machine import instructions, variables
from bench.results import labels
from bench.results.cell import RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.run import process
from bench.run.data_source import CLASSES, Source
from bench.run.measure import Job
from bench.run.timing import Effort


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What runs as base or as candidate.

    Attributes:
        name: What the user calls it: a revision or a value of an axis.
        cell: What is measured.
        source: Where photos and records lie.
        python: The interpreter, of an environment that holds the code under test.
        path: The folder from which `bench`, the harness, is imported.
        code: `commit`, `dirty` and `digest` of the code under test.
        environment: Variables that only this variant has.
        classes: How many a model tells apart on a resident batch.
    """

    name: str
    cell: Cell
    source: Source = field(default_factory=Source)
    python: str = sys.executable
    path: str = str(machine.PROJECT_ROOT)
    code: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    classes: int = CLASSES

    def facts(self) -> dict:
        """What a pair result keeps of it; the classes of a resident batch only where they are not the usual ones."""
        unusual = self.cell.pipeline == RESIDENT and self.classes != CLASSES
        data = {"classes": self.classes} if unusual else {}
        environment = {name: variables.printable(name, value) for name, value in self.environment.items()}
        return {"name": self.name, "cell": self.cell.to_json(), "environment": environment, **data, **self.code}

    def measure(
        self, effort: Effort, *, trace: str = "", spawn: Callable[..., Measurement] = process.spawn
    ) -> Measurement:
        """Measures it alone, in a fresh process of its own environment.

        Args:
            effort: For how long.
            trace: Log directory for a profiler trace of further steps; empty for none.
            spawn: Measures a job in a fresh process.
        """
        job = Job(cell=self.cell, effort=effort, source=self.source, classes=self.classes, trace=trace)
        command = (self.python, "-P", "-m", "bench.run.measure")
        return spawn(job, command=command, variables={"PYTHONPATH": self.path, **self.environment})

    @property
    def clocks(self) -> tuple[str, ...]:
        """What a verdict looks at."""
        return _add_instructions(sequential_test.clocks([self.cell]))

    @property
    def measured(self) -> str:
        """Names what is measured in the store.

        A resident batch of unusual classes is named apart, or its results would be counted with those of another model.
        """
        classes = self.facts().get("classes")
        return f"{self.cell.id}-{classes}-classes" if classes else self.cell.id


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure that a command prints, in place of its times.

    Attributes:
        name: Its key in the last JSON line on standard output that has it.
        higher_is_better: Whether a larger figure is faster, as of images a second.
    """

    name: str
    higher_is_better: bool = False

    def cost(self, figure: float) -> float:
        """The figure as something of which more is slower; the same function leads back."""
        return 1 / figure if self.higher_is_better else figure


@dataclass(frozen=True, kw_only=True)
class Command:
    """Any command, run from start to end as a fresh process.

    Attributes:
        line: As the user gave it; its words are those of a shell, but no shell runs it.
        prepare: A command to run before each timed run, untimed; empty for none.
        metric: The figure it prints that is compared; None for wall and CPU seconds of the whole process.
        code: `commit`, `dirty` and `digest`: of commands nothing is known.
    """

    line: str
    prepare: str = ""
    metric: Metric | None = None
    code: dict = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The command as it may be published: words that look like credentials hidden, home folders as `~`."""
        return _printable(self.line)

    def facts(self) -> dict:
        """What a pair result keeps of it."""
        metric = {"metric": vars(self.metric)} if self.metric else {}
        return {"name": self.name, "command": self.name, "prepare": _printable(self.prepare), **metric}

    @property
    def clocks(self) -> tuple[str, ...]:
        """What a verdict looks at; a figure that it prints takes the place of wall time."""
        return CLOCKS[:1] if self.metric else _add_instructions(CLOCKS)

    @property
    def measured(self) -> str:
        """Names what is measured in the store."""
        return self.name


def _add_instructions(clocks: tuple[str, ...]) -> tuple[str, ...]:
    """Clocks of processes on the CPU, and the instructions that they execute where these can be counted."""
    return (*clocks, INSTRUCTIONS) if clocks == CLOCKS and not instructions.why_absent() else clocks


def _printable(line: str) -> str:
    """A command line as it may be published: `--password=X`, `--password X` and `PASSWORD=X` without the X."""
    shown, option = [], ""
    for word in shlex.split(line):
        name, equals, value = word.rpartition("=")
        shown.append(name + equals + variables.printable(_variable(name or option), value))
        option = word if word.startswith("-") and not equals else ""
    return shlex.join(shown)


def _variable(option: str) -> str:
    """An option's name as that of a variable: `--api-key` as `api_key`."""
    return option.strip("-").replace("-", "_")


@dataclass(frozen=True)
class VariantPair:
    """What is compared with what: one cell of a comparison, or two commands."""

    base: Variant | Command
    candidate: Variant | Command

    @property
    def cell(self) -> str:
        """Names it in the store: the cell or the command, or both where they differ."""
        return " v ".join(dict.fromkeys(variant.measured for variant in self))

    @property
    def metric(self) -> Metric | None:
        """The figure that is compared in place of times."""
        return self.base.metric if isinstance(self.base, Command) else None

    def heading(self, comparison: str, started: str) -> dict[str, Any]:
        """The fields of a pair result that say what ran, where and when; `started` marks the pair as well."""
        return {
            "comparison": comparison,
            "pair": started,
            "cell": self.cell,
            "base": self.base.facts(),
            "candidate": self.candidate.facts(),
            "machine": machine.fingerprint(),
            "started": started,
        }

    def __iter__(self) -> Iterator[Variant | Command]:
        """Base, then candidate."""
        return iter((self.base, self.candidate))


def shared_clocks(pairs: Iterable[VariantPair]) -> tuple[str, ...]:
    """The clocks that all variants have."""
    return min((variant.clocks for pair in pairs for variant in pair), key=len)


def short_names(pairs: Sequence[VariantPair]) -> tuple[list[str], list[str]]:
    """Names each pair by what it does not share with the others.

    Returns:
        A short name for each pair, in their order; and words for what is the same in all of them.
    """
    bases = [pair.base.cell for pair in pairs if isinstance(pair.base, Variant)]
    if len(bases) < len(pairs):
        return [pair.metric.name if pair.metric else "whole process" for pair in pairs], []
    short, _ = labels.apart(bases)
    _, same = labels.apart([variant.cell for pair in pairs for variant in pair if isinstance(variant, Variant)])
    return short, same
