"""Synthetic photos: what a set holds, that it is the same for everyone, and that it survives interruptions."""

import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from flowers_core import errors
from flowers_core.data import photos
from flowers_core.synthetic import dataset, photo

SHARES = np.array([*dataset.COUNTS.values()]) / dataset.FULL


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """100 photos, drawn by as many processes as there are cores."""
    return dataset.draw(tmp_path_factory.mktemp("synthetic") / "deep" / "folder", count=100)


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    """6 photos, drawn by this process; to be left as they are."""
    return dataset.draw(tmp_path_factory.mktemp("synthetic") / "six", count=6, processes=1)


@pytest.fixture
def small(six, tmp_path):
    """A copy of the 6 photos."""
    return shutil.copytree(six, tmp_path / "small")


def mark(**changed):
    """The content of the file that says what a folder holds."""
    return {"drawing": dataset.DRAWING, "seed": 0, "count": 6} | changed


def test_names_have_the_classes_and_counts_of_the_real_photos():
    """A full set has the codelab's classes with the real number of photos each, 3,670 in all."""
    assert tuple(dataset.COUNTS) == photos.CLASSES
    assert dataset.FULL == 3670
    assert Counter(name.split("/")[0] for name in dataset.names(dataset.FULL)) == dataset.COUNTS


def test_names_keep_the_proportions_of_the_whole():
    """Among the first n photos a class is never more than about one photo off its share; five hold all classes."""
    names = dataset.names(1000)
    kinds = np.array([[name.startswith(kind) for kind in dataset.COUNTS] for name in names])
    off = kinds.cumsum(axis=0) - np.arange(1, 1001)[:, None] * SHARES
    assert np.abs(off).max() < 1.3
    assert len({name.split("/")[0] for name in names[:5]}) == 5
    assert names == dataset.names(dataset.FULL)[:1000]


def test_draw_writes_the_photos_and_a_mark(many):
    """A set of 100 is 100 JPEGs in five class folders and a file that says what it is."""
    assert {str(path.relative_to(many)) for path in many.glob("*/*")} == set(dataset.names(100))
    assert json.loads((many / dataset.MARK).read_text()) == mark(count=100)
    assert np.bincount(photos.find(many).labels).tolist() == [17, 25, 17, 19, 22]


def test_draw_gives_the_same_bytes_whatever_the_processes(many, six, contents):
    """What several processes drew is what one process draws."""
    assert contents(six).items() - contents(many).items() == {(dataset.MARK, (six / dataset.MARK).read_bytes())}


def test_draw_gives_other_photos_for_another_seed(six, tmp_path, contents):
    """No photo of another seed is the same."""
    other = contents(dataset.draw(tmp_path / "other", count=6, seed=1, processes=1))
    assert not set(contents(six).values()) & set(other.values())


