"""What one process read of a pipeline, locally or over a tf.data service: the result, and how it is measured."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from bench.input.data_service.reader import Job, Task
from bench.results.result import Result, stamp
from bench.run import process


@dataclass(frozen=True, kw_only=True)
class DataServiceResult(Result):
    """What one task of one process gave.

    Attributes:
        campaign: Marks those that belong together.
        task: What was read, see `bench.input.data_service.reader.Task`.
        workers: Of the service; 0 for none at all, None for those of a dispatcher that was given.
        round: Which of the rounds of fresh processes, from 0.
        seconds: From building the pipeline to its end.
        first_batch_seconds: From building it to its first batch, where it was timed.
        images_per_step: Images that a timed step reads.
        step_seconds: Wall time of each timed step.
        cpu_seconds: Over these steps, by role: `reader`, and of this machine's servers `dispatcher` and `workers`.
        foreign_cpu_share: Share of this machine's CPU time that other programs used meanwhile.
        images: Images read: of all timed steps, or of the epoch.
        missing: Images of an epoch without a service that did not come; None where it was timed.
        doubled: Images that came more often than there; None likewise.
    """

    KIND = "data_service"
    FORMAT = 1  # task, workers, rate or epoch, both clocks, machine, code (2026-11)

    campaign: str
    task: Task
    workers: int | None
    round: int = 0
    seconds: float = 0.0
    first_batch_seconds: float | None = None
    images_per_step: int = 0
    step_seconds: tuple[float, ...] = ()
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    foreign_cpu_share: float | None = None
    images: int = 0
    missing: int | None = None
    doubled: int | None = None

    @property
    def images_per_second(self) -> float | None:
        """Of the median step."""
        return self.images_per_step / median(self.step_seconds) if self.step_seconds else None

    @property
    def cpu_image_seconds(self) -> float | None:
        """CPU seconds per image, of all roles together."""
        return sum(self.cpu_seconds.values()) / self.images if self.cpu_seconds else None


def read(job: Job, *, timeout: float, expected: dict[str, Counter], **facts) -> list[DataServiceResult]:
    """Reads all tasks of a job in one fresh process.

    Args:
        job: What to read.
        timeout: Seconds after which the process is ended: status `timeout`.
        expected: What an epoch of each pipeline holds without a service; filled by the first that is read.
        facts: Fields of the result that the caller knows: `campaign`, `workers`, `round`.
    """
    started = datetime.now(UTC)
    try:
        answers = process.ask("bench.input.data_service.reader", job.to_json(), timeout=timeout)["tasks"]
    except process.Died as died:
        answers = [{"status": died.status, "reason": died.reason} for _ in job.tasks]
    facts |= {"data": job.source.describe("records"), **stamp(started)}
    return [_result(task, fields, expected, facts) for task, fields in zip(job.tasks, answers, strict=True)]


def _result(task: Task, fields: dict, expected: dict[str, Counter], facts: dict) -> DataServiceResult:
    """The result of one task."""
    seen = fields.pop("seen", None)
    if seen is not None:
        fields |= count_differences(seen, expected, task.pipeline)
    return DataServiceResult(**facts, task=task, **fields)


def count_differences(seen: Sequence[Sequence], expected: dict[str, Counter], pipeline: str) -> dict[str, int]:
    """How many images an epoch had, how many were missing, and how many came too often."""
    images = Counter(map(tuple, seen))
    wanted = expected.setdefault(pipeline, images)
    return {
        "images": images.total(),
        "missing": (wanted - images).total(),
        "doubled": (images - wanted).total(),
    }


def epoch_is_whole(epoch: DataServiceResult) -> bool:
    """Whether an epoch held each image exactly once."""
    return epoch.status == "ok" and not epoch.missing and not epoch.doubled
