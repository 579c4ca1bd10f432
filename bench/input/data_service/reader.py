"""Reads pipelines in this process, locally or over a tf.data service: how fast, or exactly what an epoch holds.

`python -m bench.input.data_service.reader` reads the job that its parent gives, see `bench.run.child`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from time import perf_counter

from bench.machine.cpu_time import ForeignLoad
from bench.run import child, product, timing
from bench.run.data_source import Source
from bench.run.product import ReportedError
from flowers_core.input import data_service


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to read.

    Attributes:
        pipeline: A name of `flowers_core.input.registry`.
        sharding: One of `data_service.SHARDING`.
        batch_size: Images per batch.
        seconds: How long to read; 0 for one epoch, of which every image is identified.
        silent_seconds: Longest wait for a batch.
    """

    pipeline: str
    sharding: str = "dynamic"
    batch_size: int = 32
    seconds: float = 0.0
    silent_seconds: float = data_service.SILENT_SECONDS


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process is to read, and over what.

    Attributes:
        source: Where the records lie.
        tasks: One after another.
        dispatcher: Address; empty for this process alone.
        pids: Process ids of the servers by role, those of this machine.
    """

    source: Source
    tasks: tuple[Task, ...]
    dispatcher: str = ""
    pids: dict[str, list[int]] = field(default_factory=dict)

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)


def job_from_json(values: dict) -> Job:
    """Reads what `Job.to_json` gave."""
    tasks = tuple(Task(**task) for task in values["tasks"])
    source = Source(**values["source"])
    return Job(source=source, tasks=tasks, dispatcher=values["dispatcher"], pids=values["pids"])


def read(job: Job, task: Task) -> dict:
    """Reads one task; a failure is part of the answer, never raised.

    Returns:
        `status` and `reason`; of a rate `images_per_step`, `step_seconds`, `images`, `first_batch_seconds`,
        `cpu_seconds` by role over these images, `foreign_cpu_share`; of an epoch `seconds` and `seen`, a digest and a
        label for each image.
    """
    answer: dict = {"status": "ok", "reason": ""}
    begun = perf_counter()
    try:
        with _batches(job, task) as batches:
            if task.seconds:
                answer |= _rate(job, task, batches, begun)
            else:
                answer["seen"] = []
                for identity in _identities(batches):
                    answer["seen"].append(identity)
    except ReportedError as error:
        answer |= {"status": "error", "reason": str(error)}
    return answer | {"seconds": perf_counter() - begun}


@contextmanager
def _batches(job: Job, task: Task) -> Iterator[Iterator]:
    """Batches of a task: for ever where they are timed, else of one epoch."""
    written = job.source.manifest()
    paths = product.record_paths(job.source.records, written)
    size = {"image_size": written.image_size, "batch_size": task.batch_size}
    data = product.build_pipeline(task.pipeline, paths, **size, epochs=None if task.seconds else 1)
    if job.dispatcher:
        whole = bool(task.seconds)
        data = data_service.distribute(
            data, job.dispatcher, batch_size=task.batch_size, sharding=task.sharding, whole=whole
        )
    # Also without a service, so that both are read alike.
    batches = data_service.iterate(data, job.dispatcher, silent_seconds=task.silent_seconds)
    try:
        yield batches
    finally:
        batches.close()


def _rate(job: Job, task: Task, batches: Iterator, begun: float) -> dict:
    """Steps of several batches, timed for some seconds, and what CPU time they cost here and in the servers."""
    next(batches)
    first = perf_counter() - begun
    count = timing.batches_per_step(batches)
    servers = [pid for pids in job.pids.values() for pid in pids]
    load, before = ForeignLoad(*servers), {}

    def start() -> None:
        load.start()
        before.update(_cpu_seconds(job))

    effort = timing.Effort(seconds=task.seconds, least_steps=1)
    seconds = timing.clock_steps(timing.draw_step(batches, count), effort, at_start=start).step_seconds
    after = _cpu_seconds(job)
    return {
        "images_per_step": count * task.batch_size,
        "step_seconds": seconds,
        "images": count * task.batch_size * len(seconds),
        "first_batch_seconds": first,
        "cpu_seconds": {role: after[role] - before[role] for role in after},
        "foreign_cpu_share": load.share(),
    }


def _cpu_seconds(job: Job) -> dict[str, float]:
    """CPU seconds so far, by role."""
    import psutil

    roles = {"reader": [os.getpid()], **job.pids}
    return {role: sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids) for role, pids in roles.items()}


def _identities(batches: Iterator) -> Iterator[tuple[str, int]]:
    """Digest and label of each image of an epoch."""
    for images, labels in batches:
        for image, label in zip(images.numpy(), labels.numpy(), strict=True):
            yield hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest(), int(label)


def main() -> None:
    """Reads the job of the parent, which ends this process then: a thread may wait for what never comes."""
    orders, answer = child.connect()
    job = job_from_json(next(orders))
    answer({"tasks": [read(job, task) for task in job.tasks]})


if __name__ == "__main__":
    main()
