"""How long each input pipeline takes for an image and for its first batch, alone on the machine, and in what memory."""

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

    @suite.series("Input pipeline: time an image")
    def track_image_seconds(self, pipeline: str) -> suite.Sample:
        """Median seconds an image."""
        rate = self.measurement("track_image_seconds", pipeline).images_per_second
        return suite.sample(rate and 1 / rate)

    @suite.series("Input pipeline: first batch")
    def track_first_batch_seconds(self, pipeline: str) -> suite.Sample:
        """Seconds from a pipeline that has been built to its first batch."""
        return suite.sample(self.measurement("track_first_batch_seconds", pipeline).first_step_seconds)

    @suite.series("Input pipeline: peak memory", unit="bytes")
    def track_host_peak_bytes(self, pipeline: str) -> suite.Sample:
        """Most memory that the process held, with its decode workers; some 700 MB of it the framework's own."""
        return suite.sample(self.measurement("track_host_peak_bytes", pipeline).peak_bytes)
