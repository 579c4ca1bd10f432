"""Finds the fastest correct way to train a model on this machine: candidates against the recipe's way, in pairs.

Each candidate first runs one pair against the recipe's way, until the budget leaves no more. The fastest must then show
the losses of a plain float32 step, from the same weights on the same batch; a candidate that does not is refused, and
the next is asked. What is left of the budget goes into further pairs of the one that was found.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.compare import pair, sequential_test
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import LOOKS, Rule
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results.cell import Cell
from bench.run import process
from bench.run.data_source import CLASSES, Source
from flowers_core import backends, models
from flowers_core.backends import BACKENDS, malloc, precision
from flowers_core.errors import InputError
from flowers_core.train import tuned
from flowers_core.train.settings import usual_way
from flowers_core.train.tuned import Tuned, Way

PAIR_SECONDS = 20.0  # until the first pair has run
WORTHWHILE = 1.02  # less is within what two processes of the same program differ by
TOLERANCES = {"float32": 0.01}
HALF_TOLERANCE = 0.05  # of policies that compute with 8 or 11 bits
BATCH_SIZE, HEAVY_BATCH_SIZE = 16, 4
CHECK_SECONDS = 600.0
CHECK_PAIRS = 1.5  # in pairs, what it takes to look at losses: two processes, one after the other, that compile anew

Losses = Callable[[Cell, Path], list[float] | str]


@dataclass
class Candidate:
    """A way to train, and how it stands beside the recipe's.

    Attributes:
        cell: Its step on a resident batch.
        status: `waiting`, `ok`, `refused` for other losses, or `error`.
        reason: Why it is refused or failed.
        logs: Of each pair the logarithm of its seconds an image over the recipe's.
        rates: Images/s in each pair.
    """

    cell: Cell
    status: str = "waiting"
    reason: str = ""
    logs: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Seconds an image over the recipe's; None before its first pair."""
        return math.exp(sum(self.logs) / len(self.logs)) if self.logs else None

    @property
    def is_faster(self) -> bool:
        """Whether it may be the one."""
        return self.status == "ok" and self.ratio is not None and self.ratio * WORTHWHILE < 1

    def enter(self, result: PairResult, base: Cell) -> None:
        """Adds a pair against the recipe's way."""
        if result.status != "ok":
            self.status, self.reason = "error", result.reason
            return
        self.status = "ok"
        per_image = math.log(base.batch_size / self.cell.batch_size)
        self.logs.append(sequential_test.value(result, "wall") + per_image)
        self.rates.append(self.cell.batch_size / median(result.step_seconds("candidate", "wall")))


def check_budget(budget_seconds: float, pairs: int) -> None:
    """Checks that a budget can hold one pair of processes.

    Args:
        budget_seconds: What is given.
        pairs: How many would run if there were time for all.

    Raises:
        InputError: If it cannot.
    """
    if budget_seconds < PAIR_SECONDS:
        raise InputError(
            f"`--budget` must allow one pair of processes, about {PAIR_SECONDS:.0f} s. "
            f"Received: {budget_seconds:.0f} s. Give more time: all {pairs} take about {pairs * PAIR_SECONDS:.0f} s"
        )


def usual_batch_size(model: str) -> int:
    """Images a step to compare by unless told otherwise."""
    return HEAVY_BATCH_SIZE if models.spec(model).heavy else BATCH_SIZE


def plain_cell(model: str, *, image_size: int, device: str, backend: str, batch_size: int = BATCH_SIZE) -> Cell:
    """The step of a model as its recipe trains it where nothing was found."""
    way = usual_way(models.spec(model).recipe, device=device, backend=backend)
    return Cell(model=model, image_size=image_size, device=device, backend=backend, batch_size=batch_size, **way)


def ways(plain: Cell, batch_sizes: Sequence[int] = ()) -> list[Cell]:
    """All ways to compute the same step that make sense here but the recipe's own, likely ones first.

    Args:
        plain: The recipe's.
        batch_sizes: Others that may be trained with, which is another training; the recipe's alone if empty.
    """
    installed = sorted(filter(backends.is_installed, BACKENDS), key=lambda name: name != plain.backend)
    fast = precision.multiplies_bfloat16() if plain.device == "cpu" else True
    policies = [
        policy
        for policy in precision.PRECISIONS
        if not precision.unsuitable(policy, plain.device) and (policy == "float32" or fast)
    ]
    cells = []
    for batch_size, backend, compiled, policy in product(
        batch_sizes or (plain.batch_size,), installed, (True, False), policies
    ):
        if BACKENDS[backend].always_compiled and not compiled:
            continue
        cell = replace(plain, batch_size=batch_size, precision=policy).on(backend)
        cells.append(cell.compile() if compiled else replace(cell, xla=False, torch_compile=False))
    likely_first = partial(_unlikelihood, plain, half_is_fast=fast)
    return sorted((cell for cell in dict.fromkeys(cells) if cell != plain), key=likely_first)


