"""How long a training step of each architecture takes on a batch that is resident on the device."""

from statistics import median

from bench import suite
from bench.results.cell import Cell


class StepTime(suite.Suite):
    """Seconds a step; precision and backend are axes of asv's environments."""

    params = [["dense", "convnet_gap", "squeezenet", "mobilenetv2"], [8, 32]]
    param_names = ["model", "batch_size"]

    def cell(self, model: str, batch_size: int) -> Cell:
        """The step alone."""
        return Cell(model=model, batch_size=batch_size, **suite.axes())

    @suite.series
    def track_step_seconds(self, model: str, batch_size: int) -> suite.Sample:
        """Median seconds a step."""
        seconds = self.measured(model, batch_size).step_seconds
        return suite.sample(median(seconds) if seconds else None)
