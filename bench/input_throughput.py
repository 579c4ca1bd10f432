"""How long each input pipeline takes for an image, when nothing else uses the machine."""

from bench import suite
from bench.results.cell import NO_MODEL, Cell
from flowers_core.input.registry import PIPELINES


class InputThroughput(suite.Suite):
    """Seconds an image, 192 px, in batches of 32."""

    params = [list(PIPELINES)]
    param_names = ["pipeline"]

    def cell(self, pipeline):
        """The pipeline alone."""
        return Cell(model=NO_MODEL, pipeline=pipeline)

    @suite.series
    def track_image_seconds(self, pipeline):
        """Median seconds an image."""
        rate = self.measured(pipeline).images_per_second
        return suite.sample(rate and 1 / rate)
