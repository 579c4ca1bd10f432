"""Training: rows and weights after each epoch, going on, frozen bases, seeds, and where it stops."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from flowers_core import backends, models
from flowers_core.data import manifest, photos, tfrecords
from flowers_core.errors import InputError, RunFailed
from flowers_core.train import feature_cache, fit, schedules
from flowers_core.train.callbacks import Epochs, NotFinite
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Choices, resolve

# Keras 3.15 copies TensorFlow 2.21's variables in a way that numpy 2 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BATCH_SIZE, STEPS = 5, 6  # an epoch is all of the images: 30 to train on


@pytest.fixture(autouse=True)
def no_seed():
    """Leaves no global seed to other tests: tf.data would draw the same in each epoch."""
    yield
    tf.random.set_seed(None)


@pytest.fixture(scope="module")
def folder(make_photos, tmp_path_factory):
    """Records of 40 photos at 32 px in 4 shards, of which one validates."""
    room = tmp_path_factory.mktemp("learning")
    tfrecords.write(make_photos(room / "photos", 40), room / "records", image_size=32, shards=4)
    return str(room / "records")


@pytest.fixture
def settings(folder):
    """Makes settings: `settings("dense_single", epochs=3)`."""

    def make(model="dense_single", **chosen):
        chosen = {"epochs": 2, "batch_size": BATCH_SIZE, "shuffle_buffer": 1, "seed": 1, "xla": False, **chosen}
        return resolve(model, manifest.load(folder), Choices(**chosen), records=folder, device="cpu", replicas=1)

    return make


@pytest.fixture
def train(tmp_path):
    """Trains in a folder of its own: `train(settings, "name")` gives rows and run."""

    def do(settings, name="run", **options):
        run = Run(tmp_path / name)
        if not run.begun:
            run.begin(settings)
        return fit.train(settings, run, device=backends.get("tensorflow").find("cpu"), **options), run

    return do


def weights(run):
    return fit.load(run.model).get_weights()


def learnt(rows):
    """What two histories must agree on: nothing that a clock says."""
    return [[row[name] for name in ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")] for row in rows]


def test_each_epoch_leaves_a_row_and_weights(settings, train):
    """A row an epoch, a line an epoch after one of where images are kept, and a loss that falls."""
    lines = []
    rows, run = train(settings(epochs=4), tell=lines.append)

    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert lines.pop(0).startswith("decoded images are kept in memory: ")
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert all(row["images_per_second"] > 0 for row in rows)
    assert np.diff([row["elapsed_seconds"] for row in rows]).min() > 0
    assert [row["epoch"] for row in run.history()] == [1, 2, 3, 4]
    assert int(fit.load(run.model).optimizer.iterations) == 4 * STEPS
    assert any(run.logs.rglob("*tfevents*"))


def test_what_goes_on_ends_where_an_unbroken_training_ends(settings, train):
    """Two epochs and then two more leave the weights of four in one go: optimizer, epoch and rows are kept."""
    unbroken, whole = train(settings(epochs=4, augmentation="none"), "whole")
    first, run = train(settings(epochs=2, augmentation="none"), "parts")
    rows, _ = train(settings(epochs=4, augmentation="none"), "parts")

    assert learnt(rows[:2]) == pytest.approx(np.array(learnt(first)), rel=1e-4)
    assert np.array(learnt(rows)) == pytest.approx(np.array(learnt(unbroken)), rel=1e-3)
    for ours, theirs in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_a_kill_between_row_and_weights_costs_that_epoch_only(settings, train):
    """A row without weights is forgotten, and its epoch done again."""
    rows, run = train(settings(epochs=2))
    run.keep_history([*rows, {**rows[-1], "epoch": 3}])
    again, _ = train(settings(epochs=3))

    assert [row["epoch"] for row in again] == [1, 2, 3]
    assert again[2]["loss"] != rows[1]["loss"]


def test_a_training_that_is_done_is_done(settings, train):
    """To go on with one that has all its epochs changes nothing."""
    rows, run = train(settings())
    before = run.model.read_bytes()

    assert learnt(train(settings())[0]) == pytest.approx(np.array(learnt(rows)), rel=1e-4)
    assert run.model.read_bytes() == before


def test_a_seed_gives_the_same_history(settings, train):
    """Weights, order and augmentation follow the seed, and another seed gives another history."""
    same = {"augmentation": "codelab", "shuffle_buffer": 16}
    histories = [learnt(train(settings(seed=seed, **same), name)[0]) for name, seed in (("a", 1), ("b", 1), ("c", 2))]

    assert histories[0] == pytest.approx(np.array(histories[1]), rel=1e-4)
    assert histories[0] != pytest.approx(np.array(histories[2]), rel=1e-4)


@pytest.mark.parametrize(("pixels", "augmentation"), [("codelab", "flip"), ("weights", "none")])
def test_cached_features_train_as_the_whole_does(settings, train, pixels, augmentation):
    """The base sees each image once, or it and its mirror image, and history and weights are those of the plain way."""
    asked = {"pixels": pixels, "augmentation": augmentation, "shuffle_buffer": 8, "epochs": 3}
    plain, whole = train(settings("mobilenetv2", cached_features=False, **asked), "plain")
    cached, run = train(settings("mobilenetv2", **asked), "cached")

    assert np.array(learnt(cached)) == pytest.approx(np.array(learnt(plain)), rel=1e-3)
    for ours, theirs in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-4)


def test_cached_features_go_on_after_a_kill(settings, train):
    """The head's optimizer is kept with the whole model."""
    train(settings("mobilenetv2", epochs=1))
    rows, run = train(settings("mobilenetv2", epochs=2))

    assert [row["epoch"] for row in rows] == [1, 2]
    assert int(fit.load(run.model).optimizer.iterations) == 2 * STEPS


