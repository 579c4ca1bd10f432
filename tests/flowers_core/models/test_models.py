"""Tests of `flowers_core.models`: sizes, parameters, precision and weights are the codelab's."""

import math
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from flowers_core import models
from flowers_core.backends import precision
from flowers_core.errors import InputError, RunFailed
from flowers_core.models import pretrained

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PROJECT_ROOT = Path(__file__).parents[3]
MOBILENETV2_WEIGHTS = PROJECT_ROOT.parent / "shared/weights/mobilenet_v2_1.0_imagenet_no_top.weights.h5"

# name, image size, layers, what goes into the last layer, parameters, of which learn
TABLE = [
    ("dense_single", 192, 2, (110_592,), 552_965, 552_965),
    ("dense", 192, 4, (50,), 55_321_805, 55_321_805),
    ("convnet", 192, 16, (1152,), 43_389, 43_389),
    ("convnet_unpooled", 192, 12, (8,), 37_669, 37_669),
    ("convnet_gap", 192, 13, (40,), 293_233, 293_233),
    ("convnet_gap_dense", 192, 13, (90,), 300_033, 300_033),
    ("squeezenet", 192, 43, (48,), 120_613, 119_301),
    ("squeezenet_small", 192, 17, (48,), 21_709, 21_709),
    ("squeezenet_331", 331, 59, (48,), 119_365, 118_053),
    ("mobilenetv2", 192, 3, (46_080,), 2_488_389, 230_405),
    ("xception", 331, 3, (2048,), 20_871_725, 20_817_197),
    ("vgg16", 192, 3, (18_432,), 14_806_853, 92_165),
    ("resnet50", 192, 3, (73_728,), 23_956_357, 368_645),
    ("mobilenet", 192, 3, (36_864,), 3_413_189, 184_325),
]
SMALL = [name for name, *_, parameters, _ in TABLE if parameters < 1_000_000]
ONE_OF_EACH_KIND = ["dense", "convnet", "convnet_gap_dense", "squeezenet_331", "mobilenetv2", "xception"]


def noise():
    """Two images of 32 pixels, float32 in [0, 1], and their labels, one-hot of 5."""
    images = np.random.default_rng(7).random((2, 32, 32, 3), dtype="float32")
    return images, np.eye(5, dtype="float32")[:2]


def test_table_holds_every_model():
    """Every name has its row in the table of this file."""
    assert [name for name, *_ in TABLE] == list(models.MODELS)


@pytest.mark.parametrize(("name", "size", "layers", "features", "parameters", "learn"), TABLE)
def test_build_gives_codelabs_model(name, size, layers, features, parameters, learn):
    """Sizes, number of layers, parameters and the shape before the last layer are the codelab's."""
    with keras.StatelessScope(initialize_variables=False):  # no weights are drawn: they are not looked at
        model = models.build(name)
    assert model.name == name
    assert models.image_size(name) == size
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, 5)
    assert len([layer for layer in model.layers if type(layer) is not keras.layers.InputLayer]) == layers
    assert tuple(model.layers[-1].input.shape[1:]) == features
    assert model.count_params() == parameters
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == learn
    assert not model.compiled


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_build_takes_size_classes_and_policy(name):
    """Other sizes and classes are taken; under mixed_bfloat16 only the softmax computes in float32."""
    with precision.use("mixed_bfloat16"), keras.StatelessScope(initialize_variables=False):
        model = models.build(name, image_size=96, classes=3)
    assert (model.input_shape, model.output_shape) == ((None, 96, 96, 3), (None, 3))
    assert model.layers[-1].compute_dtype == model.outputs[0].dtype == "float32"
    assert model.layers[-2].compute_dtype == "bfloat16"


@pytest.mark.parametrize("name", SMALL)
def test_small_model_takes_a_step(name):
    """One training step gives a finite loss, and every weight that learns moves but for dead units."""
    images, labels = noise()
    model = models.build(name, image_size=32)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile(optimizer="adam", loss="categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(images, labels))
    moved = [np.any(old != new.numpy()) for old, new in zip(before, model.trainable_weights, strict=True)]
    assert moved[-1]
    assert np.mean(moved) > 0.5


def test_frozen_base_stays_as_it_is():
    """One training step of mobilenetv2 moves its dense layer and nothing else, moving averages included."""
    images, labels = noise()
    model = models.build("mobilenetv2", image_size=32)
    base, _, head = model.layers
    before = [weight.numpy() for weight in base.weights]
    kernel = head.kernel.numpy()
    model.compile(optimizer="adam", loss="categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(images, labels))
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, base.weights, strict=True))
    assert np.any(kernel != head.kernel.numpy())


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_from_uint8_gives_same_probabilities(policy):
    """Decoded pixels, scaled on the device, give what pixels in [0, 1] give, and no parameter is added."""
    with precision.use(policy):
        model = models.build("convnet_gap", image_size=32)
        decoded = models.from_uint8(model)
    pixels = np.random.default_rng(7).integers(0, 256, (4, 32, 32, 3), dtype="uint8")
    assert decoded.input.dtype == "uint8"
    assert decoded.get_layer("from_uint8").compute_dtype == "float32"
    assert decoded.input_shape == model.input_shape
    assert decoded.count_params() == model.count_params()
    tolerance = 1e-5 if policy == "float32" else 1e-2
    np.testing.assert_allclose(decoded(pixels), model(pixels.astype("float32") / 255), atol=tolerance)


def test_build_loads_weights_of_whole_model(tmp_path):
    """A model built with the weights that another one saved gives the same probabilities."""
    images, _ = noise()
    saved = models.build("squeezenet", image_size=32)
    saved.save_weights(tmp_path / "saved.weights.h5")
    loaded = models.build("squeezenet", image_size=32, weights=tmp_path / "saved.weights.h5")
    np.testing.assert_array_equal(saved(images), loaded(images))


