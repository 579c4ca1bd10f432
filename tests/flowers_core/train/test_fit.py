"""Tests of `flowers_core.train.fit`: rows and weights after each epoch, resuming, seeds, and where it stops."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from flowers_core import backends, models
from flowers_core.data import manifest, photos
from flowers_core.errors import InputError, RunFailed
from flowers_core.train import fit, schedules
from flowers_core.train.callbacks import KeepEpochs
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Choices, resolve

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.usefixtures("no_seed"),
]

BATCH_SIZE, STEPS = 5, 6  # an epoch is all of the images: 30 to train on
EPOCHS = 3  # of the training that most tests begin with


@pytest.fixture(scope="module")
def settings(small_records):
    """Resolves settings: `settings("dense_single", epochs=3)`."""

    def make(model="dense_single", **chosen):
        chosen = {"epochs": 2, "batch_size": BATCH_SIZE, "shuffle_buffer": 1, "seed": 1, "xla": False, **chosen}
        written, choices = manifest.load(small_records), Choices(**chosen)
        return resolve(model, written, choices, records=small_records, device="cpu", replicas=1)

    return make


def fit_in(folder, settings, **options):
    """Trains in a folder: rows and run."""
    run = Run(folder)
    if not run.begun:
        run.begin(settings)
    return fit.train(settings, run, device=backends.get("tensorflow").find("cpu"), **options), run


@pytest.fixture
def train(tmp_path):
    """Trains in a folder of the test's own: `train(settings, "name")` gives rows and run."""
    return lambda settings, name="run", **options: fit_in(tmp_path / name, settings, **options)


@pytest.fixture(scope="module")
def unbroken(settings, tmp_path_factory):
    """One training of `EPOCHS` epochs without a break: rows, run and the lines it printed; read only."""
    lines = []
    rows, run = fit_in(tmp_path_factory.mktemp("unbroken") / "run", settings(epochs=EPOCHS), tell=lines.append)
    return rows, run, lines


@pytest.fixture
def trained(unbroken, tmp_path):
    """A copy of that training, to go on with."""
    return Run(shutil.copytree(unbroken[1].folder, tmp_path / "run"))


def weights(run):
    return fit.load(run.model).get_weights()


