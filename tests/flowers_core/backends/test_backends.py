"""Tests of the backends: a step is what `fit` and `predict` run, so the same weights come out."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

from flowers_core import backends, models
from flowers_core.errors import InputError
from flowers_core.train import fit

ON_TENSORFLOW = backends.get("tensorflow")


@pytest.fixture(scope="module")
def batch():
    """Eight images of noise and their labels."""
    noise = np.random.default_rng(1)
    return noise.random((8, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 8)


def compiled(*, xla=False):
    keras.utils.set_random_seed(7)
    return fit.compile_model(models.build("dense", image_size=16), xla=xla)


@pytest.mark.parametrize("xla", [False, True])
def test_train_step_equals_fit(batch, xla):
    """Three steps leave the weights where three steps of fit leave them; XLA is used only where asked for."""
    data = tf.data.Dataset.from_tensors(batch).repeat()
    stepped, fitted = compiled(xla=xla), compiled(xla=xla)
    step = ON_TENSORFLOW.train_step(stepped, data)
    losses = [float(ON_TENSORFLOW.synchronise(step())["loss"]) for _ in range(3)]
    fitted.fit(data, steps_per_epoch=3, epochs=1, verbose=0, shuffle=False)

    assert stepped.jit_compile is xla
    assert np.isfinite(losses).all()
    for ours, theirs in zip(stepped.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_predict_step_equals_predict(batch):
    """Probabilities are those of predict, one row an image."""
    model = compiled()
    predicted = ON_TENSORFLOW.predict_step(model, tf.data.Dataset.from_tensors(batch).repeat())()

    np.testing.assert_allclose(predicted, model.predict(batch[0], verbose=0), rtol=1e-5)
    np.testing.assert_allclose(np.sum(predicted, axis=1), 1, rtol=1e-5)


def test_repeat_on_device_repeats_batch(batch):
    """The same images and labels come again and again."""
    drawn = list(ON_TENSORFLOW.repeat_on_device(*batch, "cpu").take(2).as_numpy_iterator())

    for images, labels in drawn:
        np.testing.assert_array_equal(images, batch[0])
        np.testing.assert_array_equal(labels, batch[1])


def test_peak_device_bytes_is_unknown_of_cpu():
    """A CPU has no memory of its own to speak of."""
    assert ON_TENSORFLOW.peak_device_bytes("cpu") is None


@pytest.mark.parametrize("ask", [lambda: backends.get("theano"), backends.name_from_environment])
def test_unknown_backend_is_refused(monkeypatch, ask):
    """The message lists those that there are."""
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(InputError, match="tensorflow, jax"):
        ask()


ON_JAX = """
import sys
import jax, keras, numpy as np
from flowers_core import backends, models
assert backends.name_from_environment() == keras.backend.backend() == "jax"
backend = backends.get("jax")
noise = np.random.default_rng(1)
batch = noise.random((4, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 4)
def again():
    return backend.repeat_on_device(*batch, "cpu")
def compiled():
    keras.utils.set_random_seed(7)
    model = models.build("dense_single", image_size=16)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=True)
    return model
decoded = models.from_uint8(models.build("dense_single", image_size=16))
assert abs(float(np.asarray(decoded(np.ones((2, 16, 16, 3), "uint8"))).sum()) - 2) < 1e-4
assert {name for name in sys.modules if name.startswith("flowers_core.models.")} == {
    "flowers_core.models.dense", "flowers_core.models.registry"}
assert "tensorflow" not in sys.modules  # until Keras' fit imports it, where it is installed
cpu = backend.find("cpu")
assert (cpu.kind, cpu.replicas, backend.peak_device_bytes("cpu")) == ("cpu", 1, None)
with cpu.scope():
    stepped, fitted = compiled(), compiled()
    step = backend.train_step(stepped, again())
    losses = [float(backend.synchronise(step())["loss"]) for _ in range(3)]
    history = fitted.fit(*batch, batch_size=4, epochs=3, verbose=0).history["loss"]
    mean = np.cumsum(history) / [1, 2, 3]  # fit resets its running loss each epoch, our three steps are one
    np.testing.assert_allclose(losses, mean, rtol=1e-4)
    predicted = fitted.predict(batch[0], verbose=0)
    np.testing.assert_allclose(backend.predict_step(fitted, again())(), predicted, rtol=1e-4)
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices()))
from flowers_core.backends.jax import epoch_iterator
images, labels = next(epoch_iterator(again()))
assert "batch" in str(images.sharding.spec), images.sharding
assert np.isfinite(float(backend.train_step(compiled(), again())()["loss"]))
"""


@pytest.mark.skipif(find_spec("jax") is None, reason="the extra `jax` is not installed")
def test_jax_runs_models_and_steps():
    """On JAX the same holds; a model loads its own file and no TensorFlow; of several devices each gets its share."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = subprocess.run([sys.executable, "-c", ON_JAX], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_choose_takes_what_is_asked_for_or_set(monkeypatch):
    """An option, else KERAS_BACKEND, else the first that is installed."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert backends.choose() == "tensorflow"
    assert backends.choose("torch") == "torch"
    monkeypatch.setattr(backends, "is_installed", lambda name: name == "torch")
    assert backends.choose() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backends.choose() == backends.choose("jax") == "jax"


def test_choose_refuses_what_disagrees(monkeypatch):
    """Keras would follow the variable, and the option would name what did not run."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match="--backend torch and KERAS_BACKEND=jax"):
        backends.choose("torch")


def test_check_installed_names_what_is_missing_and_what_is_there(monkeypatch):
    """The message says how to install it, and which backend would run."""
    backends.check_installed("tensorflow")
    monkeypatch.setattr(backends, "is_installed", lambda name: name == "jax")
    with pytest.raises(InputError, match=r"without torch: .*EXTRAS=\[torch,jax\].*--backend jax"):
        backends.check_installed("torch")
