"""A pair of fresh processes, base and candidate, that take turns on one machine: one unit of a verdict.

What disturbs the machine for seconds disturbs both; what differs from process to process (where memory lies, how
threads fall) is drawn anew with each pair. So units are independent, which steps of one process never are.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from bench.compare import inject
from bench.compare.pair_result import PairResult, Sample
from bench.compare.variant import Variant, VariantPair
from bench.machine import facts
from bench.run import process

TURNS = 16  # of each process: most of the noise is between turns, most of the time goes into starting
TURN_SECONDS = 0.2
LONG_TURNS = 3  # the untimed first turn, so many times as long
ANSWER_SECONDS = 300.0


class Worker:
    """The parent's end of one process of a pair."""

    def __init__(self, side: Variant, *, planted: bool, folder: Path):
        env = {**process.environment(side.cell, path=side.path), **side.environment}
        command = [side.python, "-P", "-m", "bench.compare.pair_worker"]
        self.process = process.ChildProcess(command, folder, name=side.name, env=env)
        job = {"cell": side.cell.to_json(), "source": asdict(side.source), "classes": side.classes}
        self.process.tell({**job, "planted": planted})

    def answer(self) -> dict:
        """Its next answer; it is held still then.

        Raises:
            Died: If it ends, says that it cannot, or is silent for too long.
        """
        answer = self.process.answer(timeout=ANSWER_SECONDS)
        if "error" in answer:
            raise process.Died(self.process.name, "error", answer["error"])
        self.process.hold()
        return answer

    def do(self, order: str, **details) -> dict:
        """Lets it go on, gives an order, and holds it still when it has answered."""
        self.process.release()
        self.process.tell({"do": order, **details})
        return self.answer()


def record(
    base: Variant,
    candidate: Variant,
    *,
    comparison: str = "",
    injections: Sequence[inject.Injection] = (),
    load: str = "",
    draw: random.Random | None = None,
) -> list[PairResult]:
    """Runs one pair of fresh processes and gives what it says.

    Args:
        base: What runs as base.
        candidate: What runs as candidate.
        comparison: Marks the units.
        injections: What to inject into the candidate, one after another in random order, a unit each. Nothing is
            prepared for it if there are none, and one unit is given.
        load: Name of a load that runs beside on purpose.
        draw: Chooses orders at random.

    Returns:
        The units; a single one with status `error` if a process died.
    """
    draw = draw or random.Random()
    begun, start = datetime.now(UTC).isoformat(timespec="milliseconds"), perf_counter()
    common = {
        "comparison": comparison,
        "pair": begun,
        "cell": VariantPair(base, candidate).cell,
        "base": base.facts(),
        "candidate": candidate.facts(),
        "load": load,
        "machine": facts.fingerprint(),
    }
    with process.scratch() as folder:
        workers = _start(base, candidate, planted=bool(injections), folder=folder, draw=draw)
        try:
            for worker in workers:
                worker.answer()
            steps = [_steps(worker) for worker in workers]
            units = []
            for planted in draw.sample(injections, len(injections)) or [inject.NONE]:
                begun_unit = perf_counter()
                if injections:
                    _inject(workers, planted)
                taken = _turns(workers, steps, draw)
                seconds = perf_counter() - (begun_unit if units else start)
                units.append(PairResult(**common, **taken, injection=vars(planted), started=begun, seconds=seconds))
            return units
        except process.Died as died:
            return [
                PairResult(**common, status="error", reason=str(died), started=begun, seconds=perf_counter() - start)
            ]
        finally:
            for worker in workers:
                worker.process.end()


def _start(base: Variant, candidate: Variant, *, planted: bool, folder: Path, draw: random.Random) -> list[Worker]:
    """Starts both, in random order; gives base and candidate."""
    workers: list[Worker | None] = [None, None]
    sides = (base, candidate)
    for number in draw.sample((0, 1), 2):
        room = folder / str(number)
        room.mkdir()
        workers[number] = Worker(sides[number], planted=planted, folder=room)
    return workers


def _inject(workers: list[Worker], planted: inject.Injection) -> None:
    """Plants into the candidate. The base goes the same way and takes it out again.

    For to plant is to measure: a pipeline that has drawn for seconds more than the other is tuned better.
    """
    for worker in workers:
        worker.do("inject", injection=vars(planted))
    workers[0].do("inject", injection=vars(inject.NONE))


def _steps(worker: Worker) -> int:
    """How many steps make a turn, the nearest number of whole bursts; the first long turn is thrown away.

    A pipeline alone always waits for its bursts; steps of a model that are long beside a burst need not.
    """
    told = worker.do("calibrate")
    steps = max(1, round(TURN_SECONDS / told["step_seconds"]))
    steps = round(steps / told["burst"]) * told["burst"] or (told["burst"] if told["alone"] else steps)
    worker.do("sample", steps=LONG_TURNS * steps)
    return steps


def _turns(workers: list[Worker], steps: list[int], draw: random.Random) -> dict:
    """Turns in blocks of ABBA or BAAB, whichever a coin says; a drift hits both alike."""
    load = facts.ForeignLoad(*(worker.process.pid for worker in workers))
    order = "".join(draw.choice(("ABBA", "BAAB")) for _ in range(TURNS // 2))
    samples: tuple[list[Sample], list[Sample]] = ([], [])
    for turn in order:
        number = "AB".index(turn)
        samples[number].append(Sample(*workers[number].do("sample", steps=steps[number])["sample"]))
    return {
        "order": order,
        "base_samples": tuple(samples[0]),
        "candidate_samples": tuple(samples[1]),
        "foreign_cpu_share": load.share(),
    }
