"""What each loader is given."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.input.loaders import decode_ceiling, registry, worker
from bench.input.loaders.task import Task

TASK = {"photos": "", "records": "", "scratch": "", "image_size": 24, "batch_size": 2, "cores": 1}


@pytest.fixture
def task(synthetic_photos):
    """Native photos, as simplejpeg users decode them."""
    return Task(job="photos", variant="cv2", files=str(synthetic_photos), **TASK)


def test_files_have_the_labels_of_their_folders(task):
    """20 photos of five classes, in order."""
    labelled = task.labelled()
    assert len(labelled) == 20
    assert labelled == sorted(labelled)
    assert {label for _, label in labelled} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(("variant", "decibels"), [("cv2", 45), ("PIL", 18)])
def test_peers_fill_and_crop_as_our_pipelines_do(task, variant, decibels):
    """With cv2 all but the same pixels; with PIL, which smooths, similar ones."""
    from flowers_core.input import fast_decode

    jpegs = [Path(path).read_bytes() for path, _ in task.labelled()[:5]]
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
    paths = [path for path, _ in task.labelled()]
    next(decode_ceiling.work(task, paths))
