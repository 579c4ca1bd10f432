"""Models of other libraries as steps on torch, by a stand-in for timm that has one small network."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from bench.results import identity
from bench.results.cell import Cell
from bench.run import step_under_test, torch_peers
from bench.run.product import Unsuitable
from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.train import flops

torch = pytest.importorskip("torch", exc_type=ImportError)

PEER = Cell(model="timm:small", backend="torch", batch_size=4, image_size=16)
HERE = SimpleNamespace(scope=nullcontext)


def small(num_classes):
    """A convolution with bias, normalised, pooled, averaged, and a dense layer."""
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, groups=8),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(8, num_classes),
    )  # fmt: skip


def small_of_keras(classes):
    """The same network of Keras."""
    stack = keras.layers
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)), stack.Conv2D(8, 3, padding="same"), stack.BatchNormalization(),
            stack.Activation("relu"), stack.MaxPooling2D(2), stack.DepthwiseConv2D(3),
            stack.GlobalAveragePooling2D(), stack.Dropout(0.1), stack.Dense(classes),
        ]
    )  # fmt: skip


@pytest.fixture
def timm(monkeypatch):
    """Puts the stand-in in the place of timm."""
    made = SimpleNamespace(
        is_model=lambda name: name == "small",
        list_models=lambda: ["small"],
        create_model=lambda _, num_classes, **__: small(num_classes),
    )
    monkeypatch.setitem(sys.modules, "timm", made)


@pytest.fixture
def batches():
    """The same four images of noise again and again, as a backend repeats them."""
    noise = np.random.default_rng(0)
    images = torch.from_numpy(noise.random((4, 16, 16, 3), dtype=np.float32))
    labels = torch.from_numpy(noise.integers(0, 5, 4))

    def again(dtype="float32"):
        batch = images if dtype == "float32" else (images * 255).to(torch.uint8)
        while True:
            yield batch, labels

    return again


@pytest.mark.usefixtures("timm")
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_training_step_learns(batches, precision, dtype):
    """Whatever type a pipeline's pixels have, and in bfloat16 as well: the loss of one batch falls."""
    cell = Cell(**{**PEER.to_json(), "precision": precision})
    model = step_under_test.build_model(cell, batches(), HERE, classes=5)
    step = torch_peers.step(model, cell, batches(dtype))
    losses = [float(step()["loss"]) for _ in range(30)]

    assert losses[-1] < losses[0]
    assert model[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("timm")
def test_prediction_gives_probabilities(batches):
    """A row an image, and they add up to 1."""
    cell = Cell(**{**PEER.to_json(), "mode": "predict"})
    model = step_under_test.build_model(cell, batches(), HERE, classes=5)
    predicted = torch_peers.step(model, cell, batches())()

    np.testing.assert_allclose(predicted.sum(dim=1), np.ones(4), rtol=1e-5)


@pytest.mark.usefixtures("timm")
def test_flops_are_counted_as_those_of_a_keras_model(batches):
    """The same network has the same cost in a training step and in a prediction."""
    model = step_under_test.build_model(PEER, batches(), HERE, classes=5)
    for mode in ("train", "predict"):
        cell = Cell(**{**PEER.to_json(), "mode": mode})
        ours = flops.step_cost(small_of_keras(5), mode=mode, batch_size=4, precision="float32")
        theirs = torch_peers.cost(model, cell)

        assert theirs.gflops == pytest.approx(ours.gflops, rel=1e-3)
        assert theirs.gigabytes == pytest.approx(ours.gigabytes, rel=0.05)  # Keras counts moving averages as parameters
    assert step_under_test.cost(model, PEER)["float32_format"] == "float32"


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'timm'"), RuntimeError("torchvision::nms")])
def test_missing_library_is_na_with_its_reason(monkeypatch, error):
    """Not installed, or a torchvision that does not fit torch: what to install is said."""

    def find(name, *_):
        if name == "timm":
            raise error

    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [SimpleNamespace(find_spec=find), *sys.meta_path])
    with pytest.raises(Unsuitable, match=f"{error}. To measure it, install timm"):
        torch_peers.build_model(PEER, HERE, classes=5)


@pytest.mark.usefixtures("timm")
def test_wrong_use_is_a_sentence():
    """A name that timm has not, another backend, a training."""
    with pytest.raises(InputError, match="one of timm's"):
        torch_peers.build_model(Cell(**{**PEER.to_json(), "model": "timm:large"}), HERE, classes=5)
    with pytest.raises(InputError, match="run on torch: give `--backend torch`"):
        Cell(model="timm:small")
    with pytest.raises(InputError, match="not trained"):
        models.build("timm:small")


def test_cell_names_the_library_that_decides_its_figure():
    """In its id, in the command that measures it again, and in the packages that tell rows apart."""
    assert PEER.id == "timm.small-train-resident-16-b4-cpu-float32-torch"
    assert "--model timm:small" in PEER.command
    assert PEER.frameworks == ["timm", "torch"]
    assert identity.loads(PEER, "timm")
    assert not identity.loads(Cell(model="dense"), "timm")
