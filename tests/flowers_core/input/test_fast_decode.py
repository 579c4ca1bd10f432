"""Whole batches by libjpeg-turbo and OpenCV."""

import gc
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from flowers_core import errors
from flowers_core.data import images
from flowers_core.input import fast_decode


def _decibels(image, other):
    return 10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(float) - other) ** 2)))


def test_decode_records_gives_the_pixels_of_tensorflow(jpeg):
    """Bit for bit, colour or grey."""
    jpegs = [jpeg(seed, size=(32, 32), mode=mode) for seed, mode in enumerate(("RGB", "L", "RGB"))]
    found = fast_decode.BatchDecoder(32).decode_records(jpegs)
    np.testing.assert_array_equal(found, [images.decode(jpeg) for jpeg in jpegs])


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (500, 333), (240, 240), (240, 159), (97, 131), (40, 700)])
def test_decode_photos_fills_and_crops_within_rounding(size):
    """The cut saves work and moves nothing: noise, which any shift would turn into other noise, stays at 50 dB."""
    noise = np.random.default_rng(sum(size)).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG", quality=95, subsampling=0)
    found = fast_decode.BatchDecoder(192).decode_photos([file.getvalue()])[0]
    wanted = images.fill_and_crop(images.decode(file.getvalue()), 192).numpy()
    # A column at the cut lacks its neighbour beyond it, a quarter of its weight: only the border may differ by more.
    assert _decibels(found[2:-2, 2:-2], wanted[2:-2, 2:-2]) > 50
    assert _decibels(found, wanted) > 35


def test_crop_region_is_the_least():
    """Of 320 x 240 a quarter is not scaled; of 500 x 333, where no whole pixels meet, all is."""
    rows, columns, height, width, top, left = fast_decode.crop_region(240, 320, 192)
    assert (rows, columns) == (slice(0, 240), slice(40, 280))
    assert (height, width, top, left) == (192, 192, 0, 0)
    assert fast_decode.crop_region(333, 500, 192)[1] == slice(0, 500)


def test_decode_photos_takes_a_larger_photo_after_a_smaller(jpeg):
    """The place of the first does not fit the second, and gets larger."""
    decoder = fast_decode.BatchDecoder(16)
    jpegs = [jpeg(1, size=(20, 20)), jpeg(2, size=(300, 200)), jpeg(3, size=(20, 30))]
    np.testing.assert_array_equal(
        decoder.decode_photos(jpegs),
        np.concatenate([fast_decode.BatchDecoder(16).decode_photos([jpeg]) for jpeg in jpegs]),
    )


@pytest.mark.parametrize("decode", [fast_decode.BatchDecoder.decode_records, fast_decode.BatchDecoder.decode_photos])
def test_decoding_refuses_a_truncated_image(jpeg, decode):
    """With TensorFlow's error, which says that it is damaged."""
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(fast_decode.BatchDecoder(64), [jpeg(1, size=(64, 64))[:-200]])


def test_decoding_takes_a_chroma_sampling_without_a_name(jpeg):
    """1 x 4, for which simplejpeg has no name, is decoded: it was a KeyError."""
    odd = bytearray(jpeg(1, size=(64, 64)))
    odd[odd.index(b"\xff\xc0") + 11] = 0x14
    for decode in (fast_decode.BatchDecoder.decode_records, fast_decode.BatchDecoder.decode_photos):
        assert decode(fast_decode.BatchDecoder(64), [bytes(odd)]).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("size", [(30, 30), (50, 50)])
def test_decode_records_refuses_another_size(jpeg, size):
    """Smaller or larger."""
    with pytest.raises(errors.InputError, match=f"40 x 40.*{size[1]} x {size[0]}"):
        fast_decode.BatchDecoder(40).decode_records([jpeg(1, size=size)])


def test_batch_memory_is_reused_when_nobody_holds_it():
    """A batch that is gone leaves its place; one that is held, if only by a part of it, keeps it."""
    memory = fast_decode.BatchMemory()
    first = memory.batch(4, 8)
    place, part = first.ctypes.data, first[2]
    del first
    gc.collect()
    second = memory.batch(4, 8)
    assert second.ctypes.data != place
    del part
    gc.collect()
    assert memory.batch(4, 8).ctypes.data == place


def test_batch_memory_is_not_copied_by_tensorflow():
    """No copy: what is written into the memory afterwards shows in the tensor."""
    memory = fast_decode.BatchMemory()
    kept = []

    def make():
        kept.append(memory.batch(2, 8))
        kept[0][:] = 1
        return kept[0]

    data = tf.data.Dataset.from_tensors(0).map(lambda _: tf.numpy_function(make, [], tf.uint8))
    tensor = next(iter(data))
    kept[0][:] = 7
    assert tensor.numpy().max() == 7


def test_read_gives_the_whole_file(tmp_path):
    """All of each, a larger one after a smaller, and nothing of an empty one; one that is not there is said."""
    for content in (b"", b"x" * 100_000, b"y" * 3_000_000, b"z"):
        (tmp_path / "a").write_bytes(content)
        assert fast_decode.read(str(tmp_path / "a")) == content
    with pytest.raises(FileNotFoundError):
        fast_decode.read(str(tmp_path / "b"))
