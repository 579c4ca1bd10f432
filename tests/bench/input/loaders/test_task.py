"""What each loader is given."""

import dataclasses
import errno
import re
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from bench.input.loaders import decode_ceiling, registry, scaled, worker
from bench.input.loaders.task import Task

TASK = {"source": {}, "scratch": "", "image_size": 24, "batch_size": 2, "cores": 1}


@pytest.fixture
def task(synthetic_photos):
    """Native photos, as simplejpeg users decode them."""
    return Task(job="photos", variant="cv2", files=str(synthetic_photos), **TASK)


@pytest.mark.parametrize("variant", ["cv2", "PIL"])
def test_peers_decode_large_photos_smaller_if_asked(task, variant):
    """The image is like that of the full decode, not the same."""
    jpeg = Path(task.labelled_paths()[0][0]).read_bytes()
    full, scaled = (
        dataclasses.replace(task, variant=variant, decode=decode).decoder()(jpeg).astype(float)
        for decode in ("", "smallest")
    )
    assert full.shape == scaled.shape == (24, 24, 3)
    assert 0 < np.abs(full - scaled).mean() < 25


def test_scaled_decibels_are_of_photos_that_are_large_enough(task):
    """Of the drawn photos of 240 to 320 pixels those at 24 are decoded at 1/4 or 1/8, none at 192.

    Decoded as small as can be they lie further from the full decode, and nearer to one scaled with antialias.
    """
    paths = [path for path, _ in task.labelled_paths()]
    found = scaled.decibels(paths, image_size=24)
    assert (found["photos"], found["ratio"] in (4, 8)) == (20, True)
    assert found["averaged"] > found["full"] > 10
    twice, smallest = (scaled.decibels(paths, image_size=48, size=size) for size in ("scaled", "smallest"))
    assert (twice["ratio"], smallest["ratio"]) == (2, 4)
    assert twice["bilinear"] > smallest["bilinear"] > 15
    assert smallest["averaged"] > twice["averaged"] > 15
    assert scaled.decibels(paths, image_size=192) == {
        "photos": 0, "ratio": None, "bilinear": None, "averaged": None, "full": None,
    }  # fmt: skip


def test_files_have_the_labels_of_their_folders(task):
    """20 photos of five classes, in order."""
    labelled = task.labelled_paths()
    assert len(labelled) == 20
    assert labelled == sorted(labelled)
    assert {label for _, label in labelled} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("variant", "decibels"), [("cv2", 45), ("PIL", 18)])
def test_peers_fill_and_crop_as_our_pipelines_do(task, variant, decibels):
    """With cv2 all but the same pixels; with PIL, which smooths, similar ones."""
    from flowers_core.input import fast_decode

    jpegs = [Path(path).read_bytes() for path, _ in task.labelled_paths()[:5]]
    decode = dataclasses.replace(task, variant=variant).decoder()
    for jpeg, expected in zip(jpegs, fast_decode.BatchDecoder(24).decode_photos(jpegs), strict=True):
        image = decode(jpeg)
        assert image.shape == (24, 24, 3)
        assert 10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(float) - expected) ** 2))) > decibels


def test_a_block_counts_what_came():
    """Batches are drawn until the time is over; all that came count, and all the time that it took."""
    clock = iter(range(100))
    assert worker.measure_block(iter([5] * 100), 2, now=lambda: next(clock)) == {"images": 5, "seconds": 2}


CEILINGS = [loader for loader in registry.LOADERS.values() if loader.kind == "ceiling"]


@pytest.mark.parametrize("loader", CEILINGS, ids=lambda loader: loader.id)
def test_every_ceiling_does_its_work(loader, task, tmp_path):
    """None that is listed is unknown to the module, and photos pass through it; records have their size already."""
    files = Path(task.files)
    if loader.job == "records":
        files = tmp_path
        (files / "rose").mkdir()
        Image.new("RGB", (24, 24)).save(files / "rose" / "1.jpg")
    task = dataclasses.replace(task, job=loader.job, variant=loader.variant, files=str(files))
    paths = [path for path, _ in task.labelled_paths()]
    next(decode_ceiling.work(task, paths))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"\(shared memory, /dev/shm, has [\d,]+ bytes free: make"),
        (OSError(errno.ENOSPC, "No space left on device", "/photos/x"), "device: '/photos/x'$"),
        (ValueError("odd"), "^ValueError: odd$"),
    ],
)
def test_worker_says_which_room_is_missing(monkeypatch, error, said):
    """Semaphores and batches of processes lie in shared memory, which containers limit; its errors name no file."""
    monkeypatch.setattr(decode_ceiling, "load", Mock(side_effect=error))
    answers, job = (
        [],
        {
            "module": "decode_ceiling",
            "function": "load",
            "task": {**TASK, "job": "photos", "variant": "decode", "files": ""},
        },
    )
    worker.serve(iter([job]), answers.append)

    assert re.search(said, answers[0]["error"])
