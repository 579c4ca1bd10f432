"""The measurements of three runs: a pipeline alone, a step alone, both together."""

from dataclasses import replace

import pytest

from bench.input.stall import three_runs
from bench.results.cell import Cell

FED = Cell(model="dense", pipeline="records_parallel", batch_size=8)


@pytest.fixture
def three(measured):
    """Makes one round's measurements: `three(pipeline=0.01, step=0.1, both=0.11, wait=0.005)`, seconds per batch."""

    def make(*, pipeline=0.01, step=0.1, both=0.1, wait=0.0, cpu=None, round=0, fed=FED, sweep="s", **fields):
        cells = (*three_runs.parts(fed), fed)
        runs = [
            measured(seconds=(seconds,) * 3, round=round, sweep=sweep, **fields, **cell.to_json())
            for cell, seconds in zip(cells, (pipeline, step, both), strict=True)
        ]
        runs[2] = replace(runs[2], step_wait_seconds=(wait,) * 3 if wait is not None else ())
        if cpu is not None:
            runs[2] = replace(runs[2], step_cpu_seconds=(cpu,) * 3)
        data = {"photos": "synthetic", "images": 300, "classes": 5}
        return [replace(runs[0], data=data), runs[1], replace(runs[2], data=data)]

    return make
