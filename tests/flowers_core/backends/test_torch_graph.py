"""On torch a step as one graph is Keras' own step: the same losses, metrics, weights, statistics and predictions."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from flowers_core import backends

pytestmark = pytest.mark.skipif(not backends.is_installed("torch"), reason="torch is not installed")

# What is recorded is run without Inductor unless said otherwise: whether a graph is right is not the compiler's doing.
CHILD = """
import json, sys, warnings
import numpy as np, torch, keras
from flowers_core.backends import torch_graph
from flowers_core.train import fit
case, compiler = sys.argv[1:]
compiled, targets = [], []
own = torch.compile
def compile(program, **how):
    module = getattr(program, "__self__", None)
    compiled.append(isinstance(module, torch.fx.GraphModule))
    targets.append([str(node.target) for node in module.graph.nodes] if compiled[-1] else [])
    return own(program, **how) if compiler == "inductor" else program
torch.compile = compile
torch.set_num_threads(1)
noise = np.random.default_rng(1)
images, labels = noise.random((10, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 10)

class Changed(keras.Model):
    def train_step(self, data):
        self.changed = True
        return super().train_step(data)

class Added(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        return inputs

def build():
    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.BatchNormalization(momentum=0.9, scale=case != "unscaled")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.Concatenate()([layers.Conv2D(8, 1)(x), layers.SeparableConv2D(8, 3, padding="same")(x)])
    frozen = layers.BatchNormalization()
    frozen.trainable = case != "frozen"
    x = frozen(x)
    if case == "dropout":
        x = layers.Dropout(0.5, seed=3)(x)
    if case == "added loss":
        x = Added()(x)
    x = layers.GlobalAveragePooling2D()(layers.AveragePooling2D(2)(x))
    outputs = layers.Dense(5, activation="softmax", dtype="float32")(layers.Dense(8, activation="relu")(x))
    return (Changed if case == "own step" else keras.Model)(inputs, outputs)

def batches(count):
    while True:
        for first in range(0, count, 4):
            yield images[first:count][:4], labels[first:count][:4]

def fitted(whole):
    model = build()
    momentum = {"momentum": 0.9, "rates": 0.9}.get(case, 0.0)
    sgd = keras.optimizers.SGD(0.1, momentum=momentum, nesterov=case == "rates")
    optimizer = "adam" if case == "adam" else sgd
    falling = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 if epoch == 0 else 0.01)
    fit.compile_model(model, xla=whole, optimizer=optimizer)
    if case == "generator":  # as a training of ours is fed
        history = model.fit(batches(10), steps_per_epoch=3, epochs=2, verbose=0,
                            validation_data=batches(5), validation_steps=2)
    else:
        history = model.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0,
                            callbacks=[falling] if case == "rates" else [],
                            validation_data=(images[:5], labels[:5]), validation_batch_size=4)
    predicted = model.predict(images, batch_size=4, verbose=0)
    return history.history, predicted, model

if case == "bfloat16":
    keras.config.set_dtype_policy("mixed_bfloat16")
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    whole = fitted(True)
said = [str(warning.message) for warning in said if "one graph" in str(warning.message)]
plain = fitted(False)
def apart(ours, theirs):
    return float(np.abs(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)).max())
print(json.dumps({
    "graphs": compiled, "targets": targets, "said": said,
    "history": {name: apart(values, plain[0][name]) for name, values in whole[0].items()},
    "predicted": apart(whole[1], plain[1]),
    "weights": max(apart(one, two) for one, two in zip(whole[2].get_weights(), plain[2].get_weights(), strict=True)),
    "changed": getattr(whole[2], "changed", False),
}))
"""


# An image that is given the wrong class with certainty.
WRONG = """
import json, keras, torch
from flowers_core.backends import torch_layers
logits = torch.tensor([[100.0, 0.0]], requires_grad=True)
def loss():
    return keras.losses.SparseCategoricalCrossentropy()(torch.tensor([1]), keras.activations.softmax(logits))
with torch_layers.replace_layers(on_cpu=True):
    ours = loss()
