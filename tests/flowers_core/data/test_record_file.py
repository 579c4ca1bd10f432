"""Records that are written past TensorFlow: the same bytes as with it."""

import pytest
import tensorflow as tf

from flowers_core.data import photos, record_file, tfrecord_reader, tfrecords


def test_file_is_that_of_tensorflow(tmp_path):
    """Frames and checksums are TensorFlow's, and it reads them."""
    records = [b"", b"one", bytes(range(256)) * 40]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for kind, path in ((record_file.RecordFile, ours), (tf.io.TFRecordWriter, theirs)):
        with kind(path if kind is record_file.RecordFile else str(path)) as file:
            for record in records:
                file.write(record)

    assert ours.read_bytes() == theirs.read_bytes()


def test_example_has_the_bytes_of_tensorflow():
    """All features, in TensorFlow's order."""
    ours = tfrecords.example(b"jpeg", label=1, classes=("daisy", "tulips"), image_size=32)

    assert tf.train.Example.FromString(ours).SerializeToString(deterministic=True) == ours
    feature = tf.train.Example.FromString(ours).features.feature
    assert list(feature["one_hot_class"].float_list.value) == [0, 1]
    assert tfrecord_reader.parse_example(ours, "shard") == (b"jpeg", 1)


@pytest.mark.parametrize("accept", [(), ("png",)])
def test_records_without_tensorflow_are_the_same(tmp_path, jpeg, monkeypatch, accept):
    """Whoever has none writes the same shards and skips the same photos."""
    folder = tmp_path / "photos"
    for number in range(8):
        path = folder / photos.CLASSES[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number, size=(60 + 7 * number, 90)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # damaged
    (folder / photos.CLASSES[0] / "a.png").write_bytes(tf.io.encode_png(tf.zeros((40, 50, 3), tf.uint8)).numpy())
    found = photos.find(folder, accept=accept)
    with_it = tfrecords.write(found, tmp_path / "with", image_size=32, shards=2, accept=accept)
    monkeypatch.setattr(tfrecords, "has_tensorflow", lambda: False)
    without = tfrecords.write(found, tmp_path / "without", image_size=32, shards=2, accept=accept)

    assert without == with_it
    assert [photo.reason for photo in without.skipped] == ["truncated or damaged JPEG data"]
    for shard in without.shards:
        assert (tmp_path / "with" / shard.name).read_bytes() == (tmp_path / "without" / shard.name).read_bytes()
