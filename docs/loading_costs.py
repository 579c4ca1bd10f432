"""What the fastest pipelines cost an image beside decoding, by cause: `python docs/loading_costs.py --records FOLDER`.

`--photos PHOTOS --records RECORDS --markdown > results/tables/reference-loading-costs.md` on a quiet machine makes the
reference table. Parts are timed by CPU seconds of one thread, each over all images, in rounds of random order; then the
pipeline is drawn from, whose decode workers and whose own process have clocks of their own.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from flowers_core.cli import quiet

quiet.imports()

import google_crc32c
import numpy as np

from bench.machine.cpu_time import ForeignLoad
from bench.results.result import Result, stamp
from bench.results.table import Column, Interval, Table, page
from bench.run import product
from flowers_core import errors
from flowers_core.data import decoding, manifest, tfrecord_reader
from flowers_core.data.shards import CODELAB
from flowers_core.input import array_batches, decode_pool, decode_worker, fast_decode, pipelines
from flowers_core.input.registry import PIPELINES

BATCH, SIZE = 32, 192
SETTLING = 24  # batches drawn before the clocks start: they were made ahead
SLOTS = 6  # batches of two decode workers that are under way at most
FRAME = slice(12, -4)  # of a record: its bytes without length and checksums
PARTS = (Column("what"), Column("CPU an image", "time"), Column("of decoding", "percent"))
SPEEDS = (Column("as"), Column("images/s", "rate"), Column("decoding's share of CPU", "percent"))
NOTES = (
    f"median [lowest, highest] over rounds, in batches of {BATCH}; decoding alone: images in memory to pixels of "
    f"{SIZE} px, for photos scaled and cropped; parts by one thread",
    "a worker as a whole: follows orders of JSON, reads, decodes into shared memory; of a record, reading is copying "
    "it out of its shard, testing its checksum and parsing its Example",
    "this process: CPU seconds while batches are drawn, beside those of its decode workers",
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a pipeline reads, as orders to its decode workers.

    Attributes:
        pipeline: Its name.
        source: What it is built from.
        items: What an image is made of, all of them, as they go into orders.
        parts: What else is worth a clock of its own, over all batches.
    """

    pipeline: str
    source: Any
    items: list[tuple]
    parts: Mapping[str, Callable[[], None]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What its decode workers read, one of `decode_worker.KINDS`."""
        return PIPELINES[self.pipeline].reads

    @property
    def batches(self) -> list[list[tuple]]:
        """The items of whole batches."""
        return [self.items[start : start + BATCH] for start in range(0, len(self.items) - BATCH + 1, BATCH)]


class Costs:
    """The parts of a pipeline, each to be run by itself over all whole batches."""

    def __init__(self, reading: Reading):
        self.reading, self.batches = reading, reading.batches
        self._job = {"features": asdict(CODELAB)}
        self._read, decode = decode_worker.KINDS[reading.kind]
        self._jpegs = [[jpeg for jpeg, _ in self._read(batch, self._job)] for batch in self.batches]
        self._decode = partial(decode, fast_decode.BatchDecoder(SIZE))
        self._memory = decode_pool.SharedMemory(BATCH, SIZE)
        self._slots = [self._memory.take() for _ in range(SLOTS)]

    @property
    def images(self) -> int:
        """How many each part is run over."""
        return BATCH * len(self.batches)

    def parts(self) -> dict[str, Callable[[], None]]:
        """What each is called, and what runs it."""
        return {
            "decoding alone": self._decode_alone,
            "decoding, into shared memory": self._decode_into_slots,
            "a worker as a whole": self._follow_orders,
            "reading": self._read_all,
            **self.reading.parts,
            "writing orders": self._write_orders,
        }

    def _decode_alone(self) -> None:
        for jpegs in self._jpegs:
            self._decode(jpegs)

    def _decode_into_slots(self) -> None:
        for number, jpegs in enumerate(self._jpegs):
            self._decode(jpegs, self._slots[number % SLOTS].images)

    def _follow_orders(self) -> None:
        sizes = {"image_size": SIZE, "batch_size": BATCH, "memory": self._memory.file}
        job = {"kind": self.reading.kind, "decoding": asdict(decoding.CODELAB), **sizes, **self._job}
        answers: list[dict] = []
        decode_worker.follow([json.dumps(job), *map(self._order, range(len(self.batches)))], answers.append)
        for answer in answers:
            if "error" in answer:
                raise errors.InputError(answer["says"])

    def _read_all(self) -> None:
        for batch in self.batches:
            for _ in self._read(batch, self._job):
                pass

    def _write_orders(self) -> None:
        for number in range(len(self.batches)):
            self._order(number).encode()

    def _order(self, number: int) -> str:
        return json.dumps({"slot": self._slots[number % SLOTS].number, "items": self.batches[number]})


def read_photos(folder: str) -> Reading:
    """The photos of a folder."""
    photos = product.find_photos(folder)
    return Reading(pipeline="photos_turbo", source=photos, items=list(zip(photos.paths, photos.labels, strict=True)))


def read_records(folder: str) -> Reading:
    """The records of a folder, with the parts of reading one."""
    shards = product.record_paths(folder, manifest.load(folder), image_size=SIZE)
    items = list(tfrecord_reader.locate(shards))
    content = {path: tfrecord_reader.map_file(path) for path in shards}
    framed = [content[path][start:end] for path, start, end in items[: len(items) // BATCH * BATCH]]
    records = [bytes(record[FRAME]) for record in framed]

    def over(things: list, use: Callable[[Any], object]) -> Callable[[], None]:
        def run() -> None:
            for thing in things:
                use(thing)

        return run

    return Reading(
        pipeline="records_turbo",
        source=shards,
        items=items,
        parts={
            "… copy": over(framed, lambda record: bytes(record[FRAME])),
            "… checksum": over(records, google_crc32c.value),
            "… parse": over(records, lambda record: tfrecord_reader.parse_example(record, "")),
            "finding records": over(list(shards), tfrecord_reader.count),
        },
    )


def time_parts(costs: Costs, rounds: int) -> dict[str, Interval]:
    """CPU seconds an image of each part; a first round, which fills caches, is discarded."""
    parts = costs.parts()
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(rounds + 1):
        for name in random.sample(list(parts), len(parts)):
            start = time.process_time()
            parts[name]()
            if number:
                seconds[name].append((time.process_time() - start) / costs.images)
        print(f"{costs.reading.pipeline}: round {number} of {rounds}", file=sys.stderr, flush=True)
    return {name: interval(values) for name, values in seconds.items()}


def time_pipeline(draw: Iterator, batches: int, rounds: int) -> list[Interval]:
    """Images a second of an endless pipeline, CPU seconds an image of its decode workers, and of this process."""
    rounds_of: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        for _ in islice(draw, SETTLING):
            pass
        clocks = time.perf_counter(), decode_pool.cpu_seconds(), time.process_time()
        for _ in islice(draw, batches):
            pass
        ends = time.perf_counter(), decode_pool.cpu_seconds(), time.process_time()
        wall, *used = ((end - begin) / (batches * BATCH) for begin, end in zip(clocks, ends, strict=True))
        for values, value in zip(rounds_of, (1 / wall, *used), strict=True):
            values.append(value)
    return list(map(interval, rounds_of))


def interval(values: list[float]) -> Interval:
    """Median, lowest and highest."""
    return Interval(float(np.median(values)), min(values), max(values))


def measure(reading: Reading, rounds: int) -> list[Table]:
    """What each part costs by itself, then what the pipeline comes to with all its decode workers."""
    costs = Costs(reading)
    found = time_parts(costs, rounds)
    alone = found["decoding alone"].centre
    chosen: dict[str, Any] = {"image_size": SIZE, "batch_size": BATCH, "epochs": None}
    speeds = []
    for name, build in {"tf.data": pipelines.build, "NumPy": array_batches.build}.items():
        draw = iter(build(reading.pipeline, reading.source, **chosen))
        rate, workers, own = time_pipeline(draw, len(costs.batches), rounds)
        found |= {f"{name}: decode workers": workers, f"{name}: this process": own}
        speeds.append((name, rate, alone / (workers.centre + own.centre)))
    rows = tuple((name, cost, cost.centre / alone) for name, cost in found.items())
    return [
        Table(title=f"{reading.pipeline}, {costs.images:,} images: CPU seconds by cause", columns=PARTS, rows=rows),
        Table(title=f"{reading.pipeline} with all its decode workers", columns=SPEEDS, rows=tuple(speeds)),
    ]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--photos", help="A folder of photos.")
    parser.add_argument("--records", help=f"A folder of records of {SIZE} px.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--markdown", action="store_true", help="Print Markdown.")
    given = parser.parse_args()
    load = ForeignLoad()
    try:
        readings = [read_photos(given.photos)] if given.photos else []
        readings += [read_records(given.records)] if given.records else []
        tables = [table for reading in readings for table in measure(reading, given.rounds)]
    except errors.InputError as error:
        sys.exit(f"Error: {error}")
    if given.markdown:
        origin = Result(**stamp()).origin
        notes = (*NOTES, f"{given.rounds} rounds", f"{origin}; others used {load.share():.0%} of the CPU meanwhile")
        command = "python docs/loading_costs.py --photos PHOTOS --records RECORDS --markdown"
        print(page("What loading costs beside decoding", tables, *notes, command=command))
        return
    from rich.console import Console

    for table in tables:
        table.draw(Console())
    for note in NOTES:
        print(f"- {note}")


if __name__ == "__main__":
    main()
