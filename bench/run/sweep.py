"""Runs the cells of a sweep, each in a fresh process, and stores each measurement the moment its process ends."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from time import perf_counter

from bench.machine import facts
from bench.results import store
from bench.results.cell import GIVEN, NO_MODEL, Cell
from bench.results.measurement import Measurement
from bench.results.result import new_mark, stamp
from bench.run import product, step_parts, user_check
from bench.run.data_source import Source
from bench.run.durations import Durations
from bench.run.measure import Job
from bench.run.process import spawn
from bench.run.timing import Effort
from flowers_core.errors import InputError

MOST_ROUNDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is to be run.

    Attributes:
        id: Marks its measurements: the time of its start. Empty for a single cell, which is never resumed.
        cells: In the order in which they are measured.
        rounds: Fresh processes for each cell; a round goes through all cells before the next begins.
        effort: How long each process measures.
        source: Where photos and records lie.
        code: Digest of the code under test when it began.
        traced: Whether a profiler trace of each cell is taken after its timed steps.
        detailed: Whether the steps that have parts are then timed in parts, see `step_parts`.
    """

    cells: tuple[Cell, ...]
    id: str = ""
    rounds: int = 1
    effort: Effort = field(default_factory=Effort)
    source: Source = field(default_factory=Source)
    code: str = ""
    traced: bool = False
    detailed: bool = False

    def __post_init__(self):
        if not 1 <= self.rounds <= MOST_ROUNDS:
            raise InputError(f"`rounds` must be from 1 to {MOST_ROUNDS:,}. Received: rounds={self.rounds}")

    def processes(self) -> list[tuple[int, Cell]]:
        """Round and cell of each process, in order: rounds outermost, so that a drift of the machine hits all."""
        return [(number, cell) for number in range(self.rounds) for cell in self.cells]


def start(sweep: Sweep, results: Path) -> Sweep:
    """Gives a sweep its id and the code it begins with, and remembers it, so that it can be resumed."""
    begun = replace(sweep, id=new_mark(), code=facts.code_digest())
    store.save_plan(asdict(replace(begun, source=begun.source.without_home())), results)
    return begun


def resume(results: Path) -> Sweep:
    """The sweep that was started last.

    Raises:
        InputError: If there is none, or the code has changed since: its figures would be of two programs.
    """
    import msgspec

    plan = store.load_plan(results)
    try:
        sweep = msgspec.convert(plan, Sweep)
        sweep = replace(sweep, source=sweep.source.with_home())
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise InputError(f"The plan of the last sweep is damaged ({error}): start anew, without `--resume`") from error
    if sweep.code != facts.code_digest():
        raise InputError(
            "`flowers_core` has changed since the sweep was interrupted: what is left would measure another program. "
            "Start it anew, without `--resume`"
        )
    return sweep


def pending(sweep: Sweep, measurements: tuple[Measurement, ...]) -> list[tuple[int, Cell]]:
    """Round and cell of each process of a sweep that has given no measurement yet."""
    done = (
        {(earlier.round, earlier.cell) for earlier in measurements if earlier.sweep == sweep.id} if sweep.id else set()
    )
    return [process for process in sweep.processes() if process not in done]