def without_times(rows):
    """The columns in which two histories must agree: all but the times."""
    return np.array([[row[name] for name in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")] for row in rows])


def test_train_keeps_row_and_weights_of_each_epoch(unbroken):
    """A row an epoch, a line an epoch after one on where images are cached, and a loss that falls."""
    rows, run, lines = unbroken
    numbers = list(range(1, EPOCHS + 1))

    assert [row["epoch"] for row in rows] == [row["epoch"] for row in run.history()] == numbers
    assert lines[0].startswith("decoded images are cached in memory: ")
    assert lines[1].startswith(f"{EPOCHS} epochs of {STEPS} steps: how long they take is known when")
    assert [line.split(":")[0] for line in lines[2:]] == [f"epoch {number}" for number in numbers]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert all(row["images_per_second"] > 0 for row in rows)
    assert np.diff([row["elapsed_seconds"] for row in rows]).min() > 0
    assert int(fit.load(run.model).optimizer.iterations) == EPOCHS * STEPS
    assert any(run.logs.rglob("*tfevents*"))


def test_train_runs_several_steps_a_call(settings, train, unbroken):
    """The same steps and the same weights; a number that does not divide an epoch would train more of them."""
    rows, run = train(settings(epochs=EPOCHS, steps_per_execution=3))

    assert int(fit.load(run.model).optimizer.iterations) == EPOCHS * STEPS
    np.testing.assert_allclose(without_times(rows), without_times(unbroken[0]), rtol=1e-5)
    for mine, others in zip(weights(run), weights(unbroken[1]), strict=True):
        np.testing.assert_allclose(mine, others, rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="divide the 6 steps of an epoch: 1, 2, 3, 6"):
        train(settings(steps_per_execution=4), "other")


LOADER = """
import numpy as np


def batches(source, image_size, batch_size):
    draw = np.random.default_rng(0)
    for _ in range(4):
        yield draw.integers(0, 256, (batch_size, image_size, image_size, 3), "uint8"), draw.integers(0, 5, batch_size)
"""


def test_train_takes_a_loader_of_ones_own(settings, train, tmp_path):
    """Its batches train, as often as it takes, and the records validate; what it gives is not augmented."""
    (tmp_path / "own.py").write_text(LOADER)
    chosen = settings(epochs=1, pipeline=f"{tmp_path / 'own.py'}:batches", shuffle_buffer=None)
    rows, run = train(chosen)

    assert (chosen.augmentation, chosen.shuffle_buffer) == ("none", 1)
    assert len(rows) == 1
    assert int(fit.load(run.model).optimizer.iterations) == STEPS
    with pytest.raises(InputError, match="trained on as it comes"):
        settings(pipeline="own.py:batches", augmentation="flip", shuffle_buffer=None)


def test_train_refuses_batches_that_do_not_fit(settings, train, tmp_path):
    """A loader's first batch is checked, as where it is measured."""
    (tmp_path / "own.py").write_text(LOADER.replace("image_size, 3)", "image_size, 1)"))
    with pytest.raises(InputError, match=r"must give images of shape \(5, 32, 32, 3\)"):
        train(settings(epochs=1, pipeline=f"{tmp_path / 'own.py'}:batches", shuffle_buffer=None))


def test_train_resumed_ends_where_unbroken_ends(settings, train, unbroken):
    """An epoch and then the others leave the weights of all in one go: optimizer, epoch and rows are kept."""
    first, _ = train(settings(epochs=1))
    rows, run = train(settings(epochs=EPOCHS))

    np.testing.assert_allclose(without_times(rows[:1]), without_times(first), rtol=1e-4)
    np.testing.assert_allclose(without_times(rows), without_times(unbroken[0]), rtol=1e-3)
    for ours, theirs in zip(weights(run), weights(unbroken[1]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_train_repeats_epoch_without_weights(settings, train, trained):
    """A kill between row and weights costs that epoch only: its row is forgotten."""
    rows = trained.history()
    trained.keep_history([*rows, {**rows[-1], "epoch": EPOCHS + 1}])
    again, _ = train(settings(epochs=EPOCHS + 1))

    assert [row["epoch"] for row in again] == list(range(1, EPOCHS + 2))
    assert again[-1]["loss"] != rows[-1]["loss"]


def test_train_leaves_finished_training_alone(settings, train, trained):
    """To resume a training that has all its epochs changes nothing."""
    before = trained.model.read_bytes()

    assert train(settings(epochs=EPOCHS))[0] == trained.history()
    assert trained.model.read_bytes() == before


def test_train_with_seed_repeats_history(settings, train):
    """Weights, order and augmentation follow the seed, and another seed gives another history."""
    options = {"augmentation": "codelab", "shuffle_buffer": 16, "epochs": 1}
    one_a, one_b, two = (
        without_times(train(settings(seed=seed, **options), name)[0]) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    np.testing.assert_allclose(one_a, one_b, rtol=1e-4)
    assert not np.allclose(one_a, two, rtol=1e-4)


@pytest.fixture
def small_base(monkeypatch):
    """Builds, in place of mobilenetv2, a model whose frozen base is one convolution with normalisation."""

    def build(name, *, image_size, classes, weights, pixels, **_):
        del weights
        base = keras.Sequential(
            [
                keras.Input((image_size, image_size, 3)),
                keras.layers.Conv2D(4, 3, strides=4),
                keras.layers.BatchNormalization(),
            ]
        )
        base.trainable = False
        layers = [*models.pretrained.signed(pixels), base, keras.layers.Flatten(), keras.layers.Dense(classes)]
        return keras.Sequential(
            [keras.Input((image_size, image_size, 3)), *layers, keras.layers.Softmax(dtype="float32")], name=name
        )

    monkeypatch.setattr(models, "build", build)


@pytest.mark.usefixtures("small_base")
@pytest.mark.parametrize(("pixels", "augmentation"), [("codelab", "flip"), ("weights", "none")])
def test_train_on_cached_features_equals_training_whole(settings, train, pixels, augmentation):
    """The base runs once on each image, or on it and its mirror image; history and weights are as without a cache."""
    options = {"pixels": pixels, "augmentation": augmentation, "shuffle_buffer": 8, "epochs": 2}
    rows, whole = train(settings("mobilenetv2", cached_features=False, **options), "whole")
    cached_rows, cached = train(settings("mobilenetv2", **options), "cached")

    np.testing.assert_allclose(without_times(cached_rows), without_times(rows), rtol=1e-3)
    for ours, theirs in zip(weights(cached), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-4)


@pytest.mark.usefixtures("small_base")
def test_train_on_cached_features_resumes(settings, train):
    """The head's optimizer is kept with the whole model."""
    train(settings("mobilenetv2", epochs=1))
    rows, run = train(settings("mobilenetv2", epochs=2))

    assert [row["epoch"] for row in rows] == [1, 2]
    assert int(fit.load(run.model).optimizer.iterations) == 2 * STEPS


@pytest.mark.usefixtures("small_base")
def test_train_without_memory_for_features_caches_none(settings, train, monkeypatch):
    """The user hears that there is too little, and the base sees every image in every epoch."""
    monkeypatch.setattr(fit, "FEATURES_SHARE", 1e-9)
    lines = []
    rows, _ = train(settings("mobilenetv2", epochs=1), tell=lines.append)

    assert len(rows) == 1
    assert "GB of memory" in lines[0]


def test_train_stops_at_target(settings, train):
    """Training stops at the first epoch whose validation accuracy is as asked."""
    rows, _ = train(settings(epochs=5), target=0.0)

    assert len(rows) == 1


def test_train_stops_at_step_of_infinite_loss(settings, train):
    """The message names the step."""
    with pytest.raises(RunFailed, match=r"after step [1-6] of epoch 1: nothing is kept"):
        train(settings(learning_rate=1e38))


def test_train_stopped_by_nan_keeps_earlier_epochs(settings, train, trained):
    """The weights and rows of earlier epochs are kept."""
    model = fit.load(trained.model)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(trained.model)
    with pytest.raises(RunFailed, match=r"after step 1 of epoch 4: the weights of epoch 3 are kept"):
        train(settings(epochs=EPOCHS + 1))

    assert len(trained.history()) == EPOCHS


def test_weights_that_last_step_spoilt_are_not_kept(tmp_path):
    """The step's own loss was finite, that of validation is not: no row, no weights, and the epoch is named."""
    rows = []
    epochs = KeepEpochs(Run(tmp_path), None, classes=(), images=8, rows=rows, begun=0.0, tell=print)
    epochs.on_epoch_begin(0)

    with pytest.raises(RunFailed, match=r"The validation loss is nan at the end of epoch 1: nothing is kept"):
        epochs.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5, "val_loss": float("nan"), "val_accuracy": 0.2})
    assert rows == []
    assert list(tmp_path.iterdir()) == []


def test_train_refuses_too_few_records(settings, train):
    """A batch that is larger than all training shards is refused before anything is built."""
    with pytest.raises(InputError, match=r"30 and 10 of them, and batch_size=64"):
        train(settings(batch_size=64))


def test_train_refuses_records_of_other_classes(settings, train):
    """The records must hold the classes of the settings."""
    with pytest.raises(InputError, match="classes"):
        train(replace(settings(), classes=photos.CLASSES[:2]))


def test_train_refuses_weights_of_another_model(settings, train, trained):
    """The model that the folder holds must be the one asked for."""
    odd = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3)], name="odd")
    odd.save(trained.model)
    with pytest.raises(InputError, match=r"must be dense_single\. Received: odd"):
        train(settings(epochs=4))


def test_load_never_runs_code(tmp_path):
    """A `.keras` file that holds a function is refused; so is one that is damaged, or missing."""
    path = tmp_path / "code.keras"
    hostile = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    hostile.save(path)
    with pytest.raises(InputError, match="without code in it"):
        fit.load(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="must be a model saved by Keras"):
        fit.load(path)
    with pytest.raises(InputError, match="no such file"):
        fit.load(tmp_path / "none.keras")


def test_schedule_is_the_codelabs(settings):
    """Where the codelab has one and the user chose no rate, the learning rate follows it from epoch to epoch."""
    (callback,) = fit._schedule(replace(settings(), model="xception"))

    assert [callback.schedule(epoch) for epoch in range(12)] == [
        schedules.schedule("xception", replicas=1)(epoch) for epoch in range(12)
    ]
    assert fit._schedule(replace(settings(), model="xception", learning_rate=0.1)) == []
    assert fit._schedule(settings()) == []


def test_export_keeps_probabilities(unbroken, tmp_path):
    """A `.keras` file without optimizer, weights and a SavedModel each give the same probabilities."""
    model, noise = fit.load(unbroken[1].model), np.random.default_rng(3).random((2, 32, 32, 3), np.float32)
    expected = model.predict(noise, verbose=0)
    for name in ("flowers.keras", "flowers.weights.h5", "flowers"):
        fit.export(model, tmp_path / name)
    again = keras.models.load_model(tmp_path / "flowers.keras")
    rebuilt = models.build("dense_single", image_size=32, weights=tmp_path / "flowers.weights.h5")
    served = tf.saved_model.load(str(tmp_path / "flowers"))  # whose variables live as long as it is held

    assert not again.compiled
    for answer in (again.predict(noise, verbose=0), rebuilt.predict(noise, verbose=0), served.serve(noise).numpy()):
        np.testing.assert_allclose(answer, expected, rtol=1e-5)
    assert not list(tmp_path.glob("unfinished-*"))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_train_takes_a_users_model(small_records, tmp_path, command_line):
    """A function of a file is trained, resumed and evaluated as any other, with layers that the file registers."""
    (tmp_path / "net.py").write_text(
        "import keras\n\n\n@keras.saving.register_keras_serializable()\nclass Mean(keras.layers.Layer):\n"
        "    def call(self, images):\n"
        "        return keras.ops.mean(images, (1, 2))\n\n\n"
        "def build(image_size, classes):\n"
        "    return keras.Sequential([keras.Input((image_size, image_size, 3)), Mean(),\n"
        "        keras.layers.Dense(classes, activation='softmax')])\n"
    )
    run = tmp_path / "run"
    train = ("train", f"{tmp_path}/net.py:build", "--records", small_records, "--output", run, "--batch-size", 8)
    first = command_line("flowers_core", *train, "--epochs", 1, "--no-keep-memory")
    resumed = command_line("flowers_core", *train, "--epochs", 2, "--no-keep-memory", "--resume")
    evaluated = command_line("flowers_core", "evaluate", run)

    assert (first.code, resumed.code, evaluated.code) == (0, 0, 0), first.err + resumed.err + evaluated.err
    assert "net:build: float32" in " ".join(resumed.out.split())
    assert "net:build: accuracy" in " ".join(evaluated.out.split())