ours.backward()
print(json.dumps({"ours": float(ours), "gradient": logits.grad[0].tolist(), "keras": float(loss())}))
"""


# The maximum of windows beside torch's, of images with many equals: size, stride, padding, rows and columns.
WINDOWS = """
import json, torch
from keras.src.backend.torch import nn
from flowers_core.backends import torch_layers
torch.set_num_threads(1)
torch.manual_seed(1)
found = []
cases = [
    (2, 2, "valid", (8, 6)), (2, 2, "same", (10, 8)), (3, 3, "same", (9, 6)), ((2, 3), (2, 3), "same", (8, 9)),
    ((1, 2), None, "valid", (5, 6)), (2, 2, "valid", (9, 6)), (2, 2, "same", (8, 7)), (3, 2, "same", (8, 7)),
    (2, 3, "valid", (9, 9)), (20, 20, "valid", (40, 40)),
]
for precision in (torch.float32, torch.bfloat16):
    for size, stride, padding, sides in cases:
        images = torch.relu(torch.randn(2, *sides, 3)).to(precision)
        results = []
        for on_cpu in (True, False):
            given = images.clone().requires_grad_()
            with torch_layers.replace_layers(on_cpu=on_cpu):
                highest = nn.max_pool(given, size, stride, padding, "channels_last")
            highest.backward(torch.arange(highest.numel()).remainder(4).view(highest.shape).to(precision))
            results.append((highest.detach(), given.grad, "Maximum" in type(highest.grad_fn).__name__))
        ours, plain = results
        found.append([ours[2], plain[2], torch.equal(ours[0], plain[0]), torch.equal(ours[1], plain[1])])
print(json.dumps(found))
"""


# A frozen base of what is folded, under a head that learns; then its weights are changed by hand.
FOLDED = """
import json
import numpy as np, torch, keras
from flowers_core.train import fit
torch.compile = lambda program, **_: program
torch.set_num_threads(1)
noise = np.random.default_rng(1)
images, labels = noise.random((4, 16, 16, 3), dtype=np.float32), noise.integers(0, 5, 4)
layers = keras.layers

def build():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = stem = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.BatchNormalization(scale=False)(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Conv2D(8, 1, activation="relu")(layers.LeakyReLU()(x))
    x = layers.BatchNormalization(center=False)(layers.Conv2D(8, 1)(x))
    x = second = layers.ReLU()(layers.Add()([stem, x]))
    x = layers.ReLU(6.0)(layers.Add()([second, layers.Conv2D(8, 1)(x)]))
    base = keras.Model(inputs, x)
    values = np.random.default_rng(2)
    weights = [np.where(weight, weight, 0.1) for weight in base.get_weights()]
    base.set_weights([weight * values.uniform(0.5, 1.5, weight.shape) for weight in weights])
    base.trainable = False
    outputs = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(base.output))
    return keras.Model(inputs, outputs), base

def fitted(whole):
    model, base = build()
    fit.compile_model(model, xla=whole, optimizer=keras.optimizers.SGD(0.01))
    losses = model.fit(images, labels, batch_size=4, epochs=2, verbose=0).history["loss"]
    predicted = model.predict(images, verbose=0)
    base.set_weights([weight * 0.9 for weight in base.get_weights()])
    losses += model.fit(images, labels, batch_size=4, epochs=1, verbose=0).history["loss"]
    programs = (model.train_function, model.predict_function) if whole else ()
    folded = [len(recording.folded) for program in programs for recording in program._recordings.values()]
    return losses, [predicted.tolist(), model.predict(images, verbose=0).tolist()], folded

ours, plain = fitted(True), fitted(False)
print(json.dumps({"folded": ours[2], "losses": [ours[0], plain[0]], "predicted": [ours[1], plain[1]]}))
"""


# What else Keras' users call: single batches as arrays, predictions of many sizes before and after a fit, a model that
# is compiled again; layers that draw at random, and that hold tensors which are no variables.
CALLS = """
import json, warnings
import numpy as np, torch, keras
from flowers_core.backends.torch_graph import Program
from flowers_core.train import fit
torch.compile = lambda program, **_: program
torch.set_num_threads(1)
noise = np.random.default_rng(1)
images, labels = noise.random((8, 6), dtype=np.float32), noise.integers(0, 5, 8)
layers = keras.layers

def built(*added):
    model = keras.Sequential([keras.Input((6,)), *added, layers.Dense(5, activation="softmax")])
    return fit.compile_model(model, xla=True)

def recorded(program):
    return [len(program._recordings), program._is_recordable]

