"""Tests of `flowers_core.train.flops`: counts are those by hand, of the codelab's table, and of XLA."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from flowers_core import models
from flowers_core.errors import InputError
from flowers_core.train import flops

PROJECT_ROOT = Path(__file__).parents[3]

# models whose gradient is lowered as well: one of each way of learning, and quick to lower
TRAINED = ("dense_single", "dense", "convnet", "convnet_gap", "squeezenet_small", "mobilenetv2", "vgg16")

XLA_COUNTS = """
import json, sys, jax, keras
from flowers_core import models

def specs(variables):
    return [jax.ShapeDtypeStruct(tuple(v.shape), v.dtype) for v in variables]

def counts(name, with_gradient):
    model = models.build(name)
    size = models.image_size(name)
    arguments = (specs(model.trainable_variables), specs(model.non_trainable_variables),
                 jax.ShapeDtypeStruct((1, size, size, 3), "float32"))
    def forward(learnt, fixed, images, training=False):
        return model.stateless_call(learnt, fixed, images, training=training)[0]
    def loss(*arguments):
        return -keras.ops.log(forward(*arguments, training=True))[0, 0]
    lowered = [jax.jit(forward)] + ([jax.jit(jax.value_and_grad(loss))] if with_gradient else [])
    return [function.lower(*arguments).cost_analysis()["flops"] for function in lowered]

with keras.StatelessScope(initialize_variables=False):
    print(json.dumps({name: counts(name, name in sys.argv[1:]) for name in models.MODELS}))
"""


@pytest.fixture(scope="module")
def rows():
    """The table of all models, by name."""
    return {row["name"]: row for row in flops.table()}


@pytest.fixture(scope="module")
def xla():
    """XLA's FLOPs for one image by name: forward, and for those in TRAINED loss with gradient."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX, whose counts these are compared with, is not installed")
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", XLA_COUNTS, *TRAINED]
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", models.MODELS)
def test_table_forward_flops_are_those_of_xla(name, rows, xla):
    """Forward FLOPs differ from XLA's count of the un-compiled program by less than 5 %.

    XLA leaves out what falls on padding, which matters most for small maps (resnet50, vgg16: 4 to 5 %).
    """
    assert rows[name]["forward_gflops"] * 1e9 == pytest.approx(xla[name][0], rel=0.05)


@pytest.mark.parametrize("name", TRAINED)
def test_table_training_flops_are_those_of_xla(name, rows, xla):
    """Training FLOPs differ from XLA's count of loss and gradient by less than 5 %."""
    assert rows[name]["training_gflops"] * 1e9 == pytest.approx(xla[name][1], rel=0.05)


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("dense", 55), ("convnet_gap", 507), ("convnet_gap_dense", 506), ("squeezenet", 633),
        ("squeezenet_small", 352), ("mobilenetv2", 220), ("xception", 10_219),
    ],
)  # fmt: skip
def test_table_multiply_adds_are_those_of_codelab(name, millions, rows):
    """Multiply-adds, in whole millions, are those derived from the codelab's models."""
    assert round(rows[name]["multiply_adds"] / 1e6) == millions


def test_table_dense_single_by_hand(rows):
    """One dense layer: a multiply-add for each weight, a bias and a softmax for each of 5 outputs."""
    row = rows["dense_single"]
    inputs = 192 * 192 * 3
    assert row["parameters"] == inputs * 5 + 5
    assert row["multiply_adds"] == inputs * 5
    assert row["forward_gflops"] == pytest.approx((2 * inputs * 5 + 10) / 1e9, rel=1e-12)
    assert row["training_gflops"] == 2 * row["forward_gflops"]
    assert row["activation_megabytes"] == 5 * 4 / 1e6


def test_table_convnet_gap_by_hand(rows):
    """Convolutions of 16, 30, 60, 90, 110, 130 and 40 filters at 192, 96, 48, 24 and 12 pixels."""
    by_hand = 192**2 * 9 * (3 * 16 + 16 * 30)
    by_hand += 96**2 * 9 * 30 * 60 + 48**2 * 9 * 60 * 90 + 24**2 * 9 * 90 * 110
    by_hand += 12**2 * (9 * 110 * 130 + 130 * 40) + 40 * 5
    assert rows["convnet_gap"]["multiply_adds"] == by_hand


def test_layers_of_each_kind_by_hand():
    """A separable and a strided depthwise convolution, pooling, normalisation and an average, one by one."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.SeparableConv2D(4, 3, padding="same", activation="relu"),
            keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.MaxPooling2D(2),
            keras.layers.GlobalAveragePooling2D(),
        ]
    )
    separable, depthwise, norm, pool, average = flops.layers(model)
    assert separable.multiply_adds == 64 * (9 * 3 + 3 * 4)
    assert separable.flops == 2 * separable.multiply_adds + 2 * 64 * 4
    assert depthwise.multiply_adds == 16 * 9 * 4
    assert depthwise.flops == 2 * depthwise.multiply_adds
    assert (norm.flops, norm.parameters, norm.trainable_parameters) == (2 * 64, 16, 8)
    assert (pool.flops, average.flops) == (4 * 16, 16)
    assert [cost.output_shape for cost in (separable, depthwise, pool, average)] == [
        (8, 8, 4),
        (4, 4, 4),
        (2, 2, 4),
        (4,),
    ]


def test_layers_of_nested_model_stand_in_its_place():
    """The layers of a base are counted one by one, under its name, and its frozen weights do not learn."""
    base = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)], name="base")
    base.trainable = False
    model = keras.Sequential([keras.Input((4, 4, 3)), base, keras.layers.Flatten(), keras.layers.Dense(5)])
    convolution, flatten, dense = flops.layers(model)
    assert convolution.name.startswith("base/")
    assert (convolution.parameters, convolution.trainable_parameters) == (8, 0)
    assert flatten.activation_bytes == 0
    whole = flops.total(model)
    assert (whole.parameters, whole.trainable_parameters) == (8 + 165, 165)
    assert whole.training_gflops * 1e9 == pytest.approx(convolution.flops + 2 * dense.flops)


def test_total_refuses_unknown_kind_of_layer():
    """A layer for which there is no rule is refused by name."""
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2DTranspose(2, 2)])
    with pytest.raises(InputError, match="Conv2DTranspose"):
        flops.total(model)


def test_table_leaves_weights_to_be_drawn(rows):
    """After the table a new model draws its own weights, and an unknown name is refused."""
    assert len(rows) == len(models.MODELS)
    fresh = models.build("convnet", image_size=16)
    assert all(weight.numpy().shape == tuple(weight.shape) for weight in fresh.weights)
    with pytest.raises(InputError, match="one of dense_single"):
        flops.table(["nope"])


def test_step_cost_counts_what_moves_and_what_learns():
    """By hand: a dense layer of 12 numbers to 5, whose input is renamed; two images share the moving of its weights."""
    model = models.build("dense_single", image_size=2)
    trained = flops.step_cost(model, mode="train", batch_size=2, precision="float32")
    predicted = flops.step_cost(model, mode="predict", batch_size=2, precision="mixed_bfloat16")
    forward, weights, image, output = (2 * 12 * 5 + 2 * 5), (12 * 5 + 5), 12 * 4, 5

    assert trained.gflops == pytest.approx(2e-9 * forward)  # once more for the gradient of the weights
    assert trained.gigabytes == pytest.approx(1e-9 * (image + 5 * 4 * output + 4 * 10 * weights / 2))
    assert predicted.gflops == pytest.approx(1e-9 * forward)
    assert predicted.gigabytes == pytest.approx(1e-9 * (image + 2 * 2 * output + 4 * weights / 2))
