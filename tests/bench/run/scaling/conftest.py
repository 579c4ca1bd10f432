"""Members of a group that load no framework: scripts that answer as `member` does."""

import sys

import pytest

from bench.results.cell import Cell
from bench.run.scaling import processes
from bench.run.scaling.campaign import Plan
from bench.run.scaling.processes import Limits
from bench.run.timing import Effort

SCRIPT = """
import json, os, signal, sys, time
out = open(int(sys.argv[1]), "w")
job = json.loads(sys.stdin.readline())
rank, total = job["rank"], len(job["addresses"]) * job["replicas"]
def tell(event, **values):
    out.write(json.dumps({{"event": event, **values}}) + "\\n"); out.flush()
tell("joined")
{body}
if rank: time.sleep(600)
if job["check"]: tell("ended", losses=[1.5, 1.25, 1.0])
else:
    tell("timing")
    tell("ended", device="CPU", first_step_seconds=1.0, warmup_steps=4, steady=True,
         step_seconds=[0.1, 0.1], step_cpu_seconds=[0.2, 0.2])
sys.stdin.read()
"""


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Replaces what a group runs: `members("if rank == 1: sys.exit(3)")` does so in each, when all have joined."""

    def replace(body=""):
        script = tmp_path / "member.py"
        script.write_text(SCRIPT.format(body=body))
        monkeypatch.setattr(processes, "COMMAND", [sys.executable, str(script)])

    return replace


@pytest.fixture
def plan():
    """Makes a plan of one round: `plan(workers=(1, 2))`; other fields as given."""

    def make(**fields):
        cells = (Cell(model="dense", batch_size=4, image_size=16),)
        limits = Limits(timeout_seconds=60, lost_seconds=30)
        return Plan(**{"cells": cells, "rounds": 1, "effort": Effort(seconds=0.1), "limits": limits, **fields})

    return make


KILL_WORKER_1 = "if rank == 1: os.kill(os.getpid(), signal.SIGKILL)\nif total > 1: time.sleep(30)"


@pytest.fixture
def killed(members):
    """Members of which that of rank 1 is killed while the others wait for it."""
    members(KILL_WORKER_1)
