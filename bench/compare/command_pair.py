"""Runs two commands in turns, each time from start to end as a fresh process: one observation of the test."""

import json
import math
import os
import random
import shlex
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import perf_counter

from bench.compare.pair_result import PairResult, Sample
from bench.compare.variant import Command, Metric, VariantPair
from bench.machine import instructions
from bench.machine.cpu_time import ForeignLoad
from bench.run import process
from flowers_core.errors import InputError

PAIR_SECONDS = 2.0  # that the runs of one command in a pair take together, unless a single run takes longer
MOST_RUNS = 16  # of a command in a pair
TIMEOUT_SECONDS = 600.0  # of one run
LEAST_SECONDS = 1e-6  # a clock that shows less shows nothing

Run = Callable[[Command], Sample]


class Recorder:
    """Records pairs of two commands, `pair.record` for commands; knows how long a run takes."""

    def __init__(self, base: Command, candidate: Command, *, draw: random.Random | None = None):
        """Runs each once: caches are warm then, and what cannot be compared is said before anything is measured.

        Raises:
            InputError: If a command has no words, fails, or prints no such figure.
        """
        self._draw = draw or random.Random()
        try:
            seconds = [self._try(command) for command in (base, candidate)]
        except process.Died as error:
            raise InputError(f"{error}. Both commands must end with exit code 0") from error
        # An even number, so that each order, ABBA and BAAB, is whole.
        self._runs = 2 * max(1, min(MOST_RUNS, round(PAIR_SECONDS / max(seconds))) // 2)

    def _try(self, command: Command) -> float:
        start = perf_counter()
        self._run(command)
        return perf_counter() - start

    def record(self, base: Command, candidate: Command, *, comparison: str = "") -> list[PairResult]:
        """Runs one pair: each command some times, in the order ABBA or BAAB, whichever a coin says.

        Returns:
            One result, with status `error` if a run failed.
        """
        started, start = datetime.now(UTC).isoformat(timespec="milliseconds"), perf_counter()
        common = VariantPair(base, candidate).heading(comparison, started)
        order = "".join(self._draw.choice(("ABBA", "BAAB")) for _ in range(self._runs // 2))
        samples: tuple[list[Sample], list[Sample]] = ([], [])
        load = ForeignLoad()
        try:
            for letter in order:
                number = "AB".index(letter)
                samples[number].append(self._run((base, candidate)[number]))
        except process.Died as error:
            return [PairResult(**common, status="error", reason=str(error), seconds=perf_counter() - start)]
        share = load.share(beside=sum(sample.cpu_seconds for sample in (*samples[0], *samples[1])))
        return [
            PairResult(
                **common,
                order=order,
                base_samples=tuple(samples[0]),
                candidate_samples=tuple(samples[1]),
                seconds=perf_counter() - start,
                foreign_cpu_share=share,
            )
        ]

    def _run(self, command: Command) -> Sample:
        """Runs a command once, after what prepares it.

        Raises:
            process.Died: If either fails, or the command prints no such figure.
        """
        environment = {**os.environ, **process.padding(self._draw)}
        if command.prepare:
            process.run_to_end(words(command.prepare), env=environment, timeout=TIMEOUT_SECONDS)
        with instructions.of_children() as counted:
            finished = process.run_to_end(words(command.line), env=environment, timeout=TIMEOUT_SECONDS)
        cost = finished.wall_seconds
        if command.metric:
            cost = command.metric.cost(figure(command, command.metric, finished.printed))
        return Sample(1, cost, max(finished.cpu_seconds, LEAST_SECONDS), 0.0, sum(counted))


def words(line: str) -> Sequence[str]:
    """The words of a command line, as a shell would split it.

    Raises:
        InputError: If there are none, or a quotation does not end.
    """
    try:
        split = shlex.split(line)
    except ValueError as error:
        raise InputError(f"`--command` must be words as in a shell. Received: {line!r} ({error})") from error
    if not split:
        raise InputError("`--command` must name a program. Received an empty line")
    return split


def figure(command: Command, metric: Metric, printed: bytes) -> float:
    """The figure in the last JSON line that has it.

    Raises:
        process.Died: If no line has it, or it is no positive number.
    """
    for line in reversed(printed.decode(errors="replace").splitlines()):
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and metric.name in values:
            number = values[metric.name]
            if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < math.inf:
                return float(number)
            raise process.Died(
                command.name, "error", f"{metric.name!r} must be a positive number. Received: {number!r}"
            )
    raise process.Died(
        command.name, "error", f'it printed no JSON line with {metric.name!r}, e.g. {{"{metric.name}": 1.5}}'
    )