def test_features_that_memory_does_not_hold_are_not_cached(settings, train, monkeypatch):
    """They are said to be too many, and the plain way is taken."""
    monkeypatch.setattr(fit, "FEATURES_SHARE", 1e-9)
    lines = []
    rows, _ = train(settings("mobilenetv2", epochs=1), tell=lines.append)

    assert len(rows) == 1
    assert "GB of memory" in lines[0]


def test_only_what_is_frozen_from_the_bottom_is_a_base():
    """Of a model whose first weights learn, nothing is computed once."""
    assert feature_cache.part(models.build("squeezenet_small", image_size=32)) is None
    base, head = feature_cache.part(models.build("mobilenetv2", image_size=32, pixels="weights"))

    assert base.count_params() == 2_257_984
    assert [layer.name.split("_")[0] for layer in head.layers] == ["flatten", "dense"]


def test_a_target_ends_it(settings, train):
    """Training stops at the first epoch whose validation accuracy is as asked."""
    rows, _ = train(settings(epochs=5), target=0.0)

    assert len(rows) == 1


def test_a_loss_that_is_no_number_stops_at_its_step(settings, train):
    """It says at which step; of earlier epochs the weights are kept."""
    with pytest.raises(NotFinite, match=r"after step [1-6] of epoch 1: nothing is kept"):
        train(settings(learning_rate=1e38), "none")
    rows, run = train(settings(), "some")
    model = fit.load(run.model)
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    model.save(run.model)
    with pytest.raises(NotFinite, match=r"after step 1 of epoch 3: the weights of epoch 2 are kept"):
        train(settings(epochs=3), "some")
    assert len(run.history()) == len(rows)


def test_too_few_records_are_said(settings, train):
    """A batch that is larger than all training shards is refused before anything is built."""
    with pytest.raises(InputError, match=r"30 and 10 of them, and batch_size=64"):
        train(settings(batch_size=64))


def test_weights_of_another_model_are_refused(settings, train):
    """What is kept in the folder must be what is asked for."""
    _, run = train(settings())
    keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(3)], name="odd").save(
        run.model
    )
    with pytest.raises(InputError, match=r"must be dense_single for 5 classes. Received: odd for 3"):
        train(settings(epochs=4))


