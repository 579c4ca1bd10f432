"""Runs a pair of fresh processes, base and candidate, that take turns on one machine: one observation of the test.

What disturbs the machine for seconds disturbs both; what differs from process to process (where memory lies, how
threads fall) is drawn anew with each pair. So pairs are independent, which steps of one process never are.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.compare import inject
from bench.compare.inject import Injection
from bench.compare.pair_result import PairResult, Sample
from bench.compare.variant import Variant, VariantPair
from bench.machine.cpu_time import ForeignLoad
from bench.run import process
from bench.run.measure import Job

BLOCKS = 16  # of each process: most of the noise is between blocks, most of the time goes into starting
BLOCK_SECONDS = 0.2
FIRST_BLOCKS = 3  # the untimed first block is so many times as long
LEAST_BLOCKS = 4  # of each process, where time for them is limited
ANSWER_SECONDS = 300.0
COMMAND = ("-P", "-m", "bench.compare.pair_worker")  # of a variant's Python


class PairWorker:
    """The parent's end of one process of a pair."""

    def __init__(
        self,
        variant: Variant,
        *,
        injectable: bool,
        folder: Path,
        padding: Mapping[str, str],
        left: Callable[[], float] = lambda: ANSWER_SECONDS,
    ):
        self._left = left
        env = {**process.environment(variant.cell, path=variant.path), **variant.environment, **padding}
        self.process = process.ChildProcess([variant.python, *COMMAND], folder, name=variant.name, env=env)
        job = {"cell": variant.cell.to_json(), "source": asdict(variant.source), "classes": variant.classes}
        self.process.tell({**job, "injectable": injectable})

    def answer(self) -> dict:
        """Waits for its next answer and holds it still.

        Raises:
            Died: If it ends, says that it cannot, or is silent for too long.
        """
        answer = self.process.answer(timeout=min(ANSWER_SECONDS, max(0.0, self._left())))
        if "error" in answer:
            raise process.Died(self.process.name, "error", answer["error"])
        self.process.hold()
        return answer

    def do(self, order: str, **details: Any) -> dict:
        """Lets it go on, gives an order, and holds it still when it has answered."""
        self.process.release()
        self.process.tell({"do": order, **details})
        return self.answer()


def record(  # noqa: PLR0913 - what a pair is, and for how long
    base: Variant,
    candidate: Variant,
    *,
    comparison: str = "",
    injections: Sequence[Injection] = (),
    load: str = "",
    draw: random.Random | None = None,
    left: Callable[[], float] = lambda: ANSWER_SECONDS,
    most_seconds: float = math.inf,
) -> list[PairResult]:
    """Runs one pair of fresh processes and gives its results.

    Args:
        base: What runs as base.
        candidate: What runs as candidate.
        comparison: Marks the results.
        injections: What to inject into the candidate, one after another in random order, a result each. Without any
            nothing is prepared for it, and there is one result.
        load: Name of a load that runs beside on purpose.
        draw: Chooses orders at random.
        left: Gives the seconds that are left; when there are none, it ends.
        most_seconds: After so many there are no further blocks than a few: steps of seconds would take minutes.

    Returns:
        The results; a single one with status `error` if a process died.
    """
    draw = draw or random.Random()
    started, start = datetime.now(UTC).isoformat(timespec="milliseconds"), perf_counter()
    common: dict[str, Any] = {
        **VariantPair(base, candidate).heading(comparison, started),
        "load": load,
        "data": process.described(Job(cell=base.cell, source=base.source, classes=base.classes)),
    }
    with process.scratch() as folder:
        workers = _start(base, candidate, injectable=bool(injections), folder=folder, draw=draw, left=left)
        try:
            for worker in workers:
                worker.answer()
            calls = [_block_calls(worker) for worker in workers]
            results = []
            for injection in draw.sample(injections, len(injections)) or [inject.NONE]:
                if injections:
                    _inject(workers, injection)
                timings = _blocks(workers, calls, draw, most_seconds)
                end = perf_counter()
                results.append(PairResult(**common, **timings, injection=vars(injection), seconds=end - start))
                start = end
            return results
        except process.Died as error:
            return [PairResult(**common, status="error", reason=str(error), seconds=perf_counter() - start)]
        finally:
            for worker in workers:
                worker.process.end()


def _start(base: Variant, candidate: Variant, *, folder: Path, draw: random.Random, **how: Any) -> list[PairWorker]:
    """Starts both, in random order; gives base and candidate."""
    workers = {}
    for name in draw.sample(("base", "candidate"), 2):
        (folder / name).mkdir()
        variant = base if name == "base" else candidate
        workers[name] = PairWorker(variant, folder=folder / name, padding=process.padding(draw), **how)
    return [workers["base"], workers["candidate"]]


def _inject(workers: list[PairWorker], injection: Injection) -> None:
    """Injects into the candidate. The base goes the same way and takes it out again.

    For an injection is measured first: a pipeline that has drawn for seconds more than the other is tuned better.
    """
    for worker in workers:
        worker.do("inject", injection=vars(injection))
    workers[0].do("inject", injection=vars(inject.NONE))


def _block_calls(worker: PairWorker) -> int:
    """How many calls of a step make a block, the nearest number of whole bursts; the first long block is thrown away.

    A pipeline alone always waits for its bursts; steps of a model that are long beside a burst need not.
    """
    pace = worker.do("calibrate")
    calls = max(1, round(BLOCK_SECONDS / pace["call_seconds"]))
    calls = round(calls / pace["burst"]) * pace["burst"] or (pace["burst"] if pace["alone"] else calls)
    worker.do("sample", calls=FIRST_BLOCKS * calls)
    return calls


def _blocks(
    workers: list[PairWorker], calls: list[int], draw: random.Random, most_seconds: float = math.inf
) -> dict[str, Any]:
    """Times blocks in the order ABBA or BAAB, whichever a coin says; a drift hits both alike."""
    load, begun = ForeignLoad(*(worker.process.pid for worker in workers)), perf_counter()
    order = ""
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    while len(order) < 2 * (BLOCKS if perf_counter() - begun < most_seconds else LEAST_BLOCKS):
        turns = draw.choice(("ABBA", "BAAB"))
        for letter in turns:
            number = "AB".index(letter)
            samples[number].append(Sample(*workers[number].do("sample", calls=calls[number])["sample"]))
        order += turns
    return {
        "order": order,
        "base_samples": tuple(samples[0]),
        "candidate_samples": tuple(samples[1]),
        "foreign_cpu_share": load.share(),
    }
