"""What was read over a tf.data service, as tables: Markdown, the terminal at 80 columns."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from bench.input.data_service.result import DataServiceResult, epoch_is_whole
from bench.machine.facts import BUSY_SHARE
from bench.results.result import folders
from bench.results.table import Column, Interval, Table, Value, page

RATES = (
    Column("pipeline"),
    Column("workers"),
    Column("images/s", "rate"),
    Column("ratio", "ratio"),
    Column("CPU per image", "time"),
    Column("CPU ratio", "ratio"),
)
EPOCHS = (
    *(Column("pipeline"), Column("workers"), Column("sharding"), Column("outcome")),
    *(Column("images", "count"), Column("missing", "count"), Column("doubled", "count")),
)


def rates(results: Sequence[DataServiceResult]) -> list[tuple[Value, ...]]:
    """A row of `RATES` for each pipeline and number of workers."""
    groups: dict[tuple[str, int | None], list[DataServiceResult]] = {}
    for result in results:
        if result.task.seconds:
            groups.setdefault((result.task.pipeline, result.workers), []).append(result)
    return [
        (pipeline, _workers(workers), *_rate(workers, group, groups.get((pipeline, 0), [])))
        for (pipeline, workers), group in groups.items()
    ]


def _rate(
    workers: int | None, group: Sequence[DataServiceResult], local: Sequence[DataServiceResult]
) -> tuple[Value, ...]:
    """The figures of a row; `local` are the results without a service."""
    measured = [result for result in group if result.status == "ok"]
    if not measured:
        return group[0].status, "", "", ""
    base = {result.round: result for result in local if result.status == "ok"}
    pairs = [(result, base[result.round]) for result in measured if workers != 0 and result.round in base]
    cpu, ratios = [], []
    if workers is not None:  # what servers elsewhere spend cannot be seen from here
        cpu = [_cpu_seconds(result) for result in measured]
        ratios = [_cpu_seconds(result) / _cpu_seconds(alone) for result, alone in pairs]
    return (
        _spread([_images_per_second(result) for result in measured]),
        _spread([_images_per_second(result) / _images_per_second(alone) for result, alone in pairs]),
        median(cpu) if cpu else None,
        median(ratios) if ratios else "",
    )


def _images_per_second(result: DataServiceResult) -> float:
    """Of a result that ended well."""
    return result.images_per_second or 0.0


def _cpu_seconds(result: DataServiceResult) -> float:
    """Per image, of a result that ended well."""
    return result.cpu_image_seconds or 0.0


def _workers(workers: int | None) -> str:
    return "theirs" if workers is None else str(workers) if workers else "none"


def _spread(values: Sequence[float]) -> Value:
    """Median with lowest and highest; nothing of nothing."""
    if len(values) < 2:
        return values[0] if values else ""
    return Interval(median(values), min(values), max(values))


def epochs(results: Sequence[DataServiceResult]) -> list[tuple[Value, ...]]:
    """A row of `EPOCHS` for each whole epoch."""
    return [
        (
            *(epoch.task.pipeline, _workers(epoch.workers), epoch.task.sharding if epoch.workers != 0 else ""),
            _outcome(epoch),
            *("" if count is None else count for count in (epoch.images or None, epoch.missing, epoch.doubled)),
        )
        for epoch in results
        if not epoch.task.seconds
    ]


def _outcome(epoch: DataServiceResult) -> str:
    if epoch.status != "ok":
        return "failed" if epoch.status == "error" else epoch.status
    return "whole" if epoch_is_whole(epoch) else "completed"


def notes(results: Sequence[DataServiceResult]) -> list[str]:
    """What the columns mean, who shares which cores, what failed and why."""
    cores = results[0].machine.get("usable_cores", "?")
    said = [
        f"median [lowest,highest] over {max(result.round for result in results) + 1} fresh processes of each; ratio: "
        "to that of the same round without a service; CPU: of reader, dispatcher and workers together",
    ]
    if any(result.workers for result in results):
        said.append(
            f"workers, dispatcher and reader share the {cores} cores of this machine: more workers bring no more "
            f"cores here, and what they cost shows; a gain is the share that more processes take from other load"
        )
    if any(not result.task.seconds for result in results):
        said.append(
            "whole: each image exactly once; missing, doubled: compared with an epoch without a service, by digest of "
            "each image and label. Dynamic sharding promises each image at most once, static at least once; both "
            "exactly once if no worker dies"
        )
    said += [
        f"{result.task.pipeline}, {_workers(result.workers)} workers: {result.reason}"
        for result in results
        if result.status != "ok"
    ]
    busy = [result for result in results if (result.foreign_cpu_share or 0.0) > BUSY_SHARE]
    if busy:
        said.append(f"during {len(busy)} of them other programs used more than {BUSY_SHARE:.0%} of the CPU")
    return said


def tables(results: Sequence[DataServiceResult]) -> list[Table]:
    """Rates and epochs, those that were measured; the notes follow the last."""
    first = next((result for result in results if result.task.seconds), results[0])
    what = f"{first.data.get('images', 0):,} {first.data.get('photos', '')}, batch {first.task.batch_size}"
    both = (f"Over a tf.data service ({what})", RATES, rates(results)), ("Epochs", EPOCHS, epochs(results))
    shown = [Table(title=title, columns=columns, rows=tuple(rows)) for title, columns, rows in both if rows]
    return [*shown[:-1], replace(shown[-1], notes=tuple(notes(results)))]


def markdown(results: Sequence[DataServiceResult], into: str = "") -> str:
    """Both tables, notes, origin, and the command that measures it again, with the option of another store `into`."""
    numbers = ",".join(str(workers) for workers in sorted({result.workers for result in results if result.workers}))
    options = f"{f' --workers {numbers}' * bool(numbers)}{folders(results[0].data)}{into}"
    command = f"python -m bench data-service{options}"
    return page("The input pipeline past one host", tables(results), results[0].origin, command=command)


def exit_code(results: Sequence[DataServiceResult]) -> int:
    """1 if something was not as it should be: no rate, or an epoch that is not whole."""
    return int(not all(map(epoch_is_whole, results)))  # where it was timed nothing counts as missing
