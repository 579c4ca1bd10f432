"""Small photos for the rooms of the product, and their records."""

import io
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def jpeg():
    """Makes a small smooth photo, another for every seed: `jpeg(3, mode="L")`; or another kind of file."""

    def make(seed=0, *, mode="RGB", kind="JPEG", size=(40, 30)) -> bytes:
        small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode).save(file, kind)
        return file.getvalue()

    return make


@pytest.fixture(scope="session")
def make_photos(jpeg):
    """Writes photos of the codelab's classes to a folder, and finds them: `make_photos(folder, 21)`."""
    from flowers_core.data import photos

    def make(folder, count=20):
        for number in range(count):
            path = folder / photos.CLASSES[number % 5] / f"{number:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number))
        return photos.find(folder)

    return make


@pytest.fixture(scope="session")
def twenty(make_photos, tmp_path_factory):
    """20 good photos."""
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def written(twenty, tmp_path_factory):
    """(folder, manifest) of the 20 photos in 3 shards, images of 24 pixels; to be left as they are."""
    from flowers_core.data import tfrecords

    folder = tmp_path_factory.mktemp("records") / "made" / "here"
    return folder, tfrecords.write(twenty, folder, image_size=24, shards=3, threads=2)


@pytest.fixture(scope="session")
def contents():
    """Gives every file of a folder, hidden ones included: path -> bytes."""
    return lambda folder: {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="session")
def project_root():
    """The folder of the checkout."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_photos(project_root):
    """The codelab's photos, where they stand beside the checkout."""
    folder = project_root.parent / "shared" / "flower_photos"
    if not folder.is_dir():
        pytest.skip("the real photos are not beside the checkout")
    return folder


@pytest.fixture(scope="session")
def file_size_limit():
    """Stands for a full disk: while the block runs, no file of this process may be longer than some bytes."""

    @contextmanager
    def limit(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def no_seed():
    """Leaves no global seed to other tests: tf.data would draw the same in each epoch."""
    yield
    import tensorflow as tf

    tf.random.set_seed(None)