def test_build_loads_weights_of_base():
    """The base of mobilenetv2 has the numbers that its file holds."""
    if not MOBILENETV2_WEIGHTS.is_file():
        pytest.skip(f"needs {MOBILENETV2_WEIGHTS.name} in ../shared/weights, which is not there")
    model = models.build("mobilenetv2", weights=MOBILENETV2_WEIGHTS)
    with h5py.File(MOBILENETV2_WEIGHTS) as file:
        stored = file["layers/conv2d/vars/0"][()]
    np.testing.assert_array_equal(model.layers[0].layers[1].kernel.numpy(), stored)


@pytest.mark.parametrize("name", ["squeezenet", "mobilenetv2"])
def test_build_refuses_weights_of_another_model(name, tmp_path):
    """Weights that do not fit are refused with the path and what was expected, not half loaded."""
    path = tmp_path / "other.weights.h5"
    models.build("convnet", image_size=32).save_weights(path)
    with pytest.raises(InputError, match=r"do not fit.*Expected.*other\.weights\.h5"):
        models.build(name, image_size=32, weights=path)


def test_build_refuses_files_without_weights(tmp_path):
    """A missing file, one with another ending and one that is not HDF5 are refused."""
    broken = tmp_path / "broken.weights.h5"
    broken.write_text("not HDF5")
    other = tmp_path / "weights.ckpt"
    other.touch()
    for path in (tmp_path / "missing.weights.h5", other, broken):
        with pytest.raises(InputError, match=path.name):
            models.build("convnet", image_size=32, weights=path)


def test_imagenet_weights_need_internet(monkeypatch):
    """If Keras cannot download the weights, the message says to bring the file by hand."""

    def offline(**_):
        raise Exception("URL fetch failure on https://example.org/no_top.h5")  # as keras.utils.get_file does

    monkeypatch.setattr(keras.applications, "MobileNetV2", offline)
    with pytest.raises(RunFailed, match="bring it here"):
        models.build("mobilenetv2", weights="imagenet")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "alexnet"}, "one of dense_single, dense, .*alexnet"),
        ({"name": "convnet", "image_size": 15}, "at least 16"),
        ({"name": "xception", "image_size": 70}, "at least 71"),
        ({"name": "vgg16", "image_size": 31}, "at least 32"),
        ({"name": "dense", "image_size": 19.2}, "whole number"),
        ({"name": "convnet", "weights": "imagenet"}, "mobilenetv2, xception, vgg16, resnet50, mobilenet"),
        ({"name": "convnet", "pixels": "weights"}, "`pixels` must be one of codelab"),
        ({"name": "squeezenet", "fine_tune": True}, "mobilenetv2, xception, vgg16, resnet50, mobilenet. Received"),
        ({"name": "dense", "classes": 1}, "`classes` must be a whole number of at least 2"),
    ],
)
def test_build_refuses_what_it_cannot_build(arguments, message):
    """Unknown names, sizes that shrink to nothing, and what needs a base are refused with what is possible."""
    with pytest.raises(InputError, match=message):
        models.build(**arguments)


@pytest.mark.parametrize("name", SMALL)
def test_build_takes_smallest_size(name):
    """A model can be built at the least size that its error message names."""
    with pytest.raises(InputError) as refused:
        models.build(name, image_size=0)
    least = int(str(refused.value).split("at least ")[1].split(":")[0])
    assert models.build(name, image_size=least).output_shape == (None, 5)


@pytest.mark.parametrize(
    ("layers", "mode"), [(pretrained.signed, "tf"), (pretrained.centred, "caffe")], ids=["signed", "centred"]
)
def test_pixels_are_what_weights_expect(layers, mode):
    """From [0, 1] to what `preprocess_input` makes of [0, 255]."""
    images = noise()[0]
    (layer,) = layers("weights")
    expected = keras.applications.imagenet_utils.preprocess_input(images * 255, mode=mode)

    np.testing.assert_allclose(layer(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mobilenetv2", "xception", "resnet50"])
def test_build_puts_range_of_weights_before_base(name):
    """It puts one layer without parameters before the base, and a model saved so can be loaded safely."""
    with keras.StatelessScope(initialize_variables=False):
        plain, ranged = (models.build(name, image_size=71, pixels=pixels) for pixels in models.PIXELS)

    assert len(ranged.layers) == len(plain.layers) + 1
    assert ranged.count_params() == plain.count_params()
    assert ranged.layers[0].name == ("centred" if name == "resnet50" else "signed")


def test_build_lets_the_base_learn():
    """All of it but the statistics of batch normalisation, which are those of the photos within a few steps.

    The head then sees averages: on all features it learnt photos by heart.
    """
    with keras.StatelessScope(initialize_variables=False):
        frozen, tuned = (models.build("mobilenetv2", image_size=32, fine_tune=chosen) for chosen in (False, True))
    base = next(layer for layer in tuned.layers if isinstance(layer, keras.Model))
    normalising = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]

    assert len(frozen.trainable_weights) == 2  # those of the head
    assert len(tuned.trainable_weights) == len(tuned.weights) - 2 * len(normalising)
    assert {layer.momentum for layer in normalising} == {0.9}
    assert [type(model.layers[-2]).__name__ for model in (frozen, tuned)] == ["Flatten", "GlobalAveragePooling2D"]


def test_centred_survives_saving(tmp_path):
    """A layer of ours needs no code in the file: safe mode loads it."""
    images = noise()[0]
    model = keras.Sequential([keras.Input((32, 32, 3)), *pretrained.centred("weights")])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)

    np.testing.assert_array_equal(again(images), model(images))
