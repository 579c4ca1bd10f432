"""Accelerators to emulate: the published ones, and those of another machine's stored measurements."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.input.stall import published
from bench.input.stall.emulate import Consumer
from bench.results import store
from bench.results.cell import NO_MODEL, RESIDENT
from bench.results.measurement import Measurement
from flowers_core.errors import InputError


def chosen(files: Iterable[Path], named: Sequence[str], *, tell: Callable[[str], None]) -> list[Consumer]:
    """All published consumers and those of some files; only those of named models, if any are named.

    Args:
        files: Measurements as JSON lines.
        named: Models.
        tell: Is called with a line for each file that is damaged in part.

    Raises:
        InputError: If a file holds no measured training step.
    """
    stored = [one for path in files for one in of_file(path, tell=tell)]
    return [one for one in (*published.CONSUMERS, *stored) if not named or one.model in named]


def of_file(path: Path, *, tell: Callable[[str], None]) -> list[Consumer]:
    """What a file's training steps on a resident batch would eat: of each model the hungriest cell.

    Raises:
        InputError: If it holds none.
    """
    loaded = store.read(Measurement, [path])
    steps = [one for one in loaded.results if is_step(one)]
    if not steps:
        first = f"; its first: {loaded.damaged[0]}" if loaded.damaged else ""
        raise InputError(
            f"`--step-times` takes a file of results/measurements with training steps on a resident batch. "
            f"Received: {path}, with {len(loaded.results)} measurements, none of them such, and "
            f"{len(loaded.damaged)} lines that are no measurement{first}"
        )
    if loaded.damaged:
        tell(f"{path.name}: {len(loaded.damaged)} lines could not be read and are left out: {loaded.damaged[0]}")
    hungriest: dict[tuple[str, int], Measurement] = {}
    for one in sorted(steps, key=lambda one: one.images_per_second):
        hungriest[one.cell.model, one.cell.image_size] = one
    return [of_measurement(one, source=path.name) for one in hungriest.values()]


def is_step(one: Measurement) -> bool:
    """Whether it is of a training step on a resident batch, and has a figure."""
    return (one.status, one.cell.mode, one.cell.pipeline) == ("ok", "train", RESIDENT) and one.cell.model != NO_MODEL


def of_measurement(one: Measurement, *, source: str) -> Consumer:
    """A consumer that repeats the steps that were measured, as long and as unsteady as they were."""
    names = [device.get("name", "") for device in one.machine.get("accelerators", [])]
    return Consumer(
        accelerator=", ".join(filter(None, names if one.cell.device != "cpu" else []))
        or f"{one.cell.device.upper()} of {one.machine.get('host', '?')}",
        model=one.cell.model,
        batch_size=one.cell.batch_size,
        image_size=one.cell.image_size,
        step_seconds=one.step_seconds,
        origin="measured",
        source=f"{source}: {one.cell.id}, {one.started[:10]}",
    )
