"""Made-up results of reading over a service."""

import pytest

from bench.input.data_service.reader import Task
from bench.input.data_service.result import DataServiceResult

MACHINE = {"id": "0123456789ab", "host": "lab", "cpu": "Test CPU", "usable_cores": 2, "memory_bytes": 2**33}


@pytest.fixture
def served():
    """Makes a result: `served(rate=100, workers=1, cpu=2.0)`, or of an epoch `served(images=20, missing=1)`."""

    def make(*, rate=None, cpu=1.0, pipeline="records_uint8", sharding="dynamic", task=None, **fields):
        task = task or Task(pipeline=pipeline, sharding=sharding, seconds=1.0 if rate else 0.0)
        timed = {"images_per_step": rate, "step_seconds": (1.0, 1.0), "images": 100, "cpu_seconds": {"reader": cpu}}
        values = {"campaign": "c", "workers": 0, "status": "ok", "seconds": 2.0, "started": "2026-11-25T12:00:00+00:00"}
        values |= {"data": {"photos": "synthetic", "images": 20, "classes": 5}, "machine": MACHINE}
        return DataServiceResult(task=task, **{**values, **(timed if rate else {}), **fields})

    return make
