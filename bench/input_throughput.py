"""How long each input pipeline takes for an image, when nothing else uses the machine."""

from bench import suite
from bench.results.cell import NO_MODEL, Cell


class InputThroughput(suite.Suite):
    """Seconds an image, 192 px, in batches of 32."""

    params = [
        [
            "photos_one_by_one",
            "photos_parallel",
            "photos_turbo",
            "records_sequential",
            "records_parallel",
            "records_uint8",
            "records_turbo",
            "records_cached",
            "records_batches_cached",
        ]
    ]
    param_names = ["pipeline"]

    def cell(self, pipeline: str) -> Cell:
        """The pipeline alone."""
        return Cell(model=NO_MODEL, pipeline=pipeline)

    @suite.series
    def track_image_seconds(self, pipeline: str) -> suite.Sample:
        """Median seconds an image."""
        rate = self.measured(pipeline).images_per_second
        return suite.sample(rate and 1 / rate)