def too_large(cell: Cell, measurements: list[Measurement]) -> str | None:
    """Why a cell need not be tried: a smaller batch of it has already run out of memory.

    Returns:
        The reason, or None if there is no such measurement.
    """
    for earlier in measurements:
        if earlier.status != "oom" or cell.model == NO_MODEL:
            continue
        smaller = earlier.cell.batch_size
        if replace(earlier.cell, batch_size=cell.batch_size) == cell and smaller < cell.batch_size:
            return f"a batch of {smaller} of it ran out of memory"
    return None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a sweep may take; None is no limit.

    Attributes:
        budget_seconds: For the whole sweep; a cell that is not expected to fit is left out.
        timeout_seconds: For one process.
        memory_bytes: For one process.
    """

    budget_seconds: float | None = None
    timeout_seconds: float = 600.0
    memory_bytes: int | None = None


def run(
    sweep: Sweep,
    results: Path,
    *,
    limits: Limits,
    now: Callable[[], float] = perf_counter,
    measure: Callable[..., Measurement] = spawn,
) -> Iterator[tuple[Cell, Measurement | None]]:
    """Measures what a sweep has left, and stores each measurement before it is given out.

    Args:
        sweep: What to run.
        results: The store.
        limits: On time and memory.
        now: Clock in seconds.
        measure: Takes a job, a timeout and a limit of memory, and gives a measurement.

    Yields:
        Each cell with its measurement, or with None where the budget has no room for it and the same step on the other
        backends.
    """
    begun = now()
    classes = sweep.source.classes(sweep.cells)
    earlier = store.load(Measurement, results).results
    durations = Durations(earlier)
    mine = [measurement for measurement in earlier if sweep.id and measurement.sweep == sweep.id]
    for (number, _), together in groupby(pending(sweep, earlier), key=_together):
        cells = [cell for _, cell in together]
        for position, cell in enumerate(cells):
            left = None if limits.budget_seconds is None else limits.budget_seconds - (now() - begun)
            # All backends of a step or none: a budget must not leave the last ones out everywhere.
            if left is not None and sum(map(durations.expected_seconds, cells[position:])) > left:
                yield from ((other, None) for other in cells[position:])
                break
            timeout = limits.timeout_seconds if left is None else min(limits.timeout_seconds, left)
            reason = too_large(cell, mine) or product.why_not_input(cell.pipeline, cell.input_options)
            if reason:
                done = not_tried(cell, reason)
            else:
                job = _job(sweep, cell, results, classes)
                done = measure(job, timeout=timeout, memory_bytes=limits.memory_bytes)
            if done.status == "timeout" and timeout < limits.timeout_seconds:
                yield cell, None  # it was the budget that ended it, and says nothing of the cell
                continue
            done = replace(done, sweep=sweep.id, round=number)
            store.append(done, results)
            mine.append(done)
            durations.add(done)
            yield cell, done


def _job(sweep: Sweep, cell: Cell, results: Path, classes: int) -> Job:
    """What the process of a cell measures."""
    return Job(
        cell=cell,
        effort=sweep.effort,
        source=sweep.source,
        classes=classes,
        trace=str(store.trace_folder(cell.id, results)) if sweep.traced else "",
        detail=sweep.detailed and not step_parts.why_whole(cell),
    )


def not_tried(cell: Cell, reason: str) -> Measurement:
    """The measurement of a cell that cannot be measured here, which is known without a process."""
    return Measurement(cell=cell, status="n/a", reason=reason, **stamp())


def _together(process: tuple[int, Cell]) -> tuple:
    """Alike for processes that measure one step on several backends."""
    number, cell = process
    return number, cell.alike


def fit_batches(cells: Iterable[Cell], source: Source, *, tell: Callable[[str], object]) -> list[Cell]:
    """Cells of a profile with batches that the data can fill: of ten photos the pipelines are measured by 8.

    Args:
        cells: As the profile names them.
        source: What they read.
        tell: Is told which batches are smaller than the profile's.

    Returns:
        The cells, those with a batch larger than all images with the largest power of two that is not, each once.
    """
    cells, images = tuple(cells), {}
    for reads in sorted({cell.reads for cell in cells} - {"", GIVEN}):
        with suppress(InputError):  # `check` will say what is wrong with the data
            images[reads] = source.describe(reads)["images"]
    fitting = []
    for cell in cells:
        most = images.get(cell.reads, cell.batch_size)
        fitting.append(cell if cell.batch_size <= most else replace(cell, batch_size=2 ** (most.bit_length() - 1)))
    for reads in images:
        changed = {new.batch_size for old, new in zip(cells, fitting, strict=True) if old != new and new.reads == reads}
        for size in sorted(changed):
            tell(f"{images[reads]:,} {reads} fill no batch of the profile: they are measured in batches of {size}")
    return list(dict.fromkeys(fitting))


def check(cells: Iterable[Cell], source: Source, *, tell: Callable[[str], object] = lambda _: None) -> None:
    """Checks, before anything is measured, that what the cells read is there and fits.

    Args:
        cells: What is to be measured.
        source: What they read.
        tell: Is told what takes some seconds.

    Raises:
        InputError: If a backend is not installed, photos or records are missing or hold one class only, records are of
            another image size, a batch is larger than all images, images are too small for a model, models would be fed
            by photos and by records of other numbers of classes, or a user's model or loader does not fit, see
            `user_check`.
    """
    from flowers_core import backends, models
    from flowers_core.data import manifest

    cells = tuple(cells)
    for name in sorted({cell.backend for cell in cells if cell.model != NO_MODEL}):
        backends.check_installed(name)
    described = {reads: source.describe(reads) for reads in {cell.reads for cell in cells}}
    written = source.manifest() if "records" in described else None
    for cell in cells:
        if cell.model != NO_MODEL:
            models.check_image_size(cell.model, cell.image_size)
        if written and cell.reads == "records":
            manifest.check_matches(written, image_size=cell.image_size)
        images = cell.batch_size if cell.reads == GIVEN else described[cell.reads].get("images", cell.batch_size)
        if cell.batch_size > images:
            raise InputError(
                f"`batch_size` must be at most {images:,}, the number of images there are. "
                f"Received: batch_size={cell.batch_size}"
            )
    source.classes(cells)
    user_check.check(cells, source, tell=tell)
