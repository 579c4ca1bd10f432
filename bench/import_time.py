"""How long the product takes to import, framework included: what every process pays before its first image."""

import subprocess
import sys

from bench import suite


class ImportTime:
    """Seconds to import a room in a fresh interpreter."""

    timeout = 120
    version = suite.VERSION
    params = [["flowers_core.cli", "flowers_core.data.tfrecords", "flowers_core.backends.tensorflow"]]
    param_names = ["room"]

    def setup(self, room):  # noqa: ARG002 - asv hands over the parameters
        """Refuses to file uncommitted changes under a commit."""
        suite.refuse_uncommitted()

    @suite.series
    def track_import_seconds(self, room):
        """Wall seconds of one import statement; the files are in the page cache from the first of two."""
        code = f"from time import perf_counter as now; start = now(); import {room}; print('\\n', now() - start)"
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return suite.sample(float(done.stdout.split()[-1]))
