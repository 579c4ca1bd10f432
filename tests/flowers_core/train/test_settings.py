"""Tests of `flowers_core.train.settings`: the codelab's recipes, and a user's choices."""

import pytest

from flowers_core import models
from flowers_core.backends import precision
from flowers_core.data.manifest import Manifest, Shard
from flowers_core.errors import InputError
from flowers_core.train import schedules
from flowers_core.train.settings import Choices, resolve

# codelab, sections 4 to 6: epochs, batch on one GPU or CPU, on 8 cores, augmentation, which shards validate
TABLE = {
    "convnet_gap": (20, 32, 128, "none", "first"),
    "convnet_gap_dense": (10, 64, 128, "none", "first"),
    "squeezenet": (35, 32, 128, "codelab", "first"),
    "squeezenet_331": (60, 16, 128, "codelab", "first"),
    "mobilenetv2": (10, 64, 128, "none", "first"),
    "xception": (12, 16, 128, "codelab", "last"),
}
HERE = {"records": "records", "device": "cpu", "replicas": 1}


def settle(model, written, *, records="records", device="cpu", replicas=1, backend="tensorflow", **choices):
    place = {"device": device, "replicas": replicas, "backend": backend}
    return resolve(model, written, Choices(**choices), records=records, **place)


def written(size=192):
    return Manifest("records", 1, size, ("daisy", "roses"), (Shard("flowers00-40.tfrec", 40, 1000),))


@pytest.mark.parametrize("model", TABLE)
def test_recipe_is_the_codelabs(model):
    """Epochs, batch, augmentation and split stand as in its notebooks."""
    recipe = models.spec(model).recipe
    batches = recipe.global_batch(1), recipe.global_batch(8)

    assert (recipe.epochs, *batches, recipe.augmentation, recipe.validation) == TABLE[model]


@pytest.mark.parametrize("model", models.MODELS)
def test_resolve_knows_every_model(model):
    """Each has a recipe, which holds where the user chooses nothing."""
    settings = settle(model, written(models.image_size(model)), **HERE)

    assert settings.epochs == models.spec(model).recipe.epochs
    assert settings.cached_features == (model in models.names_with_base() and model != "xception")


def test_resolve_gives_new_model_a_default(monkeypatch):
    """One without a row is trained by a default, in the precision of which nothing has to be known."""
    monkeypatch.setitem(models.MODELS, "newcomer", models.ModelSpec(builder="dense:dense"))
    settings = settle("newcomer", written(), **HERE)

    assert (settings.epochs, settings.batch_size, settings.precision, settings.xla) == (20, 32, "float32", False)


def test_spec_refuses_unknown_model():
    """The message names those that are."""
    with pytest.raises(InputError, match="convnet_gap"):
        models.spec("alexnet")


def test_resolve_prefers_choices():
    """A choice that is given replaces the recipe's, and one that is None does not."""
    settings = settle("convnet_gap", written(), **HERE, epochs=2, batch_size=None, augmentation="codelab", seed=3)

    assert (settings.epochs, settings.batch_size, settings.augmentation, settings.seed) == (2, 32, "codelab", 3)


def test_resolve_caches_features_of_images_that_stay():
    """Features are computed anew in every epoch where colours change; mirror images are as good as images."""
    assert not settle("mobilenetv2", written(), **HERE, augmentation="codelab").cached_features
    assert settle("mobilenetv2", written(), **HERE, augmentation="flip").cached_features


def test_resolve_fine_tunes_by_a_recipe_of_its_own():
    """The base changes, so that no output of it can be cached, and images change in every epoch."""
    settings = settle("mobilenetv2", written(), **HERE, fine_tune=True)

    assert (settings.batch_size, settings.optimizer, settings.augmentation) == (32, "sgd", "codelab")
    assert not settings.cached_features
    rate = schedules.schedule(models.recipe("mobilenetv2", fine_tune=True).schedule, replicas=1)
    assert rate(0) == rate(3) > rate(4) > rate(settings.epochs - 1) > 0


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"model": "alexnet"}, "convnet_gap"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"batch_size": 9, "replicas": 2}, "2 replicas"),
        ({"optimizer": "lion"}, "adam, sgd"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"deterministic": True}, "no seed"),
        ({"precision": "mixed_float16"}, "mixed_bfloat16"),
        ({"cached_features": True}, "all of which learns"),
        ({"model": "mobilenetv2", "augmentation": "codelab", "cached_features": True}, "colours that change at random"),
        ({"fine_tune": True}, "mobilenetv2, xception, vgg16, resnet50, mobilenet. Received: model='convnet_gap'"),
        ({"model": "mobilenetv2", "fine_tune": True, "cached_features": True}, "all of which learns"),
        ({"augmentation": "blur"}, "none, flip, codelab"),
        ({"steps_per_execution": 0}, "steps_per_execution=0"),
        ({"steps_per_execution": 2, "replicas": 2}, "must be 1 where 2 replicas share a batch"),
    ],
)
def test_resolve_refuses_nonsense(choices, message):
    """Unknown names, numbers too small, choices that exclude each other."""
    with pytest.raises(InputError, match=message):
        settle(**{"model": "convnet_gap", "written": written(), **HERE, **choices})


def test_resolve_refuses_several_steps_a_call_on_torch():
    """Keras has no loop over steps there."""
    with pytest.raises(InputError, match="must be 1 on torch, where a call trains one step"):
        resolve("dense", written(), Choices(steps_per_execution=2), **HERE, backend="torch")


@pytest.mark.parametrize(
    ("model", "fast", "place", "expected"),
    [
        ("squeezenet", True, {"device": "cpu"}, ("mixed_bfloat16", False)),
        ("squeezenet", False, {"device": "cpu"}, ("float32", False)),
        ("squeezenet", True, {"device": "gpu"}, ("float32", False)),
        ("squeezenet", True, {"backend": "jax"}, ("float32", True)),
        ("squeezenet", True, {"backend": "torch"}, ("mixed_bfloat16", False)),
        ("mobilenetv2", True, {"device": "cpu"}, ("float32", False)),
        ("dense", True, {"device": "cpu"}, ("float32", True)),
    ],
)
def test_resolve_takes_what_is_fastest_here(monkeypatch, model, fast, place, expected):
    """bfloat16 where the CPU multiplies it and the model gains, XLA for models that are bound by memory."""
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: fast)
    settings = settle(model, written(), **{**HERE, **place})

    assert (settings.precision, settings.xla) == expected


def test_choices_are_completed_by_settings():
    """A resumed training keeps its settings but for the choices that are given again."""
    begun = settle("mobilenetv2", written(), epochs=50, seed=7, cached_features=True)
    choices = Choices(batch_size=8, cached_features=False).completed_by(begun)

    assert (choices.epochs, choices.batch_size, choices.seed, choices.cached_features) == (50, 8, 7, False)
