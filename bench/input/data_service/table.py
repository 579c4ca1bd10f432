"""What was drawn over a tf.data service, as tables: Markdown, the terminal at 80 columns."""

from collections.abc import Sequence
from statistics import median

from bench.input.data_service.result import DataServiceResult, epoch_is_whole
from bench.machine.facts import BUSY_SHARE
from bench.results import format, table

RATES = ("pipeline", "workers", "images/s", "ratio", "CPU an image", "ratio ")
EPOCHS = ("pipeline", "workers", "sharding", "what happened", "images", "missing", "doubled")
LEFT = {"pipeline", "workers", "sharding", "what happened"}


def rates(found: Sequence[DataServiceResult]) -> list[tuple[str, ...]]:
    """A text for each of `RATES`, a row for each pipeline and number of workers."""
    timed = [one for one in found if one.task.seconds]
    rows = []
    for pipeline, workers in dict.fromkeys((one.task.pipeline, one.workers) for one in timed):
        some = [one for one in timed if (one.task.pipeline, one.workers) == (pipeline, workers)]
        good = [one for one in some if one.status == "ok"]
        if not good:
            rows.append((pipeline, _workers(workers), some[0].status, "", "", ""))
            continue
        alone = {one.round: one for one in timed if (one.task.pipeline, one.workers, one.status) == (pipeline, 0, "ok")}
        paired = [(one, alone[one.round]) for one in good if workers != 0 and one.round in alone]
        # What servers elsewhere spend cannot be seen from here.
        cpu = [] if workers is None else [one.cpu_image_seconds for one in good]
        dearer = [] if workers is None else [one.cpu_image_seconds / bare.cpu_image_seconds for one, bare in paired]
        rows.append(
            (
                *(pipeline, _workers(workers)),
                _spread([one.images_per_second for one in good]),
                _spread([one.images_per_second / bare.images_per_second for one, bare in paired]),
                format.duration(median(cpu)) if cpu else format.ABSENT,
                format.significant(median(dearer)) if dearer else "",
            )
        )
    return rows


def _workers(workers: int | None) -> str:
    return "theirs" if workers is None else str(workers) if workers else "none"


def _spread(values: Sequence[float]) -> str:
    """Median with lowest and highest; nothing of nothing."""
    if not values:
        return ""
    middle, low, high = map(format.significant, (median(values), min(values), max(values)))
    return f"{middle} [{low},{high}]" if len(values) > 1 else middle


def epochs(found: Sequence[DataServiceResult]) -> list[tuple[str, ...]]:
    """A text for each of `EPOCHS`, a row for each whole epoch."""
    return [
        (
            *(one.task.pipeline, _workers(one.workers), one.task.sharding if one.workers != 0 else ""),
            outcome(one),
            *("" if count is None else f"{count:,}" for count in (one.images or None, one.missing, one.doubled)),
        )
        for one in found
        if not one.task.seconds
    ]


def outcome(one: DataServiceResult) -> str:
    """What happened to an epoch, and how it ended."""
    event = f"{one.task.kills} killed" if one.task.kills else ""
    event += ", started again" if one.restarted else ""
    if one.status != "ok":
        end = "failed" if one.status == "error" else one.status
    else:
        end = "whole" if epoch_is_whole(one) else "completed"
    return f"{event}: {end} in {format.duration(one.seconds)}" if event else end


def notes(found: Sequence[DataServiceResult]) -> list[str]:
    """What the columns mean, who shares which cores, what failed and why."""
    one = found[0]
    cores = one.machine.get("usable_cores", "?")
    said = [
        f"median [lowest,highest] over {max(some.round for some in found) + 1} fresh processes of each; ratio: to that "
        "of the same round without a service; CPU an image: of reader, dispatcher and workers together",
    ]
    if any(some.workers for some in found):
        said.append(
            f"workers, dispatcher and reader share the {cores} cores of this machine: more workers bring no more "
            f"cores here, and what they cost shows; a gain is the share that more processes take from others' load"
        )
    if any(not some.task.seconds for some in found):
        said.append(
            "whole: each image exactly once; missing, doubled: against an epoch without a service, by digest of each "
            "image and label. Dynamic sharding promises each at most once, static each at least once; both exactly "
            "once if no worker dies"
        )
    said += [f"{_named(some)}: {some.reason}" for some in found if some.status != "ok"]
    busy = [some for some in found if (some.foreign_cpu_share or 0.0) > BUSY_SHARE]
    if busy:
        said.append(f"beside {len(busy)} of them others used more than {BUSY_SHARE:.0%} of the CPU")
    return said


def _named(one: DataServiceResult) -> str:
    event = f", {one.task.kills} killed" if one.task.kills else ""
    return f"{one.task.pipeline}, {_workers(one.workers)} workers{event}"


def _tables(found: Sequence[DataServiceResult]) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Title, columns and rows of each table that has rows."""
    one = next((some for some in found if some.task.seconds), found[0])
    what = f"{one.data.get('images', 0):,} {one.data.get('photos', '')}, batch {one.task.batch_size}"
    both = (f"Over a tf.data service ({what})", RATES, rates(found)), ("Epochs", EPOCHS, epochs(found))
    return [each for each in both if each[2]]


def markdown(found: Sequence[DataServiceResult]) -> str:
    """Both tables, notes, origin, and the command that makes it again."""
    lines = ["# The input pipeline past one host", ""]
    for title, columns, rows in _tables(found):
        lines += [f"## {title}", "", *table.grid(columns, rows, left=LEFT), ""]
    one = found[0]
    numbers = ",".join(str(workers) for workers in sorted({some.workers for some in found if some.workers}))
    lines += [f"- {note}" for note in notes(found)]
    lines.append(f"- {table.place_line(one.machine, one.code, one.started)}")
    return "\n".join([*lines, f"- `python -m bench data-service{f' --workers {numbers}' * bool(numbers)}`", ""])


def show(found: Sequence[DataServiceResult], console) -> None:
    """Draws both tables and the notes on a rich console."""
    for title, columns, rows in _tables(found):
        table.draw(title, columns, rows, console, left=LEFT)
    table.say(notes(found), console)


def exit_code(found: Sequence[DataServiceResult]) -> int:
    """1 if something was not as it should be: no rate, an epoch that is not whole, or one that never ended."""
    return int(any(not _as_promised(one) for one in found))


def _as_promised(one: DataServiceResult) -> bool:
    if not one.task.kills:
        return one.status == "ok" if one.task.seconds else epoch_is_whole(one)
    return one.status == "ok" if one.restarted else one.status in ("ok", "error")
