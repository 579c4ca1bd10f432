"""The older series of fed steps, from the same processes as `stall`: benchmark names hold history."""

from statistics import median

from bench import suite
from bench.results.cell import Cell


class Feed(suite.Suite):
    """Seconds a step of a fed model; device and precision are those of asv's environment."""

    params = [["dense", "mobilenetv2"], ["photos_one_by_one", "records_parallel"]]
    param_names = ["model", "pipeline"]

    def cell(self, model: str, pipeline: str) -> Cell:
        """The step, fed."""
        return Cell(model=model, pipeline=pipeline, batch_size=8, **suite.axes())

    @suite.series("Fed training step (the older series)")
    def track_fed_step_seconds(self, model: str, pipeline: str) -> suite.Sample:
        """Median seconds a step."""
        seconds = self.measurement("track_fed_step_seconds", model, pipeline).step_seconds
        return suite.sample(median(seconds) if seconds else None)
