"""Tests of `evaluate` and `plots` in `flowers_core.train`."""

import keras
import numpy as np
import pytest
from PIL import Image

from flowers_core.data import manifest
from flowers_core.errors import InputError
from flowers_core.train import evaluate, plots, run_dir
from flowers_core.train.evaluate import Evaluation
from flowers_core.train.settings import Choices, resolve

CLASSES = ("daisy", "roses", "tulips")


@pytest.fixture
def evaluation():
    """Four images: two daisies, of which the second is taken for a rose, two roses, and no tulip."""
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.3, 0.6, 0.1]], np.float32)
    return Evaluation(classes=CLASSES, labels=np.array([0, 0, 1, 1]), probabilities=probabilities)


class ByBrightness(keras.layers.Layer):
    """A model without weights: all bright images are of class 0, the others of class 1."""

    def call(self, images):
        bright = keras.ops.cast(keras.ops.mean(images, axis=(1, 2, 3)) > 0.5, "float32")[:, None]
        return keras.ops.concatenate([bright, 1 - bright, *[0 * bright] * 3], axis=1)


@pytest.fixture(scope="module")
def model():
    return keras.Sequential([keras.Input((32, 32, 3)), ByBrightness()])


@pytest.fixture(scope="module")
def settings(small_records):
    written, choices = manifest.load(small_records), Choices(batch_size=3)
    return resolve("dense", written, choices, records=small_records, device="cpu", replicas=1)


def test_confusion_counts_each_image_once(evaluation):
    """Rows are what images are, columns what they are taken for."""
    assert evaluation.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert evaluation.accuracy == 0.75


def test_rows_hold_none_for_shares_of_nothing(evaluation):
    """Precision and recall of each class; None where there is nothing to share."""
    rows = {row["class"]: (row["images"], row["precision"], row["recall"]) for row in evaluation.rows()}

    assert rows["daisy"] == (2, 1.0, 0.5)
    assert rows["roses"] == (2, pytest.approx(2 / 3), 1.0)
    assert rows["tulips"] == (0, None, None)


def test_captions_tell_of_mistaken_images(evaluation):
    """Two lines for the daisy that was taken for a rose: its class, and the predicted one with its probability."""
    assert evaluation.captions() == [("is daisy", "roses 70%?")]


@pytest.mark.parametrize(("split", "images"), [("validation", 10), ("training", 30)])
def test_evaluate_covers_split(model, settings, split, images):
    """The shards that validate, or those it learnt from; mistaken images come as pixels."""
    evaluation, mistaken = evaluate.evaluate(model, settings, split=split)

    assert len(evaluation.labels) == images
    assert len(evaluation.captions()) == len(mistaken)
    assert mistaken.shape == (sum(evaluation.predicted != evaluation.labels), 32, 32, 3)
    assert mistaken.dtype == np.uint8


def test_evaluate_takes_other_records_whole(model, settings):
    """All their shards are unseen."""
    assert len(evaluate.evaluate(model, settings, records=settings.records)[0].labels) == 40


def test_evaluate_refuses_unknown_split(model, settings):
    """The message lists both."""
    with pytest.raises(InputError, match="validation, training"):
        evaluate.evaluate(model, settings, split="test")


def test_predict_takes_photos_of_any_size(model, tmp_path):
    """Each is filled and cropped; one that does not decode has its reason, and the others are not lost."""
    paths = [str(tmp_path / name) for name in ("bright.jpg", "broken.jpg", "dark.jpg", "webp.jpg", "strip.jpg")]
    Image.new("RGB", (90, 50), (250, 250, 250)).save(paths[0])
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    Image.new("RGB", (20, 31)).save(paths[2])
    Image.new("RGB", (20, 31)).save(paths[3], "WEBP")
    Image.new("RGB", (60_000, 1)).save(paths[4])  # scaled to 32 rows as a whole it would take 737 MB
    bright, broken, dark, webp, strip = evaluate.predict(model, paths, image_size=32)

    assert bright.shape == (5,)
    assert [row.argmax() for row in (bright, dark, webp, strip)] == [0, 1, 1, 1]
    assert "no JPEG header that can be read" in broken


def test_contact_sheet_shows_each_image(tmp_path):
    """Nine pictures take two rows, and each is where it belongs."""
    colours = [np.full((32, 32, 3), 20 * number, np.uint8) for number in range(9)]
    plots.draw_contact_sheet(tmp_path / "sheet.png", colours, [("is daisy", "roses 80%?")] * 9)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))

    wide, high = plots.SIDE + plots.MARGIN, plots.SIDE + 28 + plots.MARGIN
    for number in range(9):
        top, left = number // 8 * high + 40, number % 8 * wide + 40
        assert sheet[top, left].tolist() == [20 * number] * 3


def test_contact_sheet_may_be_empty(tmp_path):
    """Nothing mistaken leaves white paper."""
    plots.draw_contact_sheet(tmp_path / "sheet.png", [], [])

    assert np.asarray(Image.open(tmp_path / "sheet.png")).min() == 255


def test_pictures_leave_nothing_on_a_full_disk(tmp_path, file_size_limit):
    """A picture that finds no room is an error with its name; the one of before stays, and no empty file."""
    sheet, rows = tmp_path / "sheet.png", [dict.fromkeys(run_dir.COLUMNS, 1.0)]
    plots.draw_contact_sheet(sheet, [], [])
    before = sheet.read_bytes()
    noise = np.random.default_rng(0).integers(0, 256, (9, 128, 128, 3), np.uint8)
    for path, draw in (
        (sheet, lambda: plots.draw_contact_sheet(sheet, noise, [("", "")] * 9)),
        (tmp_path / "curves.png", lambda: plots.draw_history(tmp_path / "curves.png", rows, title="a model")),
    ):
        with file_size_limit(1000), pytest.raises(OSError, match="File too large") as caught:
            draw()
        assert caught.value.filename == str(path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {sheet.name: before}


def test_history_is_drawn(tmp_path):
    """It is drawn, has ink, and another history draws another."""
    for name, accuracy in (("low", 0.2), ("high", 0.9)):
        rows = [
            {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": accuracy, "val_accuracy": accuracy}
            for epoch in (1, 2, 3)
        ]
        plots.draw_history(tmp_path / f"{name}.png", rows, title="a model", goal=(0.7, 0.8))
    low, high = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("low", "high"))

    assert low.shape == high.shape == (432, 1080, 3)
    assert (low != high).any()
