"""A background load on purpose: another user of the machine, who takes a stated share of one core in bursts."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.run import process

BURST_SECONDS = 0.2  # mean length of a burst and, for half a core, of a pause: what guests of a shared machine do

CODE = """
import random, sys, time
share, burst, draw = float(sys.argv[1]), float(sys.argv[2]), random.Random(0)
while True:
    end = time.perf_counter() + draw.expovariate(1 / burst)
    while time.perf_counter() < end:
        sum(range(1000))
    time.sleep(draw.expovariate(share / (1 - share) / burst))
"""


@contextmanager
def load(share: float) -> Iterator[None]:
    """Takes `share` of one core while the block runs; 0 is no load."""
    if not share:
        yield
        return
    command = [sys.executable, "-c", CODE, str(share), str(BURST_SECONDS)]
    with (
        process.scratch() as folder,
        process.ChildProcess(command, folder, name="The background load", env=os.environ, answers=False),
    ):
        yield
