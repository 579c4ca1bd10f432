"""A trio of measurements: a pipeline alone, a step alone, both together."""

from dataclasses import replace

import pytest

from bench.input.stall import three_runs
from bench.results.cell import Cell

FED = Cell(model="dense", pipeline="records_parallel", batch_size=8)


@pytest.fixture
def three(measured):
    """Makes the measurements of one round: `three(pipeline=0.01, step=0.1, both=0.11, wait=0.005)`, seconds a batch."""

    def make(*, pipeline=0.01, step=0.1, both=0.1, wait=0.0, cpu=None, round=0, fed=FED, sweep="s", **fields):
        cells = (*three_runs.alone(fed), fed)
        made = [
            measured(seconds=(seconds,) * 3, round=round, sweep=sweep, **fields, **cell.to_json())
            for cell, seconds in zip(cells, (pipeline, step, both), strict=True)
        ]
        made[2] = replace(made[2], step_wait_seconds=(wait,) * 3 if wait is not None else ())
        if cpu is not None:
            made[2] = replace(made[2], step_cpu_seconds=(cpu,) * 3)
        data = {"photos": "synthetic", "images": 300, "classes": 5}
        return [replace(made[0], data=data), made[1], replace(made[2], data=data)]

    return make
