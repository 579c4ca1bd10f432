"""The input pipelines by name: what each reads, what it yields, which function builds it, and what may be chosen."""

from dataclasses import dataclass, fields

from flowers_core.errors import InputError

MOST_AT_ONCE = 16
"""Batches that a decode worker makes at once at most: its consumer gets them in bursts."""

MOST = 1024
"""Of each number of `Options`: a decode worker is a process."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What may be chosen of a pipeline; by default it is as the codelab has it in the end (sections 3 and 5).

    Attributes:
        augment: Whether each image is flipped and its saturation changed at random, after the cache where there is one
            (section 5); the images are float32 then.
        ordered: Whether images come in the order of the files, not as they are ready (section 3).
        parallel_calls: Images decoded at once, or decode workers; None for tf.data's AUTOTUNE, or a worker a core.
        parallel_reads: Shards read at once; None for AUTOTUNE.
        prefetch: Batches made ahead at the end of the pipeline, 0 for none; None for AUTOTUNE. Maps that run in
            parallel work ahead in any case.
    """

    augment: bool = False
    ordered: bool = False
    parallel_calls: int | None = None
    parallel_reads: int | None = None
    prefetch: int | None = None

    def __post_init__(self):
        for name, least in {"parallel_calls": 1, "parallel_reads": 1, "prefetch": 0}.items():
            value = getattr(self, name)
            if value is not None and (type(value) is not int or not least <= value <= MOST):
                raise InputError(
                    f"`{name}` must be a whole number from {least} to {MOST}, or None. Received: {name}={value!r}"
                )

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of those that are not the default."""
        return tuple(option.name for option in fields(self) if getattr(self, option.name) != option.default)


DEFAULT = Options()


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
        options: Which of `Options` it takes; the others mean nothing for it, see `why_not`.
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
    options: tuple[str, ...] = ()

    def why_not(self, option: str) -> str:
        """Why it does not take one of `Options`; empty where it does."""
        if option in self.options:
            return ""
        if self.serial:
            return "it works on one image after another, in order"
        if self.reads == "photos" and option == "parallel_reads":
            return "each photo is a file of its own, read by the call that decodes it"
        if self.cached:
            return "it decodes whole batches once and then only hands them over"
        return "its decode workers make whole batches of uint8, in order"

    def check(self, options: Options) -> None:
        """Checks that it takes what is chosen.

        Raises:
            InputError: If not; the message says why.
        """
        for option in options.chosen:
            if reason := self.why_not(option):
                raise InputError(
                    f"`{option}` must be left out for this pipeline: {reason}. "
                    f"Received: {option}={getattr(options, option)!r}"
                )

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
_BY_PROCESSES = {"by_processes": True, "options": ("parallel_calls", "prefetch"), **_TURBO}
_ALL = tuple(option.name for option in fields(Options))
_OF_PHOTOS = tuple(name for name in _ALL if name != "parallel_reads")

PIPELINES = {
    "photos_one_by_one": Pipeline(
        build="flowers_core.input.pipelines:photos_one_by_one",
        reads="photos",
        serial=True,
        feeds_models=True,
        options=("augment",),
    ),
    "photos_parallel": Pipeline(
        build="flowers_core.input.pipelines:photos_parallel", reads="photos", options=_OF_PHOTOS
    ),
    "photos_turbo": Pipeline(
        build="flowers_core.input.pipelines:photos_turbo",
        arrays="flowers_core.input.array_batches:photos_turbo",
        reads="photos",
        at_once_bytes=8 * 2**20,
        **_BY_PROCESSES,
    ),
    "records_sequential": Pipeline(
        build="flowers_core.input.pipelines:records_sequential", reads="records", serial=True, options=("augment",)
    ),
    "records_parallel": Pipeline(
        build="flowers_core.input.pipelines:records_parallel", reads="records", feeds_models=True, options=_ALL
    ),
    "records_uint8": Pipeline(
        build="flowers_core.input.pipelines:records_uint8", reads="records", dtype="uint8", options=_ALL
    ),
    "records_turbo": Pipeline(
        build="flowers_core.input.pipelines:records_turbo",
        arrays="flowers_core.input.array_batches:records_turbo",
        reads="records",
        at_once_bytes=16 * 2**20,
        **_BY_PROCESSES,
    ),
    "records_cached": Pipeline(
        build="flowers_core.input.pipelines:records_cached",
        reads="records",
        dtype="uint8",
        cached=True,
        feeds_models=True,
        options=_ALL,
    ),
    "records_batches_cached": Pipeline(
        build="flowers_core.input.pipelines:records_batches_cached",
        arrays="flowers_core.input.array_batches:records_batches_cached",
        reads="records",
        cached=True,
        **_TURBO,
    ),
}
