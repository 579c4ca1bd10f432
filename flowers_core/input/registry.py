"""The input pipelines by name: what each reads, what it yields, and which function builds it."""

from dataclasses import dataclass

MOST_AT_ONCE = 16
"""Batches that a decode worker makes at once at most: its consumer gets them in bursts."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """An input pipeline.

    Attributes:
        build: Its function as `module:function`, imported only when the pipeline is built: names load no framework.
        arrays: The function that yields the same as NumPy arrays, without TensorFlow; empty where there is none.
        reads: `photos` or `records`.
        dtype: Of its images: `float32` in [0, 1], or `uint8`, a quarter of the bytes, which the device scales.
        cached: Whether it keeps what it has decoded: its first epoch fills a cache, and only later ones show its speed.
        serial: Whether it works on one image after another, so that more cores make it no faster.
        by_processes: Whether decode workers, processes of their own, make every batch from files on this host.
        decoder: `tensorflow`, or `libjpeg-turbo`, which Python calls.
        feeds_models: Whether the profile `full` feeds models by it: the slowest, the usual and the fastest do.
        at_once_bytes: Pixels that a decode worker makes at once, several batches if they are small, for handing over
            costs TensorFlow 1 ms each time. Fewer of photos: their size is unknown in advance, and large ones take
            seconds.
    """

    build: str
    reads: str
    arrays: str = ""
    dtype: str = "float32"
    cached: bool = False
    serial: bool = False
    by_processes: bool = False
    decoder: str = "tensorflow"
    feeds_models: bool = False
    at_once_bytes: int = 0

    @property
    def distributable(self) -> bool:
        """Whether a tf.data service can run it on other hosts: they cannot be sent functions of Python."""
        return self.decoder == "tensorflow"

    def batches_at_once(self, *, image_size: int, batch_size: int) -> int:
        """How many batches a decode worker makes at once; timing fewer in a row would time bursts and gaps.

        Args:
            image_size: Side of the images in pixels.
            batch_size: Images a batch.
        """
        return max(1, min(MOST_AT_ONCE, self.at_once_bytes // (batch_size * image_size * image_size * 3)))


_TURBO = {"dtype": "uint8", "decoder": "libjpeg-turbo"}

PIPELINES = {
    "photos_one_by_one": Pipeline(
        build="flowers_core.input.pipelines:photos_one_by_one", reads="photos", serial=True, feeds_models=True
    ),
    "photos_parallel": Pipeline(build="flowers_core.input.pipelines:photos_parallel", reads="photos"),
    "photos_turbo": Pipeline(
        build="flowers_core.input.pipelines:photos_turbo",
        arrays="flowers_core.input.array_batches:photos_turbo",
        reads="photos",
        by_processes=True,
        at_once_bytes=8 * 2**20,
        **_TURBO,
    ),
    "records_sequential": Pipeline(
        build="flowers_core.input.pipelines:records_sequential", reads="records", serial=True
    ),
    "records_parallel": Pipeline(
        build="flowers_core.input.pipelines:records_parallel", reads="records", feeds_models=True
    ),
    "records_uint8": Pipeline(build="flowers_core.input.pipelines:records_uint8", reads="records", dtype="uint8"),
    "records_turbo": Pipeline(
        build="flowers_core.input.pipelines:records_turbo",
        arrays="flowers_core.input.array_batches:records_turbo",
        reads="records",
        by_processes=True,
        at_once_bytes=16 * 2**20,
        **_TURBO,
    ),
    "records_cached": Pipeline(
        build="flowers_core.input.pipelines:records_cached",
        reads="records",
        dtype="uint8",
        cached=True,
        feeds_models=True,
    ),
    "records_batches_cached": Pipeline(
        build="flowers_core.input.pipelines:records_batches_cached",
        arrays="flowers_core.input.array_batches:records_batches_cached",
        reads="records",
        cached=True,
        **_TURBO,
    ),
}
