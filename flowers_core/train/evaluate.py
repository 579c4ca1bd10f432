"""A trained model on images that it has not seen: accuracy, confusion, and the classes of photos."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np

from flowers_core.data import array_images, manifest, photos
from flowers_core.data import shards as shard_paths
from flowers_core.data.decoding import CODELAB, Decoding
from flowers_core.data.shards import Features
from flowers_core.errors import InputError, one_of
from flowers_core.train import feeding
from flowers_core.train.settings import Settings

SPLITS = ("validation", "training")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a model predicted for images of known classes.

    Attributes:
        classes: Their names, in the order of labels.
        labels: int64, shape `(images,)`.
        probabilities: float32, shape `(images, classes)`.
    """

    classes: tuple[str, ...]
    labels: np.ndarray
    probabilities: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each image, shape `(images,)`."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of images whose likeliest class is theirs."""
        return float((self.predicted == self.labels).mean())

    @property
    def confusion(self) -> np.ndarray:
        """How many images of each class (rows) were predicted as each (columns), shape `(classes, classes)`."""
        counts = np.zeros((len(self.classes), len(self.classes)), np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def rows(self) -> list[dict]:
        """A row a class: `class`, `images`, `precision`, `recall`, and `taken_for`, the images predicted as each class.

        Precision is None where no image was predicted as the class, recall where there are no images of it.
        """
        counts = self.confusion
        return [
            {
                "class": name,
                "images": int(counts[number].sum()),
                "precision": _share(counts[number, number], counts[:, number].sum()),
                "recall": _share(counts[number, number], counts[number].sum()),
                "taken_for": dict(zip(self.classes, map(int, counts[number]), strict=True)),
            }
            for number, name in enumerate(self.classes)
        ]

    def captions(self) -> list[tuple[str, str]]:
        """Two short lines for each image that was predicted as another class: its class, and the predicted one."""
        return [
            (f"is {self.classes[label]}", f"{self.classes[predicted]} {row.max():.0%}?")
            for label, predicted, row in zip(self.labels, self.predicted, self.probabilities, strict=True)
            if label != predicted
        ]

    def to_json(self) -> dict:
        """Plain values, without the probabilities."""
        return {"images": len(self.labels), "accuracy": self.accuracy, "classes": self.rows()}


def _share(part: int, whole: int) -> float | None:
    return float(part / whole) if whole else None


def evaluate(
    model: keras.Model,
    settings: Settings,
    *,
    split: str = "validation",
    records: str | None = None,
    features: Features = shard_paths.CODELAB,
) -> tuple[Evaluation, np.ndarray]:
    """Evaluates a model on the shards that it was validated on, or others.

    Args:
        model: The trained model.
        settings: How it was trained.
        split: One of `SPLITS`.
        records: Other records than those it was trained on; then all their shards are taken.
        features: Names of the features of other records.

    Returns:
        The evaluation, and the pixels, uint8, of the images predicted as another class, in the order of images.

    Raises:
        InputError: If records are of another size or other classes, or damaged.
    """
    one_of("split", split, SPLITS)
    if records is not None:
        settings = replace(settings, records=records, features=features)
    written = settings.manifest()
    manifest.check_matches(written, image_size=settings.image_size, classes=settings.classes)
    shards = manifest.paths(settings.records, written)
    if records is None:
        shards = manifest.split(shards, validation=settings.validation)[split == "validation"]
    arrays, size = feeding.by_arrays(settings.records), settings.image_size
    with feeding.explain_errors(shards, arrays=arrays, classes=len(settings.classes), image_size=size):
        data = feeding.validation(shards, arrays=arrays, image_size=size, batch_size=settings.batch_size)
        return _evaluate(model, data, settings.classes)


def _evaluate(model: keras.Model, data: Iterable, classes: Sequence[str]) -> tuple[Evaluation, np.ndarray]:
    labels, probabilities, mistaken = [], [], []
    for pixels, truth in data:
        predicted, truth = model.predict_on_batch(pixels), np.asarray(truth)
        wrong = predicted.argmax(axis=1) != truth
        mistaken.append((np.asarray(pixels)[wrong] * 255).round().astype(np.uint8))
        labels.append(truth)
        probabilities.append(predicted)
    evaluation = Evaluation(
        classes=tuple(classes), labels=np.concatenate(labels), probabilities=np.concatenate(probabilities)
    )
    return evaluation, np.concatenate(mistaken)


def predict(
    model: keras.Model, paths: Sequence[str], *, image_size: int, decoding: Decoding = CODELAB
) -> list[np.ndarray | str]:
    """Class probabilities of photos.

    Args:
        model: The trained model.
        paths: JPEG, PNG or WebP files, on disk or in a bucket.
        image_size: Side of the images that it takes, in pixels.
        decoding: How photos become pixels; that of the photos it was trained on.

    Returns:
        For each photo its probabilities, float32, shape `(classes,)`, or the reason why it has none.
    """
    decoding.check_memory(1)
    return [_predict_photo(model, path, image_size, decoding) for path in paths]


def _predict_photo(model: keras.Model, path: str, image_size: int, decoding: Decoding) -> np.ndarray | str:
    try:
        pixels = (_pixels if feeding.by_arrays(path) else _pixels_by_tensorflow)(path, image_size, decoding)
    except InputError as error:
        return str(error)
    return model.predict_on_batch(pixels.astype(np.float32)[None] / 255)[0]


def _pixels(path: str, image_size: int, decoding: Decoding) -> np.ndarray:
    """A photo as the model sees it, uint8."""
    photo = array_images.read(path, accept=photos.ACCEPTABLE, decoding=decoding)
    return array_images.fill_and_crop(array_images.decode_photo(photo, image_size, decoding), image_size)


def _pixels_by_tensorflow(path: str, image_size: int, decoding: Decoding) -> np.ndarray:
    """The same, from a bucket as well."""
    import tensorflow as tf

    from flowers_core.data import images

    photo = images.read(path, accept=photos.ACCEPTABLE, decoding=decoding)
    try:
        return images.fill_and_crop(images.decode_photo(photo, image_size, decoding), image_size).numpy()
    except tf.errors.OpError as error:
        raise InputError("truncated or damaged JPEG data") from error
