"""A step of each architecture on a batch that stays on the device: its time, its compilation, its memory."""

from statistics import median

from bench import suite
from bench.results.cell import Cell

# Literal, as all parameters of asv are: they must not depend on the measured commit.
IMAGE_SIZES = {"squeezenet_331": 331, "xception": 331}
HEAVY = ("convnet_unpooled", "squeezenet_331", "xception")  # no pooling, or 331 px
LARGEST_ON_CPU = 8  # of those: beyond it a step takes many seconds and 7 GB


class Step(suite.Suite):
    """One process a cell gives all four figures; what is absent or makes no sense is n/a at once."""

    params = [
        [
            "dense_single",
            "dense",
            "convnet",
            "convnet_unpooled",
            "convnet_gap",
            "convnet_gap_dense",
            "squeezenet",
            "squeezenet_small",
            "squeezenet_331",
            "mobilenetv2",
            "xception",
            "vgg16",
            "resnet50",
            "mobilenet",
        ],
        [8, 32, 128],
        ["float32", "mixed_bfloat16", "mixed_float16"],
        ["cpu", "gpu", "tpu"],
        ["train", "predict"],
    ]
    param_names = ["model", "batch_size", "precision", "device", "mode"]

    def cell(self, model: str, batch_size: int, precision: str, device: str, mode: str) -> Cell:
        """The step alone."""
        return Cell(
            model=model,
            batch_size=batch_size,
            image_size=IMAGE_SIZES.get(model, 192),
            precision=precision,
            device=device,
            mode=mode,
            **suite.backend_fields(),
        )

    def setup(self, *params: str | int) -> None:
        """Says n/a at once where the device, the precision or so large a batch makes no sense here."""
        model, batch_size, _, device, _ = params
        if device == "cpu" and model in HEAVY and int(batch_size) > LARGEST_ON_CPU:
            raise NotImplementedError(
                f"{model} on a CPU: batches of up to {LARGEST_ON_CPU}; larger take many seconds a step"
            )
        super().setup(*params)

    @suite.series("Step time")
    def track_step_seconds(self, *params: str | int) -> suite.Sample:
        """Median seconds a step."""
        seconds = self.measurement("track_step_seconds", *params).step_seconds
        return suite.sample(median(seconds) if seconds else None)

    @suite.series("Compile time: building and first step")
    def track_compile_seconds(self, *params: str | int) -> suite.Sample:
        """Seconds until the first step has ended, the model's building included: what compiles."""
        done = self.measurement("track_compile_seconds", *params)
        return suite.sample(done.first_step_seconds and done.first_step_seconds + (done.build_seconds or 0))

    @suite.series("Peak memory, host", unit="bytes")
    def track_host_peak_bytes(self, *params: str | int) -> suite.Sample:
        """Most memory that the process held, some 700 MB of it the framework's own."""
        return suite.sample(self.measurement("track_host_peak_bytes", *params).peak_bytes)

    @suite.series("Peak memory, device", unit="bytes")
    def track_device_peak_bytes(self, *params: str | int) -> suite.Sample:
        """Most memory that it held on an accelerator; n/a on a CPU."""
        if "cpu" in params:
            raise NotImplementedError("a CPU has no memory of its own: see Peak memory, host")
        return suite.sample(self.measurement("track_device_peak_bytes", *params).device_peak_bytes)
