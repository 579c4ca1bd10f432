"""What scaling gave, as tables: the terminal at 80 columns, Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median

from bench.machine.facts import BUSY_SHARE
from bench.machine.own import user_code
from bench.results.cell import RESIDENT, Cell
from bench.results.result import latest, of_last_campaign
from bench.results.table import Column, Interval, Table, Value, page
from bench.run import product
from bench.run.scaling.result import LOSS_TOLERANCE, SCALING, STRONG, WEAK, ScalingResult, loss_difference

COLUMNS = (
    *(Column("backend"), Column("workers", "count"), Column("replicas", "count", key="replicas_each")),
    *(Column("batch", "count"), Column("step", "time"), Column("images/s", "rate")),
    *(Column("speed-up", "ratio"), Column("efficiency", "percent"), Column("loss", "verdict")),
)
EQUAL, DIFFERS = "equal", "differs"

Shape = tuple[str, int, int]


def last(results: Iterable[ScalingResult]) -> list[ScalingResult]:
    """The results of the campaign that was started last, and of each group and round the last."""
    return list(latest(of_last_campaign(results), _key).values())


def _key(result: ScalingResult) -> tuple:
    return result.cell, result.workers, result.replicas, result.round


def tables(results: Sequence[ScalingResult]) -> list[Table]:
    """A table for each model and pipeline; the notes follow the last."""
    models: dict[tuple[str, str], list[ScalingResult]] = {}
    for result in results:
        models.setdefault((result.cell.model, result.cell.pipeline), []).append(result)
    shown = [_table(group) for group in models.values()]
    return [*shown[:-1], replace(shown[-1], notes=tuple(notes(results)))] if shown else []


def _table(results: Sequence[ScalingResult]) -> Table:
    cell, groups = results[0].cell, dict[Shape, list[ScalingResult]]()
    for result in results:
        groups.setdefault((result.cell.backend, result.workers, result.replicas), []).append(result)
    return Table(
        title=f"{results[0].scaling.capitalize()} scaling of {user_code.readable(cell.model)}{_fed(cell)}, "
        f"{cell.image_size} px, {cell.precision}, {cell.device}",
        columns=COLUMNS,
        rows=tuple(_row(group, groups.get((shape[0], 1, 1), [])) for shape, group in groups.items()),
    )


def _fed(cell: Cell) -> str:
    return f" fed by {user_code.readable(cell.pipeline)}" if cell.pipeline != RESIDENT else ""


def _row(group: Sequence[ScalingResult], alone: Sequence[ScalingResult]) -> tuple[Value, ...]:
    """A row of `COLUMNS`; `alone` are the results of one replica."""
    first = group[0]
    names = (first.cell.backend, first.workers, first.replicas, first.cell.batch_size)
    measured = [result for result in group if result.step_seconds]
    if not measured:
        return *names, first.status, "", "", "", ""
    base = {result.round: result for result in alone if result.step_seconds}
    gains = [_rate(result) / _rate(base[result.round]) for result in measured if result.round in base]
    return (
        *names,
        median(median(result.step_seconds) for result in measured),
        median(_rate(result) for result in measured),
        _spread(gains),
        median(gains) / first.total if gains else None,
        verdict(group, alone),
    )


def _rate(result: ScalingResult) -> float:
    """Images/s of a group whose steps were timed."""
    return result.images_per_second or 0.0


def _spread(values: Sequence[float]) -> Value:
    """Median with lowest and highest; nothing of nothing."""
    if len(values) < 2:
        return values[0] if values else None
    return Interval(median(values), min(values), max(values))


def verdict(group: Sequence[ScalingResult], alone: Sequence[ScalingResult]) -> str:
    """Whether losses are those of one replica: `equal`, `differs`, or nothing where they were not compared."""
    difference = difference_of(group, alone)
    if difference is None:
        return ""
    return EQUAL if difference <= LOSS_TOLERANCE else DIFFERS


def difference_of(group: Sequence[ScalingResult], alone: Sequence[ScalingResult]) -> float | None:
    """By how much losses differ from those of one replica, relatively; None where they were not compared."""
    reference = next((result for result in alone if result.losses), None)
    checked = next((result for result in group if result.losses), None)
    if not (reference and checked) or checked is reference or checked.checked_batch != reference.checked_batch:
        return None
    return loss_difference(checked.losses, reference.losses)


def notes(results: Sequence[ScalingResult]) -> list[str]:
    """What the columns mean, who shares which cores, what failed and why."""
    first = results[0]
    base = "efficiency: images/s over those of one replica, over the number of replicas"
    said = [
        f"{first.scaling} scaling: {SCALING[first.scaling]}; batch: of all replicas together; {base}",
        f"median [lowest, highest] over {max(result.round for result in results) + 1} fresh groups of processes; "
        f"one replica takes the plain step",
    ]
    if any(result.shares_cores for result in results):
        cores = first.machine.get("usable_cores", "?")
        said.append(
            f"stand-ins: replicas share the {cores} cores of this machine. No speed can be gained: the best speed-up "
            f"is near 1, the best efficiency 1 over their number; what is missing to that is the price of splitting"
        )
    said += _loss_notes(results)
    said += [
        f"{result.cell.backend}, {result.workers} x {result.replicas}: {result.status}: {result.reason}"
        for result in results
        if result.status != "ok"
    ]
    unsteady = sum(result.steady is False for result in results)
    if unsteady:
        said.append(f"{unsteady} of the groups had not settled when they were timed")
    busy = [result for result in results if (result.foreign_cpu_share or 0.0) > BUSY_SHARE]
    if busy:
        said.append(f"during {len(busy)} of {len(results)} other programs used more than {BUSY_SHARE:.0%} of the CPU")
    return said


def _loss_notes(results: Sequence[ScalingResult]) -> list[str]:
    """How losses were compared, and the largest difference of each backend."""
    checked = [result for result in results if result.losses]
    if not checked:
        return []
    said = [
        f"loss: after each of three steps from the same weights on the same {checked[0].checked_batch} images, within "
        f"{LOSS_TOLERANCE:.1%} of that of one replica; without dropout, batch normalisation by its moving statistics"
    ]
    alone = {(result.cell.backend, result.cell.model): [result] for result in checked if result.total == 1}
    largest: dict[str, float] = {}
    for result in checked:
        difference = difference_of([result], alone.get((result.cell.backend, result.cell.model), []))
        if difference is not None:
            largest[result.cell.backend] = max(difference, largest.get(result.cell.backend, 0.0))
    if largest:
        said.append(f"largest difference: {', '.join(f'{name} {value:.1e}' for name, value in largest.items())}")
    apart = [name for name in largest if not product.backends()[name].normalizes_globally]
    if apart:
        said.append(
            f"in the timed steps batch normalisation takes its statistics from each replica's own images on "
            f"{' and '.join(apart)}, from the global batch on JAX: models that have it learn a little differently"
        )
    return said


def markdown(results: Sequence[ScalingResult], into: str = "") -> str:
    """Tables, notes, origin, and the command that measures it again, with the option of another store `into`."""
    return page("Scaling over replicas and hosts", tables(results), results[0].origin, command=command(results) + into)


def command(results: Sequence[ScalingResult]) -> str:
    """What measures a campaign again."""
    first = results[0]
    cell = first.cell
    chosen = {
        "model": [result.cell.model for result in results],
        "backend": [result.cell.backend for result in results],
        "replicas": sorted({result.replicas for result in results}),
        "workers": sorted({result.workers for result in results}),
        "scaling": [first.scaling],
        "batch-size": [cell.batch_size // (1 if first.scaling == STRONG else first.total)],
        "image-size": [cell.image_size],
        "precision": [cell.precision],
        "device": [cell.device],
    }
    usual = {"workers": "1", "scaling": WEAK, "precision": "float32"}
    given = {name: ",".join(dict.fromkeys(map(str, values))) for name, values in chosen.items()}
    words = [f"--{name} {value}" for name, value in given.items() if usual.get(name) != value]
    return " ".join(["python -m bench scaling", *words])


def exit_code(results: Sequence[ScalingResult]) -> int:
    """1 if a group failed or its losses differ from those of one replica."""
    failed = any(result.status not in ("ok", "n/a") for result in results)
    return int(failed or any(DIFFERS in row for table in tables(results) for row in table.rows))
