"""How long an image takes from an object store of stated latency: one photo after the other, and records in parallel.

TensorFlow's client reads its environment when it is loaded, so that the reading process is a child of asv's, which
serves the store meanwhile.
"""

from dataclasses import replace

from bench import suite
from bench.input.object_store import measure
from bench.input.object_store.network import Conditions
from bench.results.cell import Cell
from bench.run import data_source


class StoreThroughput(suite.Suite):
    """Seconds an image, 192 px."""

    params = [["photos_one_by_one", "records_parallel"], [5, 30, 100]]
    param_names = ["pipeline", "latency_milliseconds"]

    def cell(self, pipeline: str, latency_milliseconds: int) -> Cell:  # noqa: ARG002 - the store's, not the cell's
        """The pipeline alone."""
        return measure.cell_of(pipeline)

    @suite.series("Object store: time an image")
    def track_image_seconds(self, pipeline: str, latency_milliseconds: int) -> suite.Sample:
        """Median seconds an image."""
        from bench.results import store

        source = data_source.find()
        conditions = Conditions(latency_seconds=latency_milliseconds / 1000)
        with measure.open_store(source, conditions) as opened:
            done = measure.read(self.cell(pipeline, latency_milliseconds), source, store=opened, effort=suite.EFFORT)
        store.append(replace(done, measurement=suite.mark(done.measurement)))
        if done.measurement.status not in ("ok", "n/a"):
            raise RuntimeError(f"{done.measurement.status}: {done.measurement.reason}")
        rate = done.measurement.images_per_second
        return suite.sample(rate and 1 / rate)
