"""How long each input pipeline takes for an image, when nothing else uses the machine."""

from bench import suite
from bench.lab.cell import NO_MODEL, Cell
from flowers_core import pipelines


class InputThroughput(suite.Suite):
    """Microseconds an image, 192 px, in batches of 32."""

    params = [list(pipelines.NAMES)]
    param_names = ["pipeline"]

    def cell(self, pipeline):
        """The pipeline alone."""
        return Cell(model=NO_MODEL, pipeline=pipeline)

    @suite.series("µs")
    def track_us_per_image(self, pipeline):
        """Median microseconds an image."""
        rate = self.measured(pipeline).images_per_second
        return suite.sample(rate and 1e6 / rate)