def _unlikelihood(plain: Cell, cell: Cell, *, half_is_fast: bool) -> tuple[int, bool]:
    """How much of a way speaks against it, by what `bench peers` has shown; of equals another backend first.

    A compiler helps but for TensorFlow on a CPU, whose own convolutions are faster than XLA's, as they are than JAX'.
    """
    on_cpu = cell.device == "cpu"
    compiler_helps = not (on_cpu and cell.backend == "tensorflow")
    against = (
        2 * (cell.compiled != compiler_helps)
        + 2 * (on_cpu and cell.backend == "jax")
        + (cell.batch_size != plain.batch_size)
        + (half_is_fast and cell.precision == "float32")
    )
    return against, cell.backend == plain.backend


class LossCheck:
    """Whether ways to train have the losses of a plain float32 step, from the same weights on the same batch.

    Args:
        plain: The recipe's way.
        source: Says where a user's own model is found.
        losses: The losses of a few steps of a cell, begun with the weights of a file; a text says why there are none.
    """

    def __init__(self, plain: Cell, source: Source, losses: Losses | None = None):
        self._plain, self._source, self._losses = plain, source, losses or self._losses_of
        self._references: dict[int, list[float] | str] = {}

    def why_refused(self, cell: Cell, folder: Path) -> str:
        """In what the losses of a way differ from those of a plain float32 step; empty if they agree."""
        size = cell.batch_size
        if size not in self._references:
            reference = replace(self._plain, batch_size=size, precision="float32", torch_compile=False)
            reference = replace(reference, xla=BACKENDS[reference.backend].always_compiled)
            self._references[size] = self._losses(reference, folder / f"{size}.npz")
        expected = self._references[size]
        if isinstance(expected, str):
            return f"there are no losses to compare with: {expected}"
        found = self._losses(cell, folder / f"{size}.npz")
        if isinstance(found, str):
            return found
        return disagreement(expected, found, tolerance=TOLERANCES.get(cell.precision, HALF_TOLERANCE))

    def _losses_of(self, cell: Cell, weights: Path) -> list[float] | str:
        """The losses of a cell in a process of its own."""
        command = [Variant(name="", cell=cell).python, "-P", "-m", "bench.compare.loss_worker"]
        job = {"cell": cell.to_json(), "source": asdict(self._source), "classes": CLASSES, "weights": str(weights)}
        name = f"{way_of(cell)}"
        try:
            with process.ChildProcess(command, weights.parent, name=name, env=process.environment(cell)) as child:
                answer = child.ask(job, timeout=CHECK_SECONDS)
        except process.Died as died:
            return died.reason
        return answer.get("error") or answer["losses"]