def test_photos_are_files_like_the_real_ones(many):
    """Baseline 4:4:4 JPEGs of the qualities and sizes of the real set, 62 kB +- 15 % on average."""
    sizes = Counter()
    for path in many.glob("*/*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert "progressive" not in image.info
            assert {layer[1:3] for layer in image.layer} == {(1, 1)}
            longer, shorter = max(image.size), min(image.size)
            assert sum(image.quantization[0]) == {96: 292, 90: 736}[photo.QUALITY[longer]]
            assert (longer, shorter) in photo.SIZES
            sizes[longer] += 1
    mean = np.mean([path.stat().st_size for path in many.glob("*/*.jpg")])
    assert mean == pytest.approx(62_000, rel=0.15)
    assert sizes[500] / 100 == pytest.approx(0.35, abs=0.1)
    assert sizes[240] / 100 == pytest.approx(0.22, abs=0.1)


def test_photos_compress_like_the_real_ones(many, real_photos):
    """Photos are compressed about as well as 1000 real ones: 0.60 bytes a pixel, and as unevenly."""

    def density(folder):
        densities = []
        for path in folder.glob("*/*.jpg"):
            with Image.open(path) as image:
                densities.append(path.stat().st_size / np.prod(image.size))
        return np.percentile(densities, [5, 50, 95])

    assert density(many) / density(real_photos) == pytest.approx([1, 1, 1], rel=0.5)
    assert density(many)[1] / density(real_photos)[1] == pytest.approx(1, rel=0.15)


def cross_validated_accuracy(values, labels, folds=5):
    """Accuracy of a logistic regression on held-out values."""
    order, right = np.random.default_rng(0).permutation(len(values)), 0
    values = np.column_stack([(values - values.mean(axis=0)) / values.std(axis=0), np.ones(len(values))])
    for fold in range(folds):
        held = order[fold::folds]
        kept = np.setdiff1d(order, held)
        weights = np.zeros((values.shape[1], labels.max() + 1))
        for _ in range(1000):
            scores = np.exp(values[kept] @ weights)
            wrong = scores / scores.sum(axis=1, keepdims=True) - np.eye(labels.max() + 1)[labels[kept]]
            weights -= 0.5 * values[kept].T @ wrong / len(kept)
        right += (np.argmax(values[held] @ weights, axis=1) == labels[held]).sum()
    return right / len(values)


def test_photos_cannot_be_classified_by_colour_alone(many):
    """A linear classifier of the mean colour is right in less than 60 % (the real photos: 39 %)."""
    found = photos.find(many)
    means = np.array([np.asarray(Image.open(path)).mean(axis=(0, 1)) for path in found.paths])  # which closes it
    assert cross_validated_accuracy(means, np.array(found.labels)) < 0.6


@pytest.mark.parametrize("count", [6, 5])
def test_draw_leaves_photos_alone_that_are_there(small, monkeypatch, count):
    """Asking again, or for fewer, draws nothing, removes nothing and touches no file."""
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    monkeypatch.setattr(photo, "draw", None)
    assert dataset.draw(str(small), count=count) == small
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


@pytest.mark.parametrize("count", [6, 5])
def test_draw_finishes_an_interrupted_set(small, contents, count):
    """Only missing photos are drawn, to the same bytes, and what a killed process left is removed."""
    before = contents(small)
    first, *rest = dataset.names(6)
    (small / first).unlink()
    times = {name: (small / name).stat().st_mtime_ns for name in rest}
    litter = small / "daisy" / ".00009.jpg.1.part"
    litter.write_bytes(b"half a photo")
    os.utime(litter, (0, 0))
    dataset.draw(small, count=count, processes=1)
    assert contents(small) == before
    assert {name: (small / name).stat().st_mtime_ns for name in rest} == times


def test_draw_adds_photos_to_a_smaller_set(small, contents):
    """Asking for more adds photos and leaves those there as they are."""
    before = contents(small)
    after = contents(dataset.draw(small, count=9, processes=1))
    assert len(after) == len(before) + 3
    assert {name: after[name] for name in dataset.names(6)} == {name: before[name] for name in dataset.names(6)}
    assert json.loads(after[dataset.MARK]) == mark(count=9)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(mark(drawing=0)), json.dumps(mark(seed=1))])
def test_draw_refuses_a_folder_with_another_mark(small, contents, text):
    """An unreadable mark, or one of another seed or version of the drawing, is not drawn over."""
    (small / dataset.MARK).write_text(text)
    before = contents(small)
    with pytest.raises(errors.InputError, match=r"other synthetic photos.*Give another folder, or delete"):
        dataset.draw(small, count=6)
    assert contents(small) == before


