"""Losses of a few steps from the same weights."""

import pytest

from bench.compare import loss_worker
from bench.results.cell import Cell
from bench.run.data_source import Source


def test_losses_begin_with_the_weights_of_the_file(tmp_path):
    """The first call writes its own; the same step by XLA gives the same losses from them, dropout or not."""
    cell = Cell(model="squeezenet_small", batch_size=2, image_size=32)
    weights = tmp_path / "weights.npz"
    first = loss_worker.losses(cell, Source(), classes=3, weights=weights)
    again = loss_worker.losses(cell, Source(), classes=3, weights=weights)
    assert len(first) == loss_worker.STEPS
    assert first == pytest.approx(again, rel=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]