class Search:
    """The search for the fastest way; what it has found so far can be had at any time.

    Args:
        plain: The recipe's way.
        candidates: Others.
        budget_seconds: How long it may take.
        source: Says where a user's own model is found.
        record: Runs one pair.
        losses: The losses of a few steps of a cell, begun with the weights of a file; a text says why there are none.
        now: A clock.
    """

    def __init__(
        self,
        plain: Cell,
        candidates: Sequence[Cell],
        *,
        budget_seconds: float,
        source: Source | None = None,
        record: Callable[..., list[PairResult]] | None = None,
        losses: Losses | None = None,
        now: Callable[[], float] = perf_counter,
    ):
        check_budget(budget_seconds, len(candidates))
        self.plain, self.candidates = plain, [Candidate(cell) for cell in candidates]
        self.found: Candidate | None = None
        self._source, self._record, self._now = source or Source(), record or pair.record, now
        self._check = LossCheck(plain, self._source, losses)
        self._deadline, self._pair_seconds = now() + budget_seconds, 0.0
        self._draw = random.Random()

    def run(
        self, *, advance: Callable[[], object] = lambda: None, tell: Callable[[str], object] = lambda _: None
    ) -> None:
        """Compares, checks and confirms; Ctrl-C may end it at any time.

        Args:
            advance: Is called when a candidate has been compared, or will not be.
            tell: Is called with a sentence on each candidate that is refused or fails.
        """
        try:
            for candidate in self.candidates:
                if self._left() > (1 + CHECK_PAIRS) * self._pair_seconds:  # for that of the one that will be found
                    self._run_pair(candidate)
                    if candidate.status == "error":
                        tell(f"{way_of(candidate.cell)}: {candidate.reason}")
                advance()
        except KeyboardInterrupt:
            tell("interrupted: looking at the losses of the fastest so far; Ctrl-C again leaves without")
            self._choose(tell)
            raise
        self._choose(tell)
        if self.found:
            self._confirm(self.found, tell)

    def _run_pair(self, candidate: Candidate) -> None:
        begun = self._now()
        variants = (
            Variant(
                name=f"{way_of(cell)}",
                cell=cell,
                source=self._source,
                code=facts.code(),
                environment=malloc.variables(),  # as a training has it
            )
            for cell in (self.plain, candidate.cell)
        )
        for result in self._record(*variants, draw=self._draw, left=self._left):
            if result.status == "ok" or self._left() > 0:
                candidate.enter(result, self.plain)
        self._pair_seconds = max(self._pair_seconds, self._now() - begun)

    def _left(self) -> float:
        return self._deadline - self._now()

    def _choose(self, tell: Callable[[str], object]) -> None:
        """The fastest whose losses are those of a plain float32 step."""
        faster = [candidate for candidate in self.candidates if candidate.is_faster]
        with process.scratch() as folder:
            for candidate in sorted(faster, key=lambda candidate: candidate.ratio or 1.0):
                candidate.reason = self._check.why_refused(candidate.cell, folder)
                if not candidate.reason:
                    self.found = candidate
                    return
                candidate.status = "refused"
                tell(f"{way_of(candidate.cell)} is refused: {candidate.reason}")

    def _confirm(self, candidate: Candidate, tell: Callable[[str], object]) -> None:
        """More pairs of the one that was found, as long as they are needed and the budget lasts."""
        rule = Rule(clocks=("wall",))
        while self._left() > self._pair_seconds and len(candidate.logs) < LOOKS[-1]:
            self._run_pair(candidate)
            if candidate.status != "ok":
                tell(f"{way_of(candidate.cell)}: {candidate.reason}")
                break
            if len(candidate.logs) in LOOKS and sequential_test.look({"wall": candidate.logs}, rule):
                break
        if not candidate.is_faster:
            self.found = None

    def tried(self) -> list[Candidate]:
        """The candidates that were compared."""
        return [candidate for candidate in self.candidates if candidate.status != "waiting"]

    def result(self, *, with_batch: bool) -> Tuned | None:
        """What was found, the recipe's own way if no other is faster; None if no candidate could be compared.

        Args:
            with_batch: Whether the batch size is part of it.
        """
        compared = [candidate for candidate in self.candidates if candidate.logs]
        if not compared:
            return None
        best = self.found
        cell, plain = best.cell if best else self.plain, way_of(self.plain)
        way = replace(way_of(cell), batch_size=cell.batch_size if with_batch and best else None)
        rates = [
            rate * math.exp(log)
            for candidate in compared
            for rate, log in zip(candidate.rates, candidate.logs, strict=True)
        ]  # the recipe's, beside each
        return Tuned(
            model=self.plain.model,
            image_size=self.plain.image_size,
            device=self.plain.device,
            way=way,
            plain=plain,
            ratio=best.ratio or 1.0 if best else 1.0,
            pairs=len(best.logs) if best else sum(len(candidate.logs) for candidate in compared),
            images_per_second=median(best.rates if best else rates),
            measured_batch=cell.batch_size,
            tried=len(self.tried()),
            candidates=len(self.candidates),
            when=datetime.now(UTC).isoformat(timespec="seconds"),
            key=tuned.key((way.backend, plain.backend)),
        )


def way_of(cell: Cell) -> Way:
    """A cell's way to train."""
    return Way(backend=cell.backend, precision=cell.precision, xla=cell.xla, torch_compile=cell.torch_compile)


def disagreement(expected: Sequence[float | None], found: Sequence[float | None], *, tolerance: float) -> str:
    """In what losses differ from those expected by more than a share of them; empty if they agree."""
    for step, (loss, other) in enumerate(zip(expected, found, strict=True), 1):
        if loss is None or other is None:
            return f"its loss is not finite in step {step}"
        if abs(other - loss) > tolerance * max(abs(loss), 0.1):
            return f"its loss in step {step} is {other:.4g}, that of a plain float32 step {loss:.4g}"
    return ""
