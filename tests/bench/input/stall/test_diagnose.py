"""`diagnose` and the callback on real fits: an extreme starved one, and whatever is no dataset or no model for it."""

import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import bench
from bench.input.stall import dataset_stages
from flowers_core.errors import InputError

SLEEP = 0.05  # a batch takes as long as ten steps
IMAGES, LABELS = np.zeros((32, 8, 8, 3), np.float32), np.arange(32) % 3

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def model():
    """A compiled model whose step is far shorter than `SLEEP`."""
    layers = [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dropout(0.1), keras.layers.Dense(3)]
    model = keras.Sequential(layers)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@pytest.fixture
def starved():
    """A dataset that sleeps in a map before each batch."""

    def sleep(images, labels):
        time.sleep(SLEEP)
        return images, labels

    def slow(images, labels):
        images, labels = tf.numpy_function(sleep, [images, labels], [tf.float32, tf.int64])
        return tf.ensure_shape(images, (8, 8, 8, 3)), tf.ensure_shape(labels, (8,))

    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8).map(slow).prefetch(1)


def test_diagnose_finds_a_starved_fit(model, starved):
    """A sleep in a map is input's doing, the map is named, and the model is left as it was."""
    weights = [np.array(weight) for weight in model.get_weights()]
    found = bench.diagnose(model, starved, seconds=1)

    assert found.verdict == "input-bound"
    assert found.headspace > 0.5
    assert found.costliest.name == "map(slow)"
    assert all(map(np.array_equal, weights, model.get_weights()))
    assert int(model.optimizer.iterations) == 0


def test_callback_diagnoses_an_unchanged_fit(model, starved):
    """It finds the dataset in the running fit, diagnoses at its end, leaves the training alone, rests in another."""
    told = []
    watch = bench.Diagnose(seconds=1, tell=told.append)
    model.fit(starved, epochs=30, callbacks=[watch], verbose=0, shuffle=False, validation_data=(IMAGES, LABELS))
    trained = [np.array(weight) for weight in model.get_weights()]

    assert watch.diagnosis.headspace > 0.5
    assert watch.diagnosis.clocks.overhead < 0.01
    assert len(watch.diagnosis.clocks.step_seconds) == 30 * 4
    assert told == [str(watch.diagnosis)]
    assert int(model.optimizer.iterations) == 30 * 4

    model.fit(IMAGES, LABELS, callbacks=[watch], verbose=0)
    assert "has watched a fit already" in told[-1]
    assert len(told) == 2
    assert not all(map(np.array_equal, trained, model.get_weights()))


class Slow(keras.utils.PyDataset):
    """A dataset of Keras' own that sleeps."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        time.sleep(SLEEP)
        return IMAGES[:8], LABELS[:8]


@pytest.mark.parametrize(
    "dataset", [Slow(), [(IMAGES[:8], LABELS[:8])] * 3, (IMAGES, LABELS)], ids=["PyDataset", "iterable", "arrays"]
)
def test_diagnose_takes_what_fit_takes(dataset, model):
    """A PyDataset, an iterable that ends after 3 batches and begins anew, and arrays."""
    found = bench.diagnose(model, dataset, seconds=0.4)

    assert found.runs.facts.both_seconds > 0
    assert found.runs.batch_size in (8, 32)
    assert found.stages == ()


def short():
    """A generator of 3 batches."""
    for _ in range(3):
        yield IMAGES[:8], LABELS[:8]


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (lambda: short(), "a generator that ended after 3 batches"),
        (lambda: iter(()), "an iterable that is empty or used up"),
        (lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)), "Received: shapes (8, 8, 3), ()"),
        (lambda: tf.data.Dataset.from_tensors((IMAGES[0], LABELS[:8])), "gives what the model takes"),
        (lambda: 3, "a pair of arrays. Received: int"),
    ],
)
def test_diagnose_says_what_is_no_dataset(dataset, said, model):
    """A dataset that ends, is empty or has no batch dimension is a sentence."""
    with pytest.raises(InputError) as refused:
        bench.diagnose(model, dataset(), seconds=0.4)

    assert said.replace("gives what", "give batches of what") in str(refused.value)


def test_diagnose_says_that_a_model_is_not_compiled(starved):
    """What is measured is a training step."""
    with pytest.raises(InputError, match="must be compiled"):
        bench.diagnose(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten()]), starved)


@pytest.mark.filterwarnings("ignore:.*ran out of data:UserWarning")
def test_callback_says_what_it_cannot_diagnose(model):
    """A fit on a generator that is used up ends as it would, with a sentence."""
    told = []
    model.fit(short(), callbacks=[bench.Diagnose(seconds=0.4, tell=told.append)], verbose=0, shuffle=False)

    assert len(told) == 1
    assert told[0].startswith(
        "Diagnose: n/a. The dataset must give batches. Received: a generator that is empty or used up"
    )


def test_stages_follow_a_dataset_from_its_source(starved):
    """Each transformation has the user's own name."""
    names = [stage.name for stage in dataset_stages.find(starved)]

    assert names == ["from_tensor_slices", "batch", "map(slow)", "prefetch"]


def test_bench_is_imported_cold():
    """A user's script loads no framework by `import bench`."""
    code = (
        "import bench, sys; print([name for name in ('keras', 'tensorflow', 'rich', 'click') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