def say(call):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in said if "record" in str(warning.message)]

found = {}
model = built()
said = say(lambda: (model.train_on_batch(images, labels), model.predict_on_batch(images)))
found["on batch"] = [said, recorded(model.train_function), recorded(model.predict_function)]

model = built()
model.predict(images[:4], verbose=0)
model.fit(images, labels, batch_size=4, verbose=0)
again = [model.predict(images[:count], verbose=0).shape for count in (2, 4, 1)]
free = []
own = type(model).predict_step
type(model).predict_step = lambda self, data: free.append(torch.is_grad_enabled()) or own(self, data)
model.predict_function = None
said = say(lambda: [model.predict(images[:count], verbose=0) for count in (1, 2, 3, 4, 5, 6)])
found["predict"] = [again, said, recorded(model.predict_function), free]
type(model).predict_step = own

fit.compile_model(model, xla=False)
model.fit(images, labels, verbose=0)
found["compiled again"] = [isinstance(model.train_function, Program)]

model = built(layers.Dropout(0.5))
model.optimizer.learning_rate = 0.0
losses = [float(model.train_on_batch(images, labels)[0]) for _ in range(3)]
found["dropout"] = [recorded(model.train_function), len(set(losses))]

class Shifted(layers.Layer):
    def build(self, shape):
        self.shift = torch.ones(shape[-1])
    def call(self, inputs):
        return inputs + self.shift

model = built(Shifted())
said = say(lambda: model.fit(images, labels, verbose=0))
found["tensors"] = [len(said), recorded(model.train_function)]
print(json.dumps(found))
"""


# The forward pass alone and the gradients alone, as a graph each and by Keras' own functions.
PARTS = """
import json
import numpy as np, torch, keras
from flowers_core import backends
from flowers_core.train import fit
programs = []
torch.compile = lambda program, **_: programs.append(program) or program
torch.set_num_threads(1)
noise = np.random.default_rng(1)
batch = torch.from_numpy(noise.random((4, 8, 8, 3), dtype=np.float32)), torch.from_numpy(noise.integers(0, 5, 4))
layers = keras.layers

def computed(whole):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(),
                              layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(5, activation="softmax")])
    fit.compile_model(model, xla=whole)
    parts = backends.get("torch").step_parts(model, iter(lambda: batch, None))
    loss, found = parts.forward(), parts.gradients()
    gradients = found if whole else [variable.value.grad for variable in model.trainable_variables]
    return float(loss), [gradient.tolist() for gradient in gradients]

ours, plain = computed(True), computed(False)
targets = [str(node.target) for program in programs for node in program.__self__.graph.nodes]
found = {"programs": len(programs), "targets": targets}
print(json.dumps({**found, "losses": [ours[0], plain[0]], "gradients": [ours[1], plain[1]]}))
"""


def compute(case, compiler="none"):
    """What a fit of a model with a whole graph comes to, and how far that is from Keras' own step."""
    return run(CHILD, case, compiler)


