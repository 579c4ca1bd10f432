"""Records read past TensorFlow."""

from collections import Counter
from pathlib import Path

import google_crc32c
import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import manifest, tfrecord_reader, tfrecords


@pytest.fixture
def paths(written):
    """The three shards of 20 photos."""
    return manifest.paths(*written)


def parsed(paths):
    """JPEG and label of each record."""
    return [
        tfrecord_reader.parse(tfrecord_reader.map_file(path)[start:end], path)
        for path, start, end in tfrecord_reader.locate(paths)
    ]


def test_parse_gives_what_tensorflow_reads(paths):
    """Every JPEG and label comes once."""
    theirs = Counter()
    for record in tf.data.TFRecordDataset(list(paths)):
        jpeg, label = (part.numpy() for part in tfrecords.parse_batch(record[None]))
        theirs[jpeg[0], int(label[0])] += 1
    assert Counter(parsed(paths)) == theirs


def test_locate_takes_neighbours_from_different_shards(paths):
    """As long as all shards have records left, each gives one in turn."""
    assert {path for path, *_ in list(tfrecord_reader.locate(paths))[:3]} == set(paths)


def test_locate_opens_the_next_shard(paths, monkeypatch):
    """The next one takes the place of one that has ended."""
    monkeypatch.setattr(tfrecord_reader, "SHARDS_AT_ONCE", 2)
    assert len(list(tfrecord_reader.locate(paths))) == 20


def test_mask_gives_the_checksum_of_tensorflow(paths):
    """CRC-32C, masked as in the files."""
    for path, start, end in tfrecord_reader.locate(paths):
        content = tfrecord_reader.map_file(path)[start:end]
        stored = int.from_bytes(content[-4:], "little")
        assert tfrecord_reader.mask(google_crc32c.value(bytes(content[12:-4]))) == stored


@pytest.mark.parametrize(
    ("damage", "said"),
    [("flip", "checksum"), ("cut", "truncated"), ("feature", "without a feature"), ("proto", "no tf.train.Example")],
)
def test_damaged_shard_is_named(paths, tmp_path, damage, said):
    """A flipped bit, an end within a record, a record of something else."""
    path = tmp_path / "flowers00-7.tfrec"
    content = bytearray(Path(paths[0]).read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    if damage == "cut":
        del content[-5:]
    path.write_bytes(content)
    if damage in ("feature", "proto"):
        with tf.io.TFRecordWriter(str(path)) as file:
            file.write(tf.train.Example().SerializeToString() if damage == "feature" else b"\x0a\x7fno protobuf")
    with pytest.raises(errors.InputError, match=rf"flowers00-7\.tfrec.*{said}"):
        parsed([str(path)])


def test_empty_shard_holds_nothing(tmp_path):
    """As TensorFlow takes it."""
    (tmp_path / "a").touch()
    assert not list(tfrecord_reader.locate([str(tmp_path / "a")]))
