"""How records hold images: what each encoding keeps, takes, and refuses."""

import numpy as np
import pytest

from flowers_core.data import array_images, encodings, manifest, tfrecords
from flowers_core.errors import InputError
from flowers_core.input import array_batches, fast_decode, pipelines

SIZE = 48


@pytest.fixture(scope="module")
def smooth():
    """An image whose colours change slowly, as those of photos do."""
    x, y = np.meshgrid(np.linspace(0, 255, SIZE), np.linspace(0, 255, SIZE))
    return np.stack([x, y, (x + y) / 2], axis=-1).astype(np.uint8)


def decibels(image, other):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(float) - other) ** 2)))


def test_raw_keeps_every_pixel_and_planes_nearly(smooth):
    """Planes take half the bytes; by TensorFlow their pixels are a rounding away."""
    for encoding, least in (("raw", 90), ("yuv420", 38)):
        content = encodings.encode(smooth, encoding)
        assert len(content) == encodings.bytes_of(encoding, SIZE)
        place = np.empty_like(smooth)
        encodings.decode_into(place, content, encoding)
        assert decibels(place, smooth) > least
        by_tensorflow = encodings.decode(content, encoding, SIZE).numpy().astype(int)
        assert np.abs(by_tensorflow - place).max() <= 1
    assert encodings.bytes_of("jpeg420", SIZE) is None


def test_halved_colours_are_the_same_bytes_with_and_without_tensorflow(smooth):
    """And fewer than those of whole ones."""
    import tensorflow as tf

    from flowers_core.data import images

    halved = array_images.encode(smooth, halve_colours=True)
    assert halved == images.encode(tf.constant(smooth), halve_colours=True).numpy()
    assert len(halved) < len(array_images.encode(smooth))


def test_an_image_of_another_format_or_size_is_refused(smooth):
    """In one sentence that says what came instead."""
    place = np.empty_like(smooth)
    for content, said in ((b"\xff\xd8\xff", "a JPEG"), (b"\0" * 30, "30 bytes")):
        with pytest.raises(InputError, match=f"Received: {said}. Records of two formats or sizes cannot be mixed"):
            encodings.decode_into(place, content, "raw")
    with pytest.raises(InputError, match="must be even"):
        encodings.check_size("yuv420", 331)
    with pytest.raises(InputError, match="format"):
        encodings.check_size("bmp", 32)


@pytest.fixture(scope="module", params=[encoding for encoding in encodings.ENCODINGS if encoding != encodings.JPEG])
def written(request, synthetic_photos, tmp_path_factory):
    """Records of an encoding: their folder and manifest."""
    from flowers_core.data import photos

    folder = tmp_path_factory.mktemp(request.param)
    few = photos.find(synthetic_photos)
    return folder, tfrecords.write(few, folder, image_size=SIZE, shards=2, encoding=request.param)


def test_every_reader_takes_every_encoding(written):
    """The fast one and TensorFlow's give the same pixels, but for a rounding; the manifest says which encoding."""
    folder, wrote = written
    found = manifest.load(folder)
    assert found == wrote
    shards = manifest.paths(folder, found)
    how = {"image_size": SIZE, "batch_size": 4}
    fast = [tuple(map(np.copy, batch)) for batch in array_batches.build("records_turbo", shards, **how)]
    slow = list(pipelines.build("records_sequential", shards, **how).as_numpy_iterator())
    turbo = list(pipelines.build("records_turbo", shards, **how).as_numpy_iterator())

    def totals(batches, factor=1):
        pairs = [
            (int(label), float(np.sum(image, dtype=np.float64)) * factor)
            for images, labels in batches
            for image, label in zip(images, labels, strict=True)
        ]
        return sorted(pairs)

    assert len(totals(fast)) == found.images
    assert totals(fast) == totals(turbo)
    for (label, total), (other, expected) in zip(totals(fast), totals(slow, 255), strict=True):
        assert label == other
        assert abs(total - expected) <= SIZE * SIZE * 3
    assert sum(tfrecords.verify(path, image_size=SIZE, features=shards.features) for path in shards) == found.images


def test_records_of_two_formats_are_refused(written, synthetic_photos, tmp_path):
    """Written over others, copied among others, and without a manifest that tells them apart."""
    from flowers_core.data import photos

    folder, wrote = written
    with pytest.raises(InputError, match=f"records of format {wrote.features.encoding}, not jpeg444"):
        tfrecords.write(photos.find(synthetic_photos), folder, image_size=SIZE, shards=2)
    if wrote.features.encoding in encodings.JPEGS:
        return
    (tmp_path / wrote.shards[0].name).write_bytes((folder / wrote.shards[0].name).read_bytes())
    with pytest.raises(InputError, match="must hold JPEGs"):
        manifest.load(tmp_path)
    decoder = fast_decode.BatchDecoder(SIZE, encoding=wrote.features.encoding)
    with pytest.raises(InputError, match="cannot be mixed"):
        decoder.decode_records([b"\xff\xd8\xff\xe0"])


def test_a_manifest_of_an_unknown_encoding_is_damaged(written):
    """A later version's, say; one that says nothing holds the codelab's."""
    _, wrote = written
    text = wrote.to_json().replace(f'"{wrote.features.encoding}"', '"webp"')
    with pytest.raises(InputError, match="must be as it was written"):
        manifest.from_json(text)
    assert f'"encoding": "{wrote.features.encoding}"' in wrote.to_json()