def run(script, *arguments):
    """The JSON that a script on torch prints last."""
    variables = {
        **os.environ,
        "KERAS_BACKEND": "torch",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OMP_WAIT_POLICY": "passive",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Adam divides gradients by their own size, so that rounding of small ones becomes steps of full size.
TOLERANCES = {
    "plain": 1e-4,
    "generator": 1e-4,
    "unscaled": 1e-4,
    "frozen": 1e-4,
    "momentum": 1e-4,
    "rates": 1e-4,
    "added loss": 1e-4,
    "adam": 5e-3,
}


@pytest.mark.parametrize("case", TOLERANCES)
def test_a_graph_is_kerass_step(case):
    """Two epochs with a smaller last batch: history, weights, moving statistics and predictions agree."""
    found = compute(case)

    assert found["graphs"] == [True] * 3  # to train, to test, to predict
    scheduled = {"learning_rate"} if case == "rates" else set()
    assert set(found["history"]) == {"loss", "accuracy", "val_loss", "val_accuracy"} | scheduled
    assert max(*found["history"].values(), found["predicted"], found["weights"]) < TOLERANCES[case]


def test_a_loss_is_that_of_logits():
    """As on TensorFlow it has no end, and a gradient; where nothing is recorded, Keras on torch clips probabilities."""
    found = run(WRONG)

    assert found["ours"] == pytest.approx(100.0)
    assert found["gradient"] == pytest.approx([1.0, -1.0])
    assert found["keras"] < 17


def test_the_maximum_of_windows_is_torchs():
    """Windows apart, with a border and overlapping: the same maxima, and the first of equals learns."""
    found = run(WINDOWS)

    assert [row[:2] for row in found] == [*[[True, False]] * 5, *[[False, False]] * 5] * 2  # those that leave no border
    assert [row[2:] for row in found] == [[True, True]] * len(found)


def test_what_else_users_call():
    """What can be a graph is one, after what else was called, too; what cannot runs, and is said once."""
    found = run(CALLS)

    assert found["on batch"] == [[], [1, True], [1, True]]
    again, said, recorded, free = found["predict"]
    assert again == [[2, 5], [4, 5], [1, 5]]
    assert len(said) == 1
    assert "more than 4 shapes" in said[0]
    assert recorded == [4, True]
    assert free == [False] * 2
    assert found["compiled again"] == [False]
    assert found["dropout"] == [[1, True], 3]
    assert found["tensors"] == [1, [0, False]]


def test_parts_of_a_step_are_graphs_of_the_same():
    """The loss of the forward pass, and the gradient of every weight."""
    found = run(PARTS)

    assert found["programs"] == 2
    assert "flowers.folded_convolution.default" not in found["targets"]  # the step could not, for it changes weights
    assert found["losses"][0] == pytest.approx(found["losses"][1], rel=1e-5)
    ours, plain = found["gradients"]
    assert len(ours) == len(plain) == 6
    for one, other in zip(ours, plain, strict=True):
        assert np.asarray(one) == pytest.approx(np.asarray(other), abs=1e-5)


def test_scalars_are_computed_once():
    """What Adam corrects its averages by comes from one operation for all weights, not one for each few of them."""
    train = compute("adam")["targets"][0]

    (correction,) = [number for number, target in enumerate(train) if target == "aten._foreach_mul.Tensor"]
    assert "flowers.once.default" in train[:correction]
    assert "aten.convolution_backward.default" not in train  # ours keeps the order of Keras


def test_a_frozen_base_is_folded_and_followed():
    """Batch normalisation, ReLU and a branch go into the convolutions; weights that a user changes count at once."""
    found = run(FOLDED)

    assert found["folded"] == [5, 5]  # to train, to predict
    for ours, plain in (found["losses"], *zip(*found["predicted"], strict=True)):
        assert np.asarray(ours) == pytest.approx(np.asarray(plain), abs=1e-4)
    before, after = found["predicted"][0]
    assert np.abs(np.asarray(before) - after).max() > 1e-2


def test_a_convolution_that_learns_takes_bias_and_relu():
    """Three of a model's four have one or both; where nothing learns, all are folded."""
    train, test, predict = compute("plain")["targets"]

    assert train.count("flowers.activated_convolution.default") == 3
    assert "flowers.folded_convolution.default" not in train
    assert [targets.count("flowers.folded_convolution.default") for targets in (test, predict)] == [4, 4]


def test_mixed_precision_agrees_but_for_rounding():
    """In bfloat16, of which 8 bits are mantissa."""
    found = compute("bfloat16")

    assert found["graphs"] == [True] * 3
    assert found["history"]["loss"] < 5e-2
    assert found["weights"] < 2e-2


def test_a_step_of_ones_own_stays():
    """What a class has written anew runs, and only the rest is recorded."""
    found = compute("own step")

    assert found["changed"]
    assert found["graphs"] == [False, True, True]


def test_what_cannot_be_recorded_is_compiled_in_parts():
    """A dropout that draws by a seed asks for a number: said, and trained nonetheless."""
    found = compute("dropout")

    assert found["graphs"] == [False, True, True]
    assert len(found["said"]) == 1
    assert "torch cannot record" in found["said"][0]


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch.compile needs a C++ compiler")
def test_inductor_makes_of_it_the_same():
    """Compiled, with the pooling that stays torch's own, and a rate that falls between two epochs."""
    found = compute("rates", "inductor")

    assert found["graphs"] == [True] * 3
    assert not found["said"]
    assert "aten._local_scalar_dense.default" not in found["targets"][0]
    assert max(*found["history"].values(), found["predicted"]) < 1e-3
    assert found["weights"] < 1e-3
