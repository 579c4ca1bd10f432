"""What each stage of an input pipeline costs in CPU seconds per image, by prefixes that end one stage later each.

Prefixes run in interleaved rounds on one core; what a prefix takes more than the one before it is its last stage's
cost.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from time import perf_counter, process_time
from typing import Any

from bench.input.stall import autotune
from bench.machine import facts, page_cache
from bench.machine.cpu_time import ForeignLoad
from bench.results.result import Result
from bench.run import child, process, product
from bench.run.data_source import Source
from flowers_core.errors import InputError, one_of
from flowers_core.input.registry import PIPELINES

OVERHEAD = "tf.data"  # an element through a map that does nothing
STAGES = {
    "photos": ("read", "decode", "resize", "scale", "augment", "batch"),
    "records": ("read", "parse", "decode", "scale", "augment", "batch"),
}
# What grows with the pixels that come out. A photo is decoded whole, however small the image.
BY_PIXELS = {
    "photos": ("resize", "scale", "augment", "batch"),
    "records": ("decode", "scale", "augment", "batch"),
}
BATCH_SIZE = 32
MOST_IMAGES = 256  # of one pass: all stages see the same ones
LEAST_SECONDS = 0.1  # of one run: shorter ones measure starting rather than work
ROUNDS = 7
COLD_ROUNDS = 3
IMAGE_SIZE = 192  # to which photos are resized


@dataclass(frozen=True, kw_only=True)
class Stages(Result):
    """What the stages of one kind of data cost.

    Attributes:
        kind: `photos` or `records`.
        image_size: Side of the images in pixels that come out.
        images: That a pass reads.
        rounds: Of each prefix.
        cpu_seconds: CPU seconds per image by stage: `median`, `low` and `high` of the rounds. A stage that is cheaper
            than the noise may come out below 0.
        reading: Reading alone with the page cache `warm` and `cold`: `wall_seconds` and `cpu_seconds` per image, with
            `low` and `high` of the wall; and `eviction`, see `page_cache.Eviction`. No `cold` where that is impossible.
        autotune: What AUTOTUNE chose in each pipeline of this kind, see `autotune.choices`; a text says why not.
        foreign_cpu_share: Share of the machine's CPU time that other programs used meanwhile.
    """

    KIND = "stages"
    FORMAT = 1  # costs of stages, cold and warm reads, what AUTOTUNE chose, machine, code (2026-11)

    kind: str
    image_size: int = 0
    images: int = 0
    rounds: int = 0
    cpu_seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    reading: dict = field(default_factory=dict)
    autotune: dict = field(default_factory=dict)
    foreign_cpu_share: float | None = None

    def __post_init__(self):
        one_of("kind", self.kind, STAGES)
        super().__post_init__()

    def at(self, image_size: int) -> float:
        """CPU seconds per image at another size, computed: what grows by pixels grows by them; nothing is augmented."""
        grown = (image_size / self.image_size) ** 2
        return sum(
            max(0.0, cost["median"]) * (grown if stage in BY_PIXELS[self.kind] else 1)
            for stage, cost in self.cpu_seconds.items()
            if stage != "augment"
        )


def run(kinds: Sequence[str], source: Source, *, seconds: float, timeout: float) -> Iterator[Stages]:
    """Measures kinds of data one after another in one fresh process; gives each as it ends.

    Raises:
        InputError: If TensorFlow is not installed.
        RunFailed: If the process dies or takes too long.
    """
    product.require_tensorflow("stages")
    origin = {"machine": facts.fingerprint(), "code": facts.code()}
    job = {"kinds": list(kinds), "source": asdict(source), "seconds": seconds}
    for answer in process.answers("bench.input.stall.stages", job, timeout=timeout):
        yield Stages.from_json({**answer, **origin})


def measure(kind: str, source: Source, *, seconds: float) -> Stages:
    """Measures one kind in this process; what is not there is `n/a` with the reason.

    Args:
        kind: `photos` or `records`.
        source: The folders of photos and records.
        seconds: How long each pipeline runs until AUTOTUNE is asked what it chose.
    """
    load, started = ForeignLoad(), datetime.now(UTC).isoformat(timespec="seconds")
    try:
        if kind == "records":
            source.check_jpegs("the costs of stages, of which decoding JPEGs is one")
        data = source.describe(kind)
        size = source.manifest().image_size if kind == "records" else IMAGE_SIZE
        paths = _paths(kind, source)
    except InputError as error:
        return Stages(kind=kind, status="n/a", reason=str(error), started=started)
    images = min(MOST_IMAGES, data["images"])
    costs = differences(prefixes(kind, paths, image_size=size, images=images), images=images, rounds=ROUNDS)
    return Stages(
        kind=kind,
        image_size=size,
        images=images,
        rounds=ROUNDS,
        cpu_seconds=costs,
        reading=_reading(kind, paths, images=data["images"]),
        autotune={
            name: autotune.choices(name, source, image_size=size, seconds=seconds)
            for name, pipeline in PIPELINES.items()
            if pipeline.reads == kind
        },
        started=started,
        foreign_cpu_share=load.share(),
        data=data,
    )


def _paths(kind: str, source: Source) -> tuple[str, ...]:
    return source.load_photos().paths if kind == "photos" else product.record_paths(source.records, source.manifest())


def prefixes(kind: str, paths: Sequence[str], *, image_size: int, images: int) -> dict[str, Callable[[int], None]]:
    """For each stage a function that runs the pipeline up to it a number of times; first that of an element alone."""
    import tensorflow as tf

    chosen = paths if kind == "records" else paths[:: max(1, len(paths) // images)][:images]
    datasets = {OVERHEAD: tf.data.Dataset.range(images).map(lambda number: number)}
    for stage in STAGES[kind]:
        datasets[stage] = _prefix(kind, chosen, stage, image_size=image_size, images=images)
    return {stage: _runner(data) for stage, data in datasets.items()}


def _prefix(kind: str, paths: Sequence[str], last: str, *, image_size: int, images: int):
    """A pipeline that ends with a stage."""
    import tensorflow as tf

    files, feature = tf.data.Dataset.from_tensor_slices(list(paths)), product.image_feature(paths)
    elements = files if kind == "photos" else tf.data.TFRecordDataset(files).take(images)
    data = elements.map(lambda element: _apply(kind, element, last, image_size=image_size, feature=feature))
    return data.batch(BATCH_SIZE) if last == "batch" else data


def _apply(kind: str, element: Any, last: str, *, image_size: int, feature: str):
    """An element after all stages up to the last one: the same work as in the pipelines that are measured."""
    import tensorflow as tf

    images = product.images

    def parse(record: Any):
        return tf.io.parse_single_example(record, {feature: tf.io.FixedLenFeature([], tf.string)})[feature]

    def resize(image: Any):
        return images.fill_and_crop(image, image_size)

    known_size = (image_size, image_size, 3)
    work = {
        "read": tf.io.read_file if kind == "photos" else lambda record: record,
        "parse": parse,
        "decode": images.decode,
        "resize": resize,
        "scale": lambda image: images.scale(tf.ensure_shape(image, known_size)),
        "augment": images.augment,
    }
    for stage in STAGES[kind]:
        element = work[stage](element) if stage in work else element
        if stage == last:
            break
    return element


def _runner(data: Any) -> Callable[[int], None]:
    """A function that reads all elements a number of times and drops them within tf.data, without Python for each."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False  # one stage after the other, on one core
    options.experimental_optimization.map_parallelization = False
    options.experimental_optimization.map_and_batch_fusion = False
    options.threading.private_threadpool_size = 1

    def run(times: int) -> None:
        for _ in data.repeat(times).skip(tf.int64.max).with_options(options):
            pass

    return run


