"""A process that trains a few steps from given weights on one batch, and answers with their losses.

`python -m bench.compare.loss_worker` follows one job, see `bench.run.child`.
"""

import os
from pathlib import Path
from typing import Any

from bench.results.cell import Cell
from bench.run import child, step_under_test
from bench.run.data_source import Source

STEPS = 3  # two updates lie before the last loss, so that gradients and the optimizer are seen as well


def losses(cell: Cell, source: Source, *, classes: int, weights: Path) -> list[float]:
    """The running loss after each of a few steps, without dropout, which draws at random.

    Args:
        cell: A training step on a resident batch.
        source: Says where a user's own model is found.
        classes: How many the model tells apart.
        weights: A file of weights to begin with; written with the model's own if there is none.
    """
    device = step_under_test.find_device(cell)
    batches = step_under_test.build_batches(cell, source, images=0, classes=classes)
    model = step_under_test.build_model(cell, batches, device, classes=classes, source=source)
    with device.scope():
        _begin(model, weights)
    step: Any = step_under_test.step_of(model, cell, batches, device)
    return [float(step()["loss"]) for _ in range(STEPS)]


def _begin(model: Any, weights: Path) -> None:
    """Stops dropout, and gives the model the weights of a file, or the file those of the model."""
    import keras
    import numpy as np

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    if weights.exists():
        with np.load(weights) as kept:
            model.set_weights([kept[f"arr_{number}"] for number in range(len(kept.files))])
        return
    unfinished = weights.with_name("unfinished.npz")
    np.savez(unfinished, *model.get_weights())
    unfinished.replace(weights)


def main() -> None:
    """Follows its job."""
    orders, answer = child.connect()
    job = next(orders)
    try:
        found = losses(
            Cell(**job["cell"]), Source(**job["source"]), classes=job["classes"], weights=Path(job["weights"])
        )
    except Exception as error:  # whatever stops it is the candidate's reason
        answer({"error": " ".join(f"{error or type(error).__name__}".split())[:500]})
        os._exit(0)
    answer({"losses": [loss if abs(loss) < float("inf") else None for loss in found]})


if __name__ == "__main__":
    main()
