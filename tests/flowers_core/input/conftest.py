"""Photos and records that all input tests read, and how what pipelines deliver is counted."""

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

IMAGE_SIZE = 48
PHOTOS = 44  # not a multiple of the batch of 8, so that there is a remainder
SHARDS = 8


@pytest.fixture(scope="session")
def source_photos(tmp_path_factory, jpeg):
    """44 photos of five classes, each of a size of its own between 50 and 120 pixels."""
    from flowers_core.data import photos

    folder = tmp_path_factory.mktemp("photos")
    for number in range(PHOTOS):
        path = folder / photos.CLASSES[number % 5] / f"{number:02d}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg(number, size=(50 + 31 * number % 70, 50 + 17 * number % 70)))
    return photos.find(folder)


@pytest.fixture(scope="session")
def shards(source_photos, tmp_path_factory):
    """Paths of the 8 shards of the same photos, images of 48 pixels."""
    from flowers_core.data import manifest, tfrecords

    folder = tmp_path_factory.mktemp("records")
    written = tfrecords.write(source_photos, folder, image_size=IMAGE_SIZE, shards=SHARDS)
    return manifest.paths(folder, written)


@pytest.fixture(scope="session")
def count_images():
    """Counts how often each label and image come in batches; float32 counts as the uint8 it was scaled from."""

    def count(batches):
        return Counter(
            (int(label), sha256(as_uint8(np.asarray(image)).tobytes()).hexdigest())
            for pixels, labels in batches
            for image, label in zip(pixels, labels, strict=True)
        )

    return count


def as_uint8(image):
    return image if image.dtype == np.uint8 else np.round(image * 255).astype(np.uint8)
