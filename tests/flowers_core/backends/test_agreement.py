"""The same model on every backend: from the same weights and batch, the same losses and predictions."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from flowers_core import backends

# Of float32: rounding differs by the order of sums. Adam divides gradients by their own size, so that rounding of
# small ones becomes steps of full size: after three of them losses agree to four digits.
TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 3e-2  # 8 bits of mantissa

CHILD = """
import json, sys
import keras, numpy as np
from flowers_core import backends, models
from flowers_core.backends import precision
from flowers_core.train import fit
name, jobs = sys.argv[1], json.loads(sys.argv[2])
backend = backends.get(name)
xla = backends.BACKENDS[name].always_compiled
def weighed(model_name, size):  # a new one each time, for a step on JAX spends the variables of its model
    model = models.build(model_name, image_size=size)
    drawn = np.random.default_rng(2)
    def values(variable):
        if variable.name == "kernel" or variable.name.endswith("kernel"):
            return drawn.normal(0, (1 / np.prod(variable.shape[:-1])) ** 0.5, variable.shape)
        return np.ones(variable.shape) if variable.name in ("gamma", "moving_variance") else np.zeros(variable.shape)
    model.set_weights([values(variable).astype("float32") for variable in model.weights])
    return fit.compile_model(model, xla=xla)
for model_name, size, policy in jobs:
    noise = np.random.default_rng(1)
    batch = noise.random((4, size, size, 3), dtype=np.float32), noise.integers(0, 5, 4)
    device = backend.find("cpu")
    with precision.use(policy), device.scope():
        predict = backend.predict_step(weighed(model_name, size), backend.repeat_on_device(*batch, "cpu"))
        predicted = np.asarray(backend.synchronise(predict()))[0].tolist()
        step = backend.train_step(weighed(model_name, size), backend.repeat_on_device(*batch, "cpu"))
        losses = [float(backend.synchronise(step())["loss"]) for _ in range(3)]
    print(json.dumps({"losses": losses, "predicted": predicted}))
"""
# Without dropout, which draws other numbers on each backend.
JOBS = [
    ("dense", 16, "float32"),
    ("convnet_gap", 32, "float32"),
    ("squeezenet", 32, "float32"),
    ("convnet_gap", 32, "mixed_bfloat16"),
]


def run(backend):
    """Losses and predictions of all jobs by a backend, in a process of its own."""
    variables = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_WAIT_POLICY": "passive",  # on a busy machine torch's threads would spin for each other
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, backend, json.dumps(JOBS)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def reference():
    """What the first backend that is installed computes."""
    return run(backends.default())


@pytest.mark.parametrize("other", list(backends.BACKENDS))
def test_backends_agree(other, reference):
    """Losses of three steps and the predictions before them agree with those of the first backend."""
    if not backends.is_installed(other):
        pytest.skip(f"the extra `{backends.BACKENDS[other].extras[0]}` is not installed")
    if other == backends.default():
        pytest.skip("it is the one that others are held against")
    for (model, _, policy), ours, theirs in zip(JOBS, reference, run(other), strict=True):
        tolerance = TOLERANCE if policy == "float32" else BFLOAT16_TOLERANCE
        np.testing.assert_allclose(theirs["predicted"], ours["predicted"], rtol=tolerance, atol=1e-4, err_msg=model)
        np.testing.assert_allclose(theirs["losses"], ours["losses"], rtol=tolerance, err_msg=f"{model} {policy}")
