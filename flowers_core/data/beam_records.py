"""Photos -> TFRecord shards as an Apache Beam pipeline, here or on the workers of Dataflow, Flink or Spark.

Its workers run the functions by which `tfrecords.write` works alone, and bring each shard into the order in which
photos were dealt to it: the files have the same bytes. A shard must fit into a worker's memory. Workers see the photos
and the folder under the same paths, on a disk that they share or in a bucket.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowers_core import errors, progress
from flowers_core.data import manifest, storage
from flowers_core.data.tfrecords import Work, Written, write_shard

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

RUNNERS = {"direct": "", "dataflow": "DataflowRunner", "flink": "FlinkRunner", "spark": "SparkRunner"}
"""Runners as they are asked for, and as Beam calls them; `direct` is made here."""

INSTALL = (
    "Install it into an environment of its own, for it wants an older protobuf: "
    "`python3 -m venv .venv-beam && .venv-beam/bin/pip install -e '.[beam]'`"
)

_DEALT, _WRITTEN = "flowers-dealt.json", "flowers-written.json"  # `sharding` knows them as ours

Numbered = tuple[int, tuple[int, int, bytes | manifest.Skipped]]
"""Shard, then position in it, label, and record or why there is none."""

_advance: Callable[[], object] = lambda: None  # noqa: E731 - of the bar of this process; workers elsewhere have none


def engine(runner: str, flags: Sequence[str]) -> Callable[..., list[Written]]:
    """What `tfrecords.write` takes to work by Beam.

    Args:
        runner: One of `RUNNERS`.
        flags: Beam's own, such as `--region=europe-west4`.

    Raises:
        InputError: If Beam is not installed. Of flags that it does not know Beam itself warns, with those that it does.
    """
    errors.one_of("runner", runner, RUNNERS)
    try:
        with _quiet():
            from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise errors.InputError(f"`--runner` needs Apache Beam. Received: {error}. {INSTALL}") from error
    options = PipelineOptions([*flags, *([f"--runner={RUNNERS[runner]}"] if RUNNERS[runner] else [])])
    return partial(write_shards, runner=runner, options=options)


@contextmanager
def _quiet(level: int = logging.WARNING) -> Iterator[None]:
    """Keeps to itself what Beam logs up to a level, such as that clients of Google's are missing."""
    before = logging.root.manager.disable
    logging.disable(level)
    try:
        yield
    finally:
        logging.disable(before)


def write_shards(
    dealt: list[list[tuple[str, int]]],
    folder: str,
    *,
    work: Work,
    classes: int,
    runner: str,
    options: PipelineOptions,
) -> list[Written]:
    """Writes every shard by a pipeline, see `tfrecords.Engine`.

    Raises:
        RunFailed: If the pipeline ends without having written them.
    """
    plan, report = storage.join(folder, _DEALT), storage.join(folder, _WRITTEN)
    storage.write_text(plan, json.dumps(dealt))
    pipeline = _pipeline(plan, report, folder, work=work, classes=classes, runner=runner, options=options)
    # Here Beam logs the error that it raises as well; what workers elsewhere log is all that is heard of them.
    unsaid = logging.CRITICAL if runner == "direct" else logging.NOTSET
    with progress.bar("writing records", sum(map(len, dealt))) as advance, _quiet(unsaid):
        _run(pipeline, runner, advance)
    written = [_from_plain(*fields) for fields in json.loads(storage.read_text(report))]
    for path in (plan, report):
        storage.remove(path)
    _remove_others(folder, {shard.name for shard, _ in written})
    return written


def _pipeline(
    plan: str, report: str, folder: str, *, work: Work, classes: int, runner: str, options: PipelineOptions
) -> Any:
    """The pipeline: photos spread over workers, records grouped by shard, shards written, and the report at last.

    Raises:
        InputError: If the runner wants other flags.
    """
    import apache_beam as beam

    try:
        pipeline = beam.Pipeline(runner=_direct() if runner == "direct" else None, options=options)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise errors.InputError(f"The runner `{runner}` must get the flags it needs. Received: {reason}") from error
    shards = (
        pipeline
        | "plan" >> beam.Create([plan])
        | "photos" >> beam.FlatMap(_photos)
        | "spread" >> beam.Reshuffle()
        | "record" >> beam.Map(_record, work)
        | "by shard" >> beam.GroupByKey()
        | "write" >> beam.Map(_write, folder, classes)
    )
    # A label of its own each: Beam names steps by them, and a runner's page shows them.
    shards | "gather" >> beam.combiners.ToList() | "report" >> beam.Map(_report, report)
    return pipeline


def _direct() -> Any:
    """Beam's runner within this process.

    Why not its DirectRunner: that fetches another program, Prism, from the internet before it falls back to this one.
    """
    from apache_beam.runners.portability.fn_api_runner import fn_runner

    return fn_runner.FnApiRunner()


def _run(pipeline: Any, runner: str, advance: Callable[[], object]) -> None:
    """Runs a pipeline to its end; where this process is interrupted, ends it."""
    global _advance
    _advance, before, job = advance, _advance, None
    try:
        job = pipeline.run()
        state = job.wait_until_finish()
    except Exception as error:  # a runner raises whatever its worker met, as text
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        if reason.startswith("KeyboardInterrupt"):
            raise KeyboardInterrupt from error
        raise errors.RunFailed(f"Beam's pipeline failed on the runner `{runner}`: {reason}") from error
    except BaseException:
        if job is not None:
            job.cancel()
        raise
    finally:
        _advance = before
    if state != "DONE":
        raise errors.RunFailed(f"Beam's pipeline ended on the runner `{runner}` in the state {state}")


def _photos(plan: str) -> Iterator[tuple[int, int, str, int]]:
    """Shard, position in it, path and label of every photo."""
    for shard, pairs in enumerate(json.loads(storage.read_text(plan))):
        for position, (path, label) in enumerate(pairs):
            yield shard, position, path, label


def _record(photo: tuple[int, int, str, int], work: Work) -> Numbered:
    """The record of a photo, or why there is none, under the number of its shard."""
    shard, position, path, label = photo
    made = work((path, label))
    _advance()
    return shard, (position, label, made)


def _write(
    shard: tuple[int, Iterable[tuple[int, int, bytes | manifest.Skipped]]], folder: str, classes: int
) -> tuple[int, Written]:
    """A shard, written in the order in which photos were dealt to it, under its number."""
    number, records = shard
    ordered = sorted(records, key=lambda record: record[0])
    return number, write_shard([record[1:] for record in ordered], folder, number=number, classes=classes)


def _report(written: list[tuple[int, Written]], path: str) -> None:
    """Writes what became of all photos where the process that asked for it looks."""
    plain = [
        (asdict(shard), [asdict(photo) for photo in photos]) for _, (shard, photos) in sorted(written, key=_number)
    ]
    storage.write_text(path, json.dumps(plain))


def _number(written: tuple[int, Written]) -> int:
    return written[0]


def _from_plain(shard: dict, photos: list[dict]) -> Written:
    return (
        manifest.Shard(**shard | {"class_counts": tuple(shard["class_counts"])}),
        [manifest.Skipped(**photo) for photo in photos],
    )


def _remove_others(folder: str, names: set[str]) -> None:
    """Removes shards that a worker wrote whose work was then given to another: a photo may have been gone meanwhile."""
    for name in storage.listing(folder):
        if Path(name).suffix == ".tfrec" and name not in names:
            storage.remove(storage.join(folder, name))
