"""Made-up trainings."""

import pytest

from bench.training.run import TrainingRun


@pytest.fixture
def trained():
    """Makes a training of given accuracies: `trained("dense", "ours", seed=1, accuracies=(0.5, 0.7), epoch=2.0)`."""

    def make(model="dense", variant="ours", *, seed=1, accuracies=(0.5, 0.7, 0.8), epoch=2.0, first=5.0, **fields):
        rows = [
            {
                "epoch": number + 1.0,
                "val_accuracy": accuracy,
                "elapsed_seconds": first + number * epoch,
                "seconds": epoch,
                "images_per_second": 100 / epoch,
            }
            for number, accuracy in enumerate(accuracies)
        ]
        given = {
            "campaign": "20261124T120000Z",
            "history": tuple(rows),
            "images": 100,
            "started": "2026-11-24T12:00:00+00:00",
            "settings": {"batch_size": 10},
            "machine": {"host": "lab", "cpu": "Test CPU", "usable_cores": 2, "packages": {"keras": "3.15.1"}},
            "code": {"commit": "c0ffee00", "dirty": False},
        }
        return TrainingRun(model=model, variant=variant, seed=seed, **{**given, **fields})

    return make
