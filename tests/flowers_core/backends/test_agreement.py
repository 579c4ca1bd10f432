"""On every backend the same model has the same losses; a step in parts, and several in a loop, are the same step."""

import json
import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from flowers_core import backends

# Of float32: rounding differs by the order of sums. Adam divides gradients by their own size, so that rounding of
# small ones becomes steps of full size: after three of them losses agree to four digits.
TOLERANCE = 1e-3
BFLOAT16_TOLERANCE = 3e-2  # 8 bits of mantissa
LOOP_TOLERANCE = 1e-3  # of how far the weights moved: the same operations, compiled in another program

CHILD = """
import json, sys
import keras, numpy as np
from flowers_core import backends, models
from flowers_core.backends import precision
from flowers_core.train import fit
name, jobs = sys.argv[1], json.loads(sys.argv[2])
backend, spec = backends.get(name), backends.BACKENDS[name]
def weighed(model_name, size, **how):  # a new one each time, for a step on JAX spends the variables of its model
    model = models.build(model_name, image_size=size)
    drawn = np.random.default_rng(2)
    def values(variable):
        if variable.name == "kernel" or variable.name.endswith("kernel"):
            return drawn.normal(0, (1 / np.prod(variable.shape[:-1])) ** 0.5, variable.shape)
        return np.ones(variable.shape) if variable.name in ("gamma", "moving_variance") else np.zeros(variable.shape)
    model.set_weights([values(variable).astype("float32") for variable in model.weights])
    return fit.compile_model(model, xla=spec.always_compiled, **how)
def losses(step, calls=3):
    return [float(backend.synchronise(step())["loss"]) for _ in range(calls)]
for model_name, size, policy in jobs:
    noise = np.random.default_rng(1)
    batch = noise.random((4, size, size, 3), dtype=np.float32), noise.integers(0, 5, 4)
    device = backend.find("cpu")
    with precision.use(policy), device.scope():
        predict = backend.predict_step(weighed(model_name, size), backend.repeat_on_device(*batch, "cpu"))
        predicted = np.asarray(backend.synchronise(predict()))[0].tolist()
        step = backend.train_step(weighed(model_name, size), backend.repeat_on_device(*batch, "cpu"))
        print(json.dumps({"losses": losses(step), "predicted": predicted}))

SMALL = "dense", 16
noise = np.random.default_rng(1)
batches = [(noise.random((4, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 4)) for _ in range(4)]
def resident():
    return backend.repeat_on_device(*batches[0], "cpu")
def fed():
    if not spec.tf_data:
        return (batch for _ in range(9) for batch in batches)
    import tensorflow as tf
    return tf.data.Dataset.from_tensor_slices(tuple(map(np.stack, zip(*batches)))).repeat()
def trained(source, steps):  # trainable weights before and after six steps, so many a call, and the last running loss
    model = weighed(*SMALL, optimizer="sgd")
    before = [keras.ops.convert_to_numpy(variable).copy() for variable in model.trainable_variables]
    step = backend.train_step(model, source(), **({"steps": steps} if steps > 1 else {}))
    loss = losses(step, 6 // steps)[-1]
    after = step.state[0] if name == "jax" else model.trainable_variables  # on JAX they have moved into the step
    return before, [keras.ops.convert_to_numpy(variable) for variable in after], loss
def largest(ours, theirs):
    return max(float(np.abs(one - two).max()) for one, two in zip(ours, theirs, strict=True))
with backend.find("cpu").scope():
    parts = backend.step_parts(weighed(*SMALL), resident())
    found = backend.synchronise(parts.forward())
    backend.synchronise(parts.gradients())
    forward = float(keras.ops.convert_to_numpy(found[0] if isinstance(found, tuple) else found))
    print(json.dumps({"forward": forward, "losses": losses(parts.step)}))
    looped = {}
    for source in (resident, fed) if spec.loops_on_device else ():
        (before, plain, loss), (_, other, other_loss) = trained(source, 1), trained(source, 3)
        apart = largest(plain, other) / largest(plain, before)
        looped[source.__name__] = {"apart": apart, "losses": [loss, other_loss]}
    print(json.dumps(looped))
"""
# Without dropout, which draws other numbers on each backend.
SMALL = ("dense", 16, "float32")  # of which the child takes a step apart, and several in a loop
JOBS = [
    SMALL,
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
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",  # compiles sooner
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


@cache
def computed_by(backend):
    """The same, once."""
    return run(backend)


@pytest.fixture(scope="module")
def reference():
    """What the first backend that is installed computes."""
    return computed_by(backends.default())


@pytest.fixture(scope="module", params=list(backends.BACKENDS))
def computed(request):
    """What a backend computes, and its name."""
    if not backends.is_installed(request.param):
        pytest.skip(f"the extra `{backends.BACKENDS[request.param].extras[0]}` is not installed")
    return request.param, computed_by(request.param)


def test_backends_agree(computed, reference):
    """Losses of three steps and the predictions before them agree with those of the first backend."""
    other, theirs_all = computed
    if other == backends.default():
        pytest.skip("it is the one that others are held against")
    for (model, _, policy), ours, theirs in zip(JOBS, reference, theirs_all[: len(JOBS)], strict=False):
        tolerance = TOLERANCE if policy == "float32" else BFLOAT16_TOLERANCE
        np.testing.assert_allclose(theirs["predicted"], ours["predicted"], rtol=tolerance, atol=1e-4, err_msg=model)
        np.testing.assert_allclose(theirs["losses"], ours["losses"], rtol=tolerance, err_msg=f"{model} {policy}")


def test_parts_of_a_step_leave_its_weights(computed):
    """The loss of the forward pass is that of the first step, which neither it nor the gradients have changed."""
    *jobs, parts, _ = computed[1]
    plain = jobs[JOBS.index(SMALL)]["losses"]

    assert parts["forward"] == pytest.approx(plain[0], rel=1e-4)
    np.testing.assert_allclose(parts["losses"], plain, rtol=TOLERANCE)


def test_steps_in_a_loop_are_single_steps(computed):
    """Six steps, three a call, leave the weights where single ones do, to a thousandth of how far they moved.

    By plain gradient descent, which does not blow rounding up as Adam does; on one batch, and on others in turn.
    """
    backend, (*_, looped) = computed

    assert set(looped) == ({"resident", "fed"} if backends.BACKENDS[backend].loops_on_device else set())
    for source in looped.values():
        assert source["apart"] < LOOP_TOLERANCE
        assert source["losses"][0] == pytest.approx(source["losses"][1], rel=1e-4)
