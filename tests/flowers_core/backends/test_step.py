"""A step is what `fit` and `predict` run: the same weights come out."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import tensorflow as tf

from flowers_core import models
from flowers_core.backends import step
from flowers_core.train import fit


@pytest.fixture(scope="module")
def batch():
    """Eight images of noise and their labels."""
    noise = np.random.default_rng(1)
    return noise.random((8, 32, 32, 3), dtype=np.float32), noise.integers(0, 5, 8)


def compiled(*, xla=False):
    keras.utils.set_random_seed(7)
    return fit.compile_model(models.build("squeezenet_small", image_size=32), xla=xla)


@pytest.mark.parametrize("xla", [False, True])
def test_a_training_step_is_a_step_of_fit(batch, xla):
    """Three steps leave the weights where three steps of fit leave them."""
    data = tf.data.Dataset.from_tensors(batch).repeat()
    stepped, fitted = compiled(xla=xla), compiled(xla=xla)
    train = step.train(stepped, data)
    losses = [float(train()["loss"]) for _ in range(3)]
    fitted.fit(data, steps_per_epoch=3, epochs=1, verbose=0, shuffle=False)

    for ours, theirs in zip(stepped.get_weights(), fitted.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert np.isfinite(losses).all()


def test_a_prediction_is_that_of_predict(batch):
    """Probabilities are those of predict, one row an image."""
    model = compiled()
    predicted = step.predict(model, tf.data.Dataset.from_tensors(batch).repeat())()

    np.testing.assert_allclose(predicted, model.predict(batch[0], verbose=0), rtol=1e-5)
    np.testing.assert_allclose(np.sum(predicted, axis=1), 1, rtol=1e-5)


def test_xla_is_never_left_to_keras():
    """What was asked for is what is compiled, on or off."""
    assert compiled(xla=True).jit_compile is True
    assert compiled(xla=False).jit_compile is False


TWO_DEVICES = "--xla_force_host_platform_device_count=2"


@pytest.mark.skipif(find_spec("jax") is None, reason="the extra `jax` is not installed")
def test_steps_run_on_jax():
    """On JAX a step trains as fit does and predicts as predict does; of several devices each gets its share."""
    code = """
import jax, keras, numpy as np
from flowers_core import models, step, training
assert keras.backend.backend() == "jax"
noise = np.random.default_rng(1)
batch = noise.random((4, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 4)
def again():
    while True:
        yield batch
def compiled():
    keras.utils.set_random_seed(7)
    return training.compile_model(models.build("dense_single", image_size=16), xla=True)
stepped, fitted = compiled(), compiled()
train = step.train(stepped, again())
losses = [float(train()["loss"]) for _ in range(3)]
history = fitted.fit(*batch, batch_size=4, epochs=3, verbose=0).history["loss"]
mean = np.cumsum(history) / [1, 2, 3]  # fit resets its running loss each epoch, our three steps are one
np.testing.assert_allclose(losses, mean, rtol=1e-4)
predicted = fitted.predict(batch[0], verbose=0)
np.testing.assert_allclose(step.predict(fitted, again())(), predicted, rtol=1e-4)
keras.distribution.set_distribution(keras.distribution.DataParallel(devices=jax.devices()))
images, labels = next(step._fed_to_jax(again()))
assert "batch" in str(images.sharding.spec), images.sharding
assert np.isfinite(float(step.train(compiled(), again())()["loss"]))
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": TWO_DEVICES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
