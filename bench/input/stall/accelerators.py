"""Accelerators to emulate: published step times, and those of another machine's stored measurements.

The published ones are what the codelab's notebooks printed on the accelerators that they ran on. Keras' milliseconds
per step include waiting for input and validation: the accelerator itself may be faster, and demand more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.results import store
from bench.results.cell import NO_MODEL, RESIDENT
from bench.results.measurement import Measurement
from bench.results.summary import Summary
from flowers_core.errors import InputError, one_of

ORIGINS = ("published", "measured")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A model that trains on an accelerator, as far as a pipeline sees it.

    Attributes:
        accelerator: Its name.
        model: What it trains.
        batch_size: Images per step.
        image_size: Side of the images in pixels.
        step_seconds: Durations of its steps, taken in turn, again and again.
        origin: One of `ORIGINS`: a published figure was not measured here.
        source: Where they come from.
    """

    accelerator: str
    model: str
    batch_size: int
    image_size: int
    step_seconds: tuple[float, ...]
    origin: str
    source: str

    def __post_init__(self):
        one_of("origin", self.origin, ORIGINS)
        if not self.step_seconds or min(self.step_seconds) <= 0:
            raise InputError(f"`step_seconds` must be numbers above 0. Received: {self.step_seconds!r}")

    @property
    def images_per_second(self) -> float:
        """Its demand when it never waits."""
        return self.batch_size * len(self.step_seconds) / sum(self.step_seconds)


# model, batch size, image size, milliseconds per step, accelerator, notebook. Google's Colab lent v2-8 in 2021.
_ROWS = (
    ("convnet_gap", 128, 192, 110, "TPU v2-8", "07_solution, Colab, 2021-09"),
    ("squeezenet", 128, 192, 170, "TPU v2-8", "07_squeezenet, Colab, 2021-09"),
    ("xception", 128, 331, 350, "TPU v2-8", "07_xception_fine_tuned_best, Colab, 2021-09"),
    ("convnet_gap", 128, 192, 64, "TPU, 8 cores", "07_solution, 2020-06; version not named"),
    ("squeezenet", 128, 192, 115, "TPU, 8 cores", "07_squeezenet, 2020-06; version not named"),
    ("squeezenet_331", 256, 331, 438, "TPU v3-8", "07_squeezenet at 331 px, 2020-06"),
    ("xception", 128, 331, 181, "TPU v3-8", "07_xception_fine_tuned_best, 2020-06"),
)

PUBLISHED = tuple(
    Workload(
        accelerator=accelerator,
        model=model,
        batch_size=batch_size,
        image_size=image_size,
        step_seconds=(milliseconds / 1000,),
        origin="published",
        source=f"stored output of the codelab's notebooks: {notebook}",
    )
    for model, batch_size, image_size, milliseconds, accelerator, notebook in _ROWS
)


def select(files: Iterable[Path], models: Sequence[str]) -> list[Workload]:
    """All published workloads and those of the files; only of the given models, if there are any.

    Args:
        files: Measurements as JSON lines.
        models: Names.

    Raises:
        InputError: If a file holds no measured training step.
    """
    stored = [workload for path in files for workload in from_file(path)]
    return [workload for workload in (*PUBLISHED, *stored) if not models or workload.model in models]


def from_file(path: Path) -> list[Workload]:
    """The training steps on a resident batch that a file holds: for each model and size the cell of highest demand.

    Raises:
        InputError: If it holds none.
    """
    loaded = store.read(Measurement, [path])
    steps = [measurement for measurement in loaded.results if is_step(measurement)]
    if not steps:
        first = f"; its first: {loaded.damaged[0]}" if loaded.damaged else ""
        raise InputError(
            f"`--step-times` takes a file of results/measurements with training steps on a resident batch. "
            f"Received: {path}, with {len(loaded.results)} measurements, none of them such, and "
            f"{len(loaded.damaged)} lines that are no measurement{first}"
        )
    fastest = {(step.cell.model, step.cell.image_size): step for step in sorted(steps, key=_images_per_second)}
    return [from_measurement(step, source=path.name) for step in fastest.values()]


def _images_per_second(measurement: Measurement) -> float:
    return measurement.images_per_second or 0.0


def is_step(measured: Measurement | Summary) -> bool:
    """Whether it is of a training step on a resident batch, and has a figure."""
    cell = measured.cell
    return (measured.status, cell.mode, cell.pipeline) == ("ok", "train", RESIDENT) and cell.model != NO_MODEL


def from_measurement(measurement: Measurement, *, source: str) -> Workload:
    """A workload that repeats the steps that were measured, with all their variation."""
    cell, machine = measurement.cell, measurement.machine
    names = [device.get("name", "") for device in machine.get("accelerators", []) if cell.device != "cpu"]
    return Workload(
        accelerator=", ".join(filter(None, names)) or f"{cell.device.upper()} of {machine.get('host', '?')}",
        model=cell.model,
        batch_size=cell.batch_size,
        image_size=cell.image_size,
        step_seconds=measurement.step_seconds,
        origin="measured",
        source=f"{source}: {cell.id}, {measurement.started[:10]}",
    )
