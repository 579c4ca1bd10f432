"""What a step loses when a pipeline feeds it, and how long of that it waits for a batch."""

from functools import partial
from statistics import fmean, median

from bench import suite
from bench.results.cell import Cell
from bench.run import shared_cells


class Stall(suite.Suite):
    """Steps of 8 images in float32, fed; the same step alone is that of `step.Step`, measured once for both."""

    params = [
        ["dense", "convnet_gap", "squeezenet", "mobilenetv2"],
        ["photos_one_by_one", "records_parallel", "records_cached"],
        ["cpu", "gpu", "tpu"],
    ]
    param_names = ["model", "pipeline", "device"]

    def cell(self, model: str, pipeline: str, device: str) -> Cell:
        """The step, fed."""
        return Cell(model=model, pipeline=pipeline, batch_size=8, device=device, **suite.backend_fields())

    @suite.series("Step time, fed by a pipeline")
    def track_fed_step_seconds(self, *params: str) -> suite.Sample:
        """Median seconds a step."""
        seconds = self.measurement("track_fed_step_seconds", *params).step_seconds
        return suite.sample(median(seconds) if seconds else None)

    @suite.series("Input wait of a step")
    def track_input_wait_seconds(self, *params: str) -> suite.Sample:
        """Mean seconds that a step waits in `next()` for its batch."""
        waits = self.measurement("track_input_wait_seconds", *params).step_wait_seconds
        return suite.sample(fmean(waits) if waits else None)

    @suite.series("Stall: what a step loses when it is fed")
    def track_stall_seconds(self, model: str, pipeline: str, device: str) -> suite.Sample:
        """Seconds by which a fed step is longer than the same step alone, both of one round; below 0 by noise alone."""
        fed_cell, cells = self.cell(model, pipeline, device), shared_cells.of(suite.asv_process())
        alone_cell = Cell(model=model, batch_size=8, device=device, **suite.backend_fields())
        turn = cells.turn(fed_cell, "Stall.track_stall_seconds")
        fed, alone = (
            suite.check(cells.measurement(cell, turn, partial(suite.measure_beside, cell)))
            for cell in (fed_cell, alone_cell)
        )
        if not (fed.step_seconds and alone.step_seconds):
            return suite.sample(None)
        return suite.sample(median(fed.step_seconds) - median(alone.step_seconds))
