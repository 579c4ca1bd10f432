"""The older series of training steps, from the same processes as `step`: benchmark names hold history."""

from statistics import median

from bench import suite
from bench.results.cell import Cell


class StepTime(suite.Suite):
    """Seconds a step; device and precision are those of asv's environment, if not a CPU and float32."""

    params = [["dense", "convnet_gap", "squeezenet", "mobilenetv2"], [8, 32]]
    param_names = ["model", "batch_size"]

    def cell(self, model: str, batch_size: int) -> Cell:
        """The step alone."""
        return Cell(model=model, batch_size=batch_size, **suite.axes())

    @suite.series("Training step (the older series)")
    def track_step_seconds(self, model: str, batch_size: int) -> suite.Sample:
        """Median seconds a step."""
        seconds = self.measurement("track_step_seconds", model, batch_size).step_seconds
        return suite.sample(median(seconds) if seconds else None)