def test_code_in_a_file_is_never_run(tmp_path):
    """A `.keras` file that holds a function is refused; so is one that is damaged, or none."""
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


def test_the_schedule_is_the_codelabs(settings):
    """Where it has one and no rate is asked for, the learning rate follows it from epoch to epoch."""
    (callback,) = fit._scheduled(replace(settings(), model="xception"))

    assert [callback.schedule(epoch) for epoch in range(12)] == [
        schedules.schedule("xception", replicas=1)(epoch) for epoch in range(12)
    ]
    assert fit._scheduled(replace(settings(), model="xception", learning_rate=0.1)) == []
    assert fit._scheduled(settings()) == []


def test_a_kept_model_can_be_exported(settings, train, tmp_path):
    """As a `.keras` file without optimizer, as weights, as a SavedModel; each gives the same probabilities."""
    run = train(settings(epochs=1))[1]
    model, noise = fit.load(run.model), np.random.default_rng(3).random((2, 32, 32, 3), np.float32)
    expected = model.predict(noise, verbose=0)
    for name in ("flowers.keras", "flowers.weights.h5", "flowers"):
        fit.export(model, tmp_path / name)
    again = keras.models.load_model(tmp_path / "flowers.keras")
    rebuilt = models.build("dense_single", image_size=32, weights=tmp_path / "flowers.weights.h5")
    served = tf.saved_model.load(str(tmp_path / "flowers"))  # whose variables live as long as it is held

    assert not again.compiled
    for given in (again.predict(noise, verbose=0), rebuilt.predict(noise, verbose=0), served.serve(noise).numpy()):
        np.testing.assert_allclose(given, expected, rtol=1e-5)
    assert not list(tmp_path.glob("unfinished-*"))


def test_records_of_other_classes_are_refused(settings, train):
    """What is trained on is what was settled."""
    with pytest.raises(InputError, match="classes"):
        train(replace(settings(), classes=photos.CLASSES[:2]))


def test_without_a_seed_too_half_of_the_features_are_of_mirror_images(folder):
    """Each row comes as the image's or as that of its mirror image, with the label of both."""
    shards = manifest.paths(folder, manifest.load(folder))
    base = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    known = feature_cache.Features(base, shards, image_size=32, batch_size=5, count=40, mirrored=True)
    rows = {row.tobytes(): at for at, row in enumerate(known.values)}
    drawn = known.training(batch_size=10, shuffle_buffer=1, seed=None).take(20).as_numpy_iterator()
    found = [(rows[row.tobytes()], label) for batch in drawn for row, label in zip(*batch, strict=True)]
    images, mirrored = (half.reshape(40, 32, 32, 3) for half in np.split(known.values, 2))

    np.testing.assert_array_equal(mirrored[:, :, ::-1], images)
    assert all(known.labels[at % 40] == label for at, label in found)
    assert 50 < sum(at >= 40 for at, _ in found) < 150


def test_weights_that_a_last_step_ruined_are_not_kept(tmp_path):
    """Its own loss was a number, that of validation is none: no row, no weights, and it says when."""
    rows = []
    epochs = Epochs(Run(tmp_path), None, images=8, rows=rows, begun=0.0, tell=print)
    epochs.on_epoch_begin(0)

    with pytest.raises(NotFinite, match=r"The validation loss is nan at the end of epoch 1: nothing is kept"):
        epochs.on_epoch_end(0, {"loss": 1.0, "accuracy": 0.5, "val_loss": float("nan"), "val_accuracy": 0.2})
    assert rows == []
    assert list(tmp_path.iterdir()) == []


def test_features_of_images_that_never_came_are_refused(folder):
    """Who lost a worker on the way trains on nothing that was not computed."""
    shards = manifest.paths(folder, manifest.load(folder))
    base = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten()])
    with pytest.raises(RunFailed, match=r"Each of the 41 images must come once .* Received: 40"):
        feature_cache.Features(base, shards, image_size=32, batch_size=5, count=41)
