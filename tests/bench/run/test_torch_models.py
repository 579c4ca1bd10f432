"""Our architectures in plain torch.nn: the weights, outputs and arithmetic of the Keras models."""

from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from bench.results.cell import Cell
from bench.run import matrix, step_under_test, torch_models, torch_peers
from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.train import flops
from tests.flowers_core.models.test_models import TABLE

torch = pytest.importorskip("torch", exc_type=ImportError)

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HERE = SimpleNamespace(scope=nullcontext)
# Sides of which each stride of 2 meets an odd one, so that both libraries pad alike; MobileNet's pads as no other.
# ResNet50 and VGG16 agree as well, and take seconds to build.
SIZES = {name: 32 for name, row in models.MODELS.items() if not row.has_base} | {"mobilenetv2": 33, "xception": 71}


def peer(name, size, **fields):
    return Cell(model=f"torch:{name}", backend="torch", image_size=size, batch_size=2, **fields)


def test_every_model_has_a_peer():
    """In the same order, by the same names."""
    assert list(torch_models.MODELS) == list(models.MODELS)


@pytest.mark.parametrize(("name", "size", "parameters", "learn"), [(*row[:2], *row[-2:]) for row in TABLE])
def test_weights_are_as_many_as_the_codelabs(name, size, parameters, learn):
    """Those that learn, and in all with the statistics of the normalisation; the output is a logit a class."""
    with torch.device("meta"):
        model = torch_models.MODELS[name](image_size=size, classes=5).train()
        logits = model(torch.zeros(2, 3, size, size))
    learning = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    norms = [module.weight for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    fixed = sum(scale.numel() for scale in norms if not scale.requires_grad) if name == "squeezenet_331" else 0
    numbers = sum(tensor.numel() for key, tensor in model.state_dict().items() if not key.endswith("batches_tracked"))

    assert learning == learn
    assert numbers - fixed == parameters  # Keras' has no scale before a relu, torch's one that does not learn
    assert logits.shape == (2, 5)


def kernels(model):
    """Kernel and bias of each layer that has one, as torch orders axes, and in the order of torch's layers."""
    order = {"Dense": (1, 0), "DepthwiseConv2D": (2, 3, 0, 1)}
    layers = [layer for _, layer in flops._flat(model, prefix="")]
    for layer in sorted(layers, key=lambda layer: layer.name.replace("_0_", "_9_") if "_block" in layer.name else ""):
        kind, weights = type(layer).__name__, [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
        if kind == "SeparableConv2D":
            yield weights[0].transpose(2, 3, 0, 1), None
            yield weights[1].transpose(3, 2, 0, 1), None
        elif kind in ("Dense", "Conv2D", "DepthwiseConv2D"):
            bias = weights[1] if len(weights) > 1 else None
            yield weights[0].transpose(order.get(kind, (3, 2, 0, 1))), bias


def carry_over(ours, model):
    """Gives each layer of torch the first weights of its shape that no other has."""
    waiting = list(kernels(ours))
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            shape = tuple(module.weight.shape)
            number = next(number for number, (kernel, _) in enumerate(waiting) if kernel.shape == shape)
            kernel, bias = waiting.pop(number)
            module.weight.data = torch.from_numpy(kernel.copy())
            assert (bias is None) == (module.bias is None)
            if bias is not None:
                module.bias.data = torch.from_numpy(bias)
    assert not waiting


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_outputs_and_arithmetic_are_those_of_the_keras_model(name, size):
    """From the same weights the same probabilities; a training step has as many FLOPs."""
    ours, cell = models.build(name, image_size=size), peer(name, size)
    model = step_under_test.build_model(cell, [], HERE, classes=5)
    carry_over(ours, model)
    images = np.random.default_rng(0).random((2, size, size, 3), dtype=np.float32)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(images).permute(0, 3, 1, 2))
    expected = np.log(ours(images, training=False))

    np.testing.assert_allclose(torch.log_softmax(logits, dim=1), expected, atol=1e-3 * np.ptp(expected) + 1e-6)
    counted = flops.step_cost(ours, mode="train", batch_size=2, precision="float32").gflops
    assert torch_peers.cost(model.train(), cell).gflops == pytest.approx(counted, rel=0.02)


def test_frozen_base_stays_as_it_is():
    """A step changes the dense layer alone, neither weights nor statistics of the base; a prediction is no other."""
    cell = peer("mobilenetv2", 32)
    model = step_under_test.build_model(cell, [], HERE, classes=5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.rand(2, 32, 32, 3)
    torch_peers.step(model, cell, iter([(images, torch.tensor([0, 1]))]))()

    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"2.weight", "2.bias"}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_training_step_learns(precision):
    """The loss of one batch falls, in bfloat16 as well."""
    cell = peer("dense", 32, precision=precision)
    model = step_under_test.build_model(cell, [], HERE, classes=5)
    batch = torch.rand(2, 32, 32, 3), torch.tensor([0, 1])
    step = torch_peers.step(model, cell, iter([batch] * 8))
    losses = [float(step()["loss"]) for _ in range(8)]
    assert min(losses[4:]) < losses[0]


def test_cell_of_a_peer():
    """It is measured at our model's size, in its own rows; in a sweep of both it runs on torch, ours where asked."""
    assert peer("squeezenet", 192).id == "torch.squeezenet-train-resident-192-b2-cpu-float32-torch"
    assert peer("squeezenet", 192).frameworks == ["torch"]
    assert (models.image_size("torch:xception"), models.spec("torch:xception").heavy) == (331, True)
    cells = matrix.profile("quick", backend="jax", model_names=["xception", "torch:xception"])
    assert [(cell.backend, cell.xla, cell.image_size, cell.batch_size) for cell in cells] == [
        ("jax", True, 331, 4),
        ("torch", False, 331, 4),
    ]
    with pytest.raises(InputError, match="did you mean squeezenet"):
        peer("squeezenett", 192)
