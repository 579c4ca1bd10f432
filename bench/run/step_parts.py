"""Times a training step beside programs that stop earlier, in turn, so that what lies between them is its parts.

A program does the forward pass, another goes on to the gradients, the third is the whole step: backward is the
difference of the first two, optimizer that of the last two. So the three parts add up to the step.
Where a compiler fuses or overlaps them, a difference is what adding the part costs, and may be below 0.

Why not put clocks between forward and backward? A step is one compiled program: there is no place in it to read one,
and a program cut in two is another program.
"""

import random
from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

from bench.results import parts
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import PROGRAMS
from bench.run import timing

LEAST_ROUNDS = 6  # for an interval of the median
TIMES_EFFORT = 3  # a round runs all three programs
COLD_SECONDS = 0.1  # a call that is shorter feels what ran before it: one is thrown away first


def why_whole(cell: Cell) -> str:
    """Why the step of a cell is not timed in parts; empty where it is."""
    if cell.model == NO_MODEL or cell.mode != "train":
        return "forward, backward and optimizer are those of a training step"
    if cell.pipeline != RESIDENT:
        return f"parts are timed on a resident batch: a fed step (`{cell.pipeline}`) waits in all of them"
    return "parts are those of a single step" if cell.steps_per_execution > 1 else ""


def measure(
    programs: Mapping[str, Callable[[], object]],
    effort: timing.Effort,
    *,
    draw: random.Random | None = None,
    wall: Callable[[], float] = perf_counter,
) -> dict:
    """Times the programs of a step in rounds, each once a round in random order: a drift of the machine hits all alike.

    Args:
        programs: By `PROGRAMS`; each has done its work when it returns, and the step is warm.
        effort: The rounds last as long as three measurements of a step.
        draw: Chooses the order.
        wall: Clock for seconds.

    Returns:
        `Measurement.detail`: the median seconds of each part, the parts below the noise, and all rounds.
    """
    draw = draw or random.Random()
    for name, program in programs.items():
        if name != "step":
            program()
            timing.warm_up(program, effort, wall=wall)
    rounds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    began = wall()
    while len(rounds["step"]) < LEAST_ROUNDS or (
        len(rounds["step"]) < timing.MOST_STEPS and wall() - began < TIMES_EFFORT * effort.seconds
    ):
        for name in draw.sample(PROGRAMS, len(PROGRAMS)):
            rounds[name].append(_seconds(programs[name], rounds[name], wall))
    split = parts.split([rounds])
    return {
        **{f"{part.name}_seconds": part.seconds for part in split},
        "below_noise": [part.name for part in split if part.below_noise],
        "rounds": rounds,
    }


def _seconds(program: Callable[[], object], before: list[float], wall: Callable[[], float]) -> float:
    """What a call of a program takes; of a short one the second in a row."""
    if not before or median(before) < COLD_SECONDS:
        program()
    start = wall()
    program()
    return wall() - start