@pytest.mark.parametrize("name", ["notes.txt", "daisy/mine.jpg", "cats/1.jpg"])
def test_draw_refuses_a_folder_with_foreign_files(tmp_path, name, contents):
    """A folder with files of the user's gets nothing written to it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(errors.InputError, match=rf"hold synthetic photos and nothing else.*{name.split('/')[0]}"):
        dataset.draw(tmp_path, count=5)
    assert contents(tmp_path) == {name: b"mine"}


def test_draw_refuses_a_foreign_photo_among_its_own(small):
    """A photo of the user's among those drawn would be measured along with them."""
    (small / "roses" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(errors.InputError, match=r"roses/mine\.jpg"):
        dataset.draw(small, count=6)


@pytest.mark.parametrize(
    "numbers", [{"count": 4}, {"count": 10.0}, {"count": True}, {"count": "9"}, {"seed": -1}, {"processes": 0}]
)
def test_draw_refuses_bad_numbers(tmp_path, numbers):
    """A number that makes no sense is named with the smallest that does, before anything is written."""
    with pytest.raises(errors.InputError, match=rf"`{next(iter(numbers))}` must be a whole number, \d or more"):
        dataset.draw(tmp_path / "new", **numbers)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_draw_refuses_a_folder_that_cannot_be_made(tmp_path, below):
    """A file in the way is the user's to move."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.InputError, match=r"a folder that can be written to.*Give another folder"):
        dataset.draw(tmp_path / below, count=5)


def test_draw_refuses_a_read_only_folder(tmp_path):
    """A folder that may not be written to is the user's to change."""
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(errors.InputError, match="Permission denied"):
        dataset.draw(tmp_path / "new", count=5)


def test_draw_leaves_no_half_photo_on_a_full_disk(six, tmp_path, contents, file_size_limit):
    """A file that finds no room is an OSError that names the folder; what was drawn before is whole, and is kept."""
    sizes = [(six / name).stat().st_size for name in dataset.names(6)]
    with file_size_limit(max(sizes) - 1), pytest.raises(OSError, match=f"File too large.*{tmp_path / 'new'}'"):
        dataset.draw(tmp_path / "new", count=6, processes=1)
    before = contents(six)
    kept = [dataset.MARK, *dataset.names(sizes.index(max(sizes)))]
    assert contents(tmp_path / "new") == {name: before[name] for name in kept}


def test_draw_says_that_a_process_was_killed(tmp_path):
    """When the system kills a process that draws, that is an OSError that says what to do."""

    def kill():
        while not any(tmp_path.glob("new/*/*.jpg")):
            time.sleep(0.02)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(OSError, match=r"was killed.*draw again to finish"):
        dataset.draw(tmp_path / "new", count=2000, processes=2)
    killer.join()


def test_drawn_by_is_the_hash_of_the_files_that_draw(project_root):
    """A change of the files that draw is not forgotten.

    If photos of a seed have changed, raise DRAWING: a folder of old ones would be taken for one of new ones. In
    any case write the new hash beside it.
    """
    folder = project_root / "flowers_core" / "synthetic"
    content = b"".join((folder / f"{name}.py").read_bytes() for name in ("photo", "flowers", "backgrounds"))
    assert sha256(content).hexdigest() == dataset.DRAWN_BY


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_draw_leaves_whole_photos_and_no_process_when_stopped(tmp_path, project_root, sent):
    """After Ctrl-C, or when the parent is killed, photos are whole, the processes end, and no framework was loaded."""
    code = (
        "import atexit, sys; from flowers_core.synthetic import dataset\n"
        "frameworks = {'tensorflow', 'keras', 'jax', 'pandas', 'scipy'}\n"
        "atexit.register(lambda: print(*frameworks & {*sys.modules}))\n"
        "dataset.draw(sys.argv[1], count=2000, processes=2)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "new"], cwd=project_root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while parent.poll() is None and not any(tmp_path.glob("new/*/*.jpg")):
        time.sleep(0.02)
    stop = os.killpg if sent == signal.SIGINT else os.kill
    stop(parent.pid, sent)
    output, _ = parent.communicate()
    assert parent.returncode == -sent
    assert output.strip() == ""
    assert group_ends(parent.pid)
    found = [*tmp_path.glob("new/*/*.jpg")]
    assert 0 < len(found) < 2000
    for path in found:
        Image.open(io.BytesIO(path.read_bytes())).load()
    if sent == signal.SIGINT:
        assert not [*tmp_path.glob("new/*/.*")]


def group_ends(group):
    """Whether the processes of a group all end within two minutes."""
    for _ in range(6000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
