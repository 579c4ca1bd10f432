"""How a training computed its steps, by what its result says: for what never measures older commits."""

from bench.training.run import TrainingRun
from flowers_core.train.tuned import Way


def way_of(training: TrainingRun) -> Way:
    """How a training computed its steps; older results are of TensorFlow."""
    settings = training.settings
    return Way(
        backend=settings.get("backend", "tensorflow"),
        precision=settings.get("precision", "float32"),
        xla=settings.get("xla", False),
        torch_compile=settings.get("torch_compile", False),
        batch_size=settings.get("batch_size"),
    )
