"""Batches made by processes of their own."""

import gc
import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pytest
import tensorflow as tf

from flowers_core import errors
from flowers_core.data import manifest, tfrecord_reader
from flowers_core.input import decode_pool, decode_worker, fast_decode

SIZES = {"image_size": 24, "batch_size": 4, "count": 2}


@pytest.fixture
def photos(jpeg, tmp_path):
    """Paths and labels of eleven photos."""
    items = []
    for number in range(11):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(jpeg(number, size=(40, 30)))
        items.append((str(path), number % 5))
    return items


def ordered(items, size=4):
    """Orders of so many items each."""
    drawn = iter(items)
    return iter(lambda: list(islice(drawn, size)), [])


def test_decode_batches_keeps_the_order_of_photos(photos):
    """All of them, the remainder too, as one process would make them; afterwards no process is left."""
    found = [
        (images.copy(), labels)
        for images, labels in decode_pool.decode_batches(ordered(photos), kind="photos", **SIZES)
    ]
    expected = fast_decode.BatchDecoder(24).decode_photos([Path(path).read_bytes() for path, _ in photos])

    assert [len(labels) for _, labels in found] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in found]), expected)
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in found]), [label for _, label in photos])
    assert decode_pool.worker_ids() == ()
    assert decode_pool.cpu_seconds() > 0


def test_record_spans_tells_when_each_batch_was_decoded(photos):
    """By which decode worker, and how many images; only while the block runs."""
    before = time.time_ns()
    with decode_pool.record_spans() as spans:
        list(decode_pool.decode_batches(ordered(photos), kind="photos", **SIZES))
    after, known = time.time_ns(), len(spans)
    list(decode_pool.decode_batches(ordered(photos), kind="photos", **SIZES))

    assert sum(span.images for span in spans) == len(photos)
    assert all(before < span.began_ns <= span.ended_ns < after for span in spans)
    assert len(spans) == known


def test_decode_batches_keeps_the_order_of_records(written):
    """Pixels are those of the records, in the order of their places."""
    paths = manifest.paths(*written)
    places = list(tfrecord_reader.locate(paths))
    size = written[1].image_size
    data = decode_pool.decode_batches(ordered(places), kind="records", image_size=size, batch_size=4, count=2)
    found = [(images.copy(), labels) for images, labels in data]
    wanted = [tfrecord_reader.parse(tfrecord_reader.map_file(path)[start:end], path) for path, start, end in places]

    np.testing.assert_array_equal(
        np.concatenate([images for images, _ in found]),
        fast_decode.BatchDecoder(size).decode_records([jpeg for jpeg, _ in wanted]),
    )
    assert np.concatenate([labels for _, labels in found]).tolist() == [label for _, label in wanted]


def test_shared_memory_overwrites_no_batch_that_is_held(photos):
    """As many slots come into being as someone holds; those that nobody holds are used again."""
    endless = ordered(photos[:4] + photos[4:8], 4)
    held = list(decode_pool.decode_batches(endless, kind="photos", **SIZES))
    assert not np.array_equal(held[0][0], held[1][0])
    memory = decode_pool.SharedMemory(2, 8)
    with memory:
        first, second = memory.take(), memory.take()
        part, number = first.images[1], first.number
        del first
        gc.collect()
        assert memory.take().number not in (number, second.number)
        del part
        gc.collect()
        assert memory.take().number == number


def test_decode_batches_leaves_no_process_when_closed(photos):
    """Also while orders are being followed; their CPU time is kept."""
    endless = iter(lambda: photos[:4], [])
    data = decode_pool.decode_batches(endless, kind="photos", **SIZES)
    next(data)
    working = decode_pool.worker_ids()
    before = decode_pool.cpu_seconds()
    data.close()

    assert len(working) == 2
    assert decode_pool.worker_ids() == ()
    assert decode_pool.cpu_seconds() >= before
    for pid in working:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_decode_batches_says_that_a_process_was_killed(photos):
    """Instead of waiting for it for ever."""
    data = decode_pool.decode_batches(iter(lambda: photos[:4], []), kind="photos", **SIZES)
    next(data)
    for pid in decode_pool.worker_ids():
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="by signal 9"):
        list(islice(data, 50))


def test_decode_batches_raises_what_a_worker_meets(photos, tmp_path):
    """A photo that is gone is an error of this process."""
    with pytest.raises(OSError, match="No such file"):
        list(decode_pool.decode_batches([[*photos[:2], (str(tmp_path / "gone.jpg"), 0)]], kind="photos", **SIZES))


def test_follow_answers_that_an_image_is_damaged(photos, tmp_path):
    """Told here, where TensorFlow is loaded already; the pool raises TensorFlow's error again."""
    (tmp_path / "damaged.jpg").write_bytes(b"\xff\xd8\xff")
    answers = []
    with decode_pool.SharedMemory(4, 24) as memory:
        number = memory.take().number
        job = {"kind": "photos", "image_size": 24, "batch_size": 4, "memory": memory.file}
        job |= {"features": {}, "decoding": {}}
        orders = [{"slot": number, "items": [*photos[:2], (str(tmp_path / "damaged.jpg"), 0)]}]
        decode_worker.follow(map(json.dumps, [job, *orders]), answers.append)

    assert [answer["error"] for answer in answers] == ["image"]
    assert answers[0]["says"].startswith(f"{tmp_path}/damaged.jpg: ")
    assert "JPEG" in answers[0]["says"]
    assert isinstance(decode_pool._ERRORS["image"](answers[0]["says"]), tf.errors.InvalidArgumentError)


def test_decode_batches_refuses_records_of_another_size(written):
    """With what was expected and what was received."""
    places = list(tfrecord_reader.locate(manifest.paths(*written)))
    with pytest.raises(errors.InputError, match="must be of 16 x 16"):
        list(decode_pool.decode_batches(ordered(places), kind="records", image_size=16, batch_size=4, count=2))


def test_decode_worker_that_is_held_ends_with_its_parent():
    """Killed by -9, who held its workers still cannot let them go on: the kernel does, and they find no input."""
    code = (
        "import subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-m', 'flowers_core.input.decode_worker'], stdin=subprocess.PIPE)\n"
        "print(worker.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        while not any(int(line[8:], 16) & 2 for line in _status(worker.pid) if line.startswith("SigIgn:")):
            time.sleep(0.05)
        worker.suspend()
        parent.kill()
    worker.wait(timeout=30)


def _status(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/status").read_text().splitlines()


def test_worker_count_is_what_the_variable_says(monkeypatch):
    """Without it one a core; what is no number is refused."""
    monkeypatch.setenv(decode_pool.WORKERS, "3")
    assert decode_pool.worker_count() == 3
    monkeypatch.setenv(decode_pool.WORKERS, "")
    assert decode_pool.worker_count() >= 1
    for wrong in ("0", "two", "9999999"):
        monkeypatch.setenv(decode_pool.WORKERS, wrong)
        with pytest.raises(errors.InputError, match=f"{decode_pool.WORKERS} must be a number from 1 to"):
            decode_pool.worker_count()
