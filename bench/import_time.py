"""How long the package takes to import, framework included: what every process pays before its first image."""

import os
import subprocess
import sys

from bench import suite
from bench.run import product

# Of each parameter, by which asv keeps its history, where that module lies today and where it lay before.
PLACES = {
    "flowers_core.cli": ("flowers_core.cli.main", "flowers_core.cli"),
    "flowers_core.records": ("flowers_core.data.tfrecords", "flowers_core.records"),
    "flowers_core.step": ("flowers_core.backends.tensorflow", "flowers_core.backends.step", "flowers_core.step"),
}


class ImportTime:
    """Seconds to import a module in a fresh interpreter."""

    timeout = 120
    version = suite.VERSION
    params = [["flowers_core.cli", "flowers_core.records", "flowers_core.step"]]
    param_names = ["module"]

    def setup(self, module: str) -> None:
        """Refuses what would be filed wrongly, and says n/a where it lacks the module."""
        suite.refuse_false_names()
        try:
            product.find_module(*PLACES[module])
        except product.Unsuitable as missing:
            raise NotImplementedError(missing) from missing

    @suite.series("Import time")
    def track_import_seconds(self, module: str) -> suite.Sample:
        """Wall seconds of one import statement; the files are in the page cache from the first of two."""
        place = product.find_module(*PLACES[module])
        code = f"from time import perf_counter as now; start = now(); import {place}; print('\\n', now() - start)"
        # Kept from writing what it compiles, Python would compile TensorFlow anew each time: 10 s, not 3.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
            )
        return suite.sample(float(done.stdout.split()[-1]))
