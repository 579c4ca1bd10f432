"""One process of a group that trains a model together: it times its steps, or takes three to compare their losses.

`python -m bench.run.scaling.member` is a child of `processes.LocalHost`, see `bench.run.child`. The process of rank 0
decides how many steps there are; the others go on until they are ended, for nobody can take a step alone.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import repeat
from typing import Any

from bench.results.cell import RESIDENT, Cell
from bench.run import child, product, step_under_test, timing
from bench.run.data_source import CLASSES, Source
from bench.run.product import ReportedError, RunFailed, Unsuitable
from flowers_core.connection import BEAT_SECONDS

CHECKED_STEPS = 3
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process does.

    Attributes:
        cell: What is trained; its batch is the global one.
        addresses: `host:port` of each process of the group, by rank.
        rank: Of this process.
        replicas: In this process.
        first_device: Which of the host's accelerators is its first.
        meet_seconds: How long it waits for the others.
        effort: How long its steps are timed.
        check: Whether it takes three steps for their losses, and times none.
        source: What a pipeline reads, and where a user's own models and loaders are found.
        classes: How many the model tells apart.
    """

    cell: Cell
    addresses: tuple[str, ...]
    rank: int
    replicas: int
    first_device: int
    meet_seconds: float
    effort: timing.Effort = field(default_factory=timing.Effort)
    check: bool = False
    source: Source = field(default_factory=Source)
    classes: int = CLASSES

    def to_json(self) -> dict:
        """Plain values."""
        return asdict(self)

    def group(self) -> Any:
        """The group as the package knows it."""
        names = ("rank", "replicas", "first_device", "meet_seconds")
        return product.Group(addresses=tuple(self.addresses), **{name: getattr(self, name) for name in names})


def job_from_json(values: dict) -> Job:
    """Reads what `Job.to_json` gave."""
    kinds: dict[str, Any] = {"cell": Cell, "effort": timing.Effort, "source": Source}
    parts: dict[str, Any] = {name: kind(**values[name]) for name, kind in kinds.items()}
    return Job(**{**values, **parts})


def run(job: Job, tell: Callable[[dict], None]) -> dict:
    """Trains, and gives what was found; of a rank other than 0 it never returns where steps are timed.

    Args:
        job: What to do.
        tell: Is told `joined` when the group has met, and `timing` when timed steps begin.

    Raises:
        Unsuitable: If the devices are unavailable.
        RunFailed: If a loss is not finite.
    """
    import keras

    backend = product.get_backend(job.cell.backend)
    product.check_precision(job.cell.precision, job.cell.device)
    try:
        device = backend.join(job.group(), job.cell.device)
    except product.DeviceAbsent as absent:
        raise Unsuitable(str(absent)) from absent
    tell({"event": "joined"})
    keras.utils.set_random_seed(SEED)  # the same weights in every process
    with device.scope():
        step = _step(job, backend)

        def synchronised() -> dict:
            return backend.synchronise(step())

        if job.check:
            losses = [backend.shared_logs(synchronised())["loss"] for _ in range(CHECKED_STEPS)]
            if not all(map(math.isfinite, losses)):
                raise RunFailed(f"losses must be finite to be compared. Received: {', '.join(map(str, losses))}")
            return {"losses": losses}
        while job.rank:
            synchronised()
        times = timing.clock_steps(synchronised, job.effort, at_start=partial(tell, {"event": "timing"}))
    return {"device": device.name, **asdict(times)}


def _step(job: Job, backend: Any) -> Callable[[], dict]:
    """A training step on this process' share of each batch: of one batch of noise, or of what a pipeline gives."""
    cell, share = job.cell, job.group().share(job.cell.batch_size)
    own = replace(cell, batch_size=share.stop - share.start, pipeline=RESIDENT if job.check else cell.pipeline)
    source = replace(job.source, rank=job.rank, workers=len(job.addresses))
    with product.use_precision(cell.precision):
        fed = None
        if own.pipeline != RESIDENT:
            images = source.describe(own.reads).get("images", 0)
            fed = step_under_test.build_batches(own, source, images=images, classes=job.classes)
        model = product.build_model(
            cell.model,
            image_size=cell.image_size,
            classes=job.classes,
            from_uint8=fed is not None and step_under_test.yields_uint8(own, fed),
            option=source.find_option(cell.model),
        )
        if job.check:
            make_comparable(model)
        product.compile_model(model, xla=cell.compiled)
        if fed is None:
            return backend.shared_step(model, repeat(backend.place_share(model, *_noise(job, share))))
        arrays = fed.as_numpy_iterator() if hasattr(fed, "as_numpy_iterator") else fed
        return backend.shared_step(model, (backend.place_share(model, *batch) for batch in arrays))


def _noise(job: Job, share: slice) -> tuple[Any, Any]:
    """A share of one batch of noise, the same batch whatever the group."""
    import numpy as np

    cell, noise = job.cell, np.random.default_rng(SEED)
    images = noise.random((cell.batch_size, cell.image_size, cell.image_size, 3), dtype=np.float32)
    labels = noise.integers(0, job.classes, cell.batch_size)
    return images[share], labels[share]


def make_comparable(model: Any) -> None:
    """Leaves out of training what differs by how a batch is split, whoever is right.

    Each replica draws its own dropout, and on TensorFlow and torch takes its own statistics for batch normalisation:
    here nothing is dropped, and normalisation uses the moving statistics, as after training.
    """
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def main() -> None:
    """Does what the parent orders, and shows every second that it is alive."""
    orders, answer = child.connect()
    job, lock = job_from_json(next(orders)), threading.Lock()

    def tell(values: dict) -> None:
        with lock:
            answer(values)

    def beat() -> None:
        while True:
            tell({"event": "beat"})
            pause.wait(BEAT_SECONDS)

    pause = threading.Event()
    threading.Thread(target=beat, daemon=True).start()
    try:
        tell({"event": "ended", **run(job, tell)})
    except Unsuitable as unsuitable:
        tell({"event": "failed", "status": "n/a", "reason": str(unsuitable)})
    except ReportedError as error:
        tell({"event": "failed", "status": "error", "reason": str(error)})
    except Exception as error:  # whatever a framework throws, above all when another process is lost
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        tell({"event": "failed", "status": "error", "reason": reason[:500]})
    next(orders, None)  # to leave would end the others' connections: the parent ends all at once


if __name__ == "__main__":
    main()