def differences(
    runs: dict[str, Callable[[int], None]],
    *,
    images: int,
    rounds: int,
    cpu: Callable[[], float] = process_time,
) -> dict[str, dict[str, float]]:
    """CPU seconds per image that each prefix takes more than the one before: median, lowest and highest of the rounds.

    Args:
        runs: Prefixes in their order, each called with how many times over.
        images: That each reads once over.
        rounds: How often all prefixes run in turn, forwards and backwards.
        cpu: Clock of CPU seconds.
    """
    times = {stage: _times(run, cpu) for stage, run in runs.items()}
    taken: dict[str, list[float]] = {stage: [] for stage in runs}
    for number in range(rounds):
        for stage in runs if number % 2 else reversed(runs):
            start = cpu()
            runs[stage](times[stage])
            taken[stage].append((cpu() - start) / (times[stage] * images))
    order = list(runs)
    costs = {}
    for before, stage in zip([None, *order], order, strict=False):
        less = taken[before] if before else [0.0] * rounds
        values = [longer - shorter for longer, shorter in zip(taken[stage], less, strict=True)]
        costs[stage] = {"median": median(values), "low": min(values), "high": max(values)}
    return costs


def _times(run: Callable[[int], None], cpu: Callable[[], float]) -> int:
    """How many times over make a run long enough; what runs here is the warm-up, too."""
    run(1)
    start = cpu()
    run(1)
    return max(1, round(LEAST_SECONDS / max(cpu() - start, 1e-6)))


def _reading(kind: str, paths: Sequence[str], *, images: int) -> dict:
    """Reading alone, with the page cache cold and warm alternately."""
    run = _runner(_prefix(kind, paths, "read", image_size=0, images=images))
    run(1)
    seen: dict[str, list[tuple[float, float]]] = {"cold": [], "warm": []}
    evicted = page_cache.Eviction(before=None, after=None)
    for _ in range(COLD_ROUNDS):
        evicted = page_cache.evict(paths)
        for state in ("warm",) if evicted.reason else ("cold", "warm"):
            cpu, wall = process_time(), perf_counter()
            run(1)
            seen[state].append(((perf_counter() - wall) / images, (process_time() - cpu) / images))
    summary = {
        state: {
            "wall_seconds": median(wall for wall, _ in times),
            "low": min(wall for wall, _ in times),
            "high": max(wall for wall, _ in times),
            "cpu_seconds": median(cpu for _, cpu in times),
        }
        for state, times in seen.items()
        if times
    }
    return {**summary, "eviction": asdict(evicted)}


def main() -> None:
    """Measures the kinds that the parent gives."""
    orders, answer = child.connect()
    job = next(orders)
    for kind in job["kinds"]:
        answer(measure(kind, Source(**job["source"]), seconds=job["seconds"]).to_json())


if __name__ == "__main__":
    main()
