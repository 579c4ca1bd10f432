"""The garden: what it holds, that it is the same for everyone, and that it survives interruptions."""

import io
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flowers_core import errors
from flowers_core.data import photos
from flowers_core.synthetic import dataset, photo

PROJECT_ROOT = Path(__file__).parents[3]
SHARES = np.array([*dataset.COUNTS.values()]) / dataset.FULL


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A garden of 150 photos, drawn by as many processes as there are cores."""
    return dataset.draw(tmp_path_factory.mktemp("garden") / "deep" / "folder", count=150)


@pytest.fixture
def small(tmp_path):
    """A garden of 6 photos, drawn by this process."""
    return dataset.draw(tmp_path / "small", count=6, processes=1)


def test_the_classes_and_their_sizes_are_those_of_the_real_data_set():
    """A full garden has the codelab's classes with the real number of photos each, 3670 in all."""
    assert tuple(dataset.COUNTS) == photos.CLASSES
    assert dataset.FULL == 3670
    assert Counter(name.split("/")[0] for name in dataset.names(dataset.FULL)) == dataset.COUNTS


def test_every_beginning_of_a_garden_has_the_proportions_of_the_whole():
    """Among the first n photos a class is never more than about one photo off its share; five hold all classes."""
    names = dataset.names(1000)
    kinds = np.array([[name.startswith(kind) for kind in dataset.COUNTS] for name in names])
    off = kinds.cumsum(axis=0) - np.arange(1, 1001)[:, None] * SHARES
    assert np.abs(off).max() < 1.3
    assert len({name.split("/")[0] for name in names[:5]}) == 5
    assert names == dataset.names(dataset.FULL)[:1000]


def test_the_folder_holds_the_photos_and_a_mark(drawn):
    """A garden of 150 is 150 JPEGs in five class folders and a file that says what it is."""
    assert {str(path.relative_to(drawn)) for path in drawn.glob("*/*")} == set(dataset.names(150))
    assert json.loads((drawn / "garden.json").read_text()) == {"drawing": dataset.DRAWING, "seed": 0, "count": 150}
    found = photos.find(drawn)
    assert np.bincount(found.labels).tolist() == [26, 37, 26, 28, 33]


def test_the_number_of_processes_does_not_change_a_byte(drawn, small):
    """What several processes drew is what one process draws."""
    for name in dataset.names(6):
        assert (drawn / name).read_bytes() == (small / name).read_bytes()


def test_another_seed_gives_other_photos(small, tmp_path, contents):
    """No photo of another seed is the same."""
    other = contents(dataset.draw(tmp_path / "other", count=6, seed=1, processes=1))
    assert not set(contents(small).values()) & set(other.values())


def test_files_are_like_the_real_ones(drawn):
    """Baseline 4:4:4 JPEGs of the qualities and sizes of the real set, 62 kB +- 15 % on average."""
    sizes = Counter()
    for path in drawn.glob("*/*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            assert "progressive" not in image.info
            assert {layer[1:3] for layer in image.layer} == {(1, 1)}
            longer, shorter = max(image.size), min(image.size)
            assert sum(image.quantization[0]) == {96: 292, 90: 736}[photo.QUALITY[longer]]
            assert (longer, shorter) in photo.SIZES
            sizes[longer] += 1
    mean = np.mean([path.stat().st_size for path in drawn.glob("*/*.jpg")])
    assert mean == pytest.approx(62_000, rel=0.15)
    assert sizes[500] / 150 == pytest.approx(0.35, abs=0.1)
    assert sizes[240] / 150 == pytest.approx(0.22, abs=0.1)


def test_bytes_per_pixel_are_like_the_real_ones(drawn):
    """Photos are compressed about as well as 1000 real ones: 0.60 bytes a pixel, and as unevenly."""
    real = PROJECT_ROOT.parent / "shared" / "flower_photos"
    if not real.is_dir():
        pytest.skip("no real photos beside the project")

    def density(folder):
        densities = []
        for path in folder.glob("*/*.jpg"):
            with Image.open(path) as image:
                densities.append(path.stat().st_size / np.prod(image.size))
        return np.array(densities)

    ours, theirs = density(drawn), density(real)
    assert np.median(ours) == pytest.approx(np.median(theirs), rel=0.15)
    assert np.percentile(ours, 5) == pytest.approx(np.percentile(theirs, 5), rel=0.5)
    assert np.percentile(ours, 95) == pytest.approx(np.percentile(theirs, 95), rel=0.5)


def guessed_right(values, labels, folds=5):
    """Accuracy of a logistic regression on held-out values, cross-validated."""
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


def test_colour_alone_does_not_tell_the_classes_apart(drawn):
    """A linear classifier of the mean colour is right in less than 60 % (the real photos: 39 %)."""
    found = photos.find(drawn)
    means = np.array([np.asarray(Image.open(path)).mean(axis=(0, 1)) for path in found.paths])  # which closes it
    assert guessed_right(means, np.array(found.labels)) < 0.6


def test_what_is_there_is_not_drawn_again(small, monkeypatch):
    """A second call paints nothing and leaves every file alone."""
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    monkeypatch.setattr(photo, "photo", None)
    assert dataset.draw(str(small), count=6) == small
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


def test_an_interrupted_garden_is_finished(small, contents):
    """Only missing photos are drawn, to the same bytes, and what a killed process left is removed."""
    before = contents(small)
    first, *rest = dataset.names(6)
    (small / first).unlink()
    times = {name: (small / name).stat().st_mtime_ns for name in rest}
    litter = small / "daisy" / ".00009.jpg.1.part"
    litter.write_bytes(b"half a photo")
    os.utime(litter, (0, 0))
    dataset.draw(small, count=6, processes=1)
    assert contents(small) == before
    assert {name: (small / name).stat().st_mtime_ns for name in rest} == times


def test_a_larger_garden_keeps_the_photos_of_the_smaller(small, contents):
    """Asking for more adds photos and leaves those there as they are."""
    before = contents(small)
    after = contents(dataset.draw(small, count=9, processes=1))
    assert len(after) == len(before) + 3
    assert {name: after[name] for name in dataset.names(6)} == {name: before[name] for name in dataset.names(6)}
    assert json.loads(after["garden.json"])["count"] == 9


def test_a_smaller_garden_is_there_already(small, contents, monkeypatch):
    """Asking for fewer photos than the folder holds draws nothing and removes none, but for one that is missing."""
    before = contents(small)
    with monkeypatch.context() as patched:
        patched.setattr(photo, "photo", None)
        assert dataset.draw(small, count=5) == small
    assert contents(small) == before
    (small / dataset.names(5)[2]).unlink()
    dataset.draw(small, count=5, processes=1)
    assert contents(small) == before


def test_a_folder_with_another_garden_is_left_alone(small, contents):
    """Another seed than the folder holds is an error that says what to do."""
    before = contents(small)
    with pytest.raises(errors.InputError, match=r"another garden.*Give another folder, or delete"):
        dataset.draw(small, count=6, seed=1)
    assert contents(small) == before


@pytest.mark.parametrize("mark", ["", "[]", "{}", '{"drawing": 0, "seed": 0, "count": 6}'])
def test_a_mark_that_says_something_else_is_an_error(small, mark):
    """An unreadable mark, or one of another version of the drawing, is not drawn over."""
    (small / "garden.json").write_text(mark)
    with pytest.raises(errors.InputError, match="another garden"):
        dataset.draw(small, count=6)


@pytest.mark.parametrize("name", ["notes.txt", "daisy/mine.jpg", "cats/1.jpg"])
def test_foreign_files_are_an_error(tmp_path, name, contents):
    """A folder with files of the user's gets nothing written to it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(errors.InputError, match=rf"hold a garden and nothing else.*{name.split('/')[0]}"):
        dataset.draw(tmp_path, count=5)
    assert contents(tmp_path) == {name: b"mine"}


def test_a_foreign_file_in_a_garden_is_an_error(small):
    """A photo of the user's among those drawn would be measured along with them."""
    (small / "roses" / "mine.jpg").write_bytes(b"mine")
    with pytest.raises(errors.InputError, match=r"roses/mine\.jpg"):
        dataset.draw(small, count=6)


@pytest.mark.parametrize(
    "numbers", [{"count": 4}, {"count": 10.0}, {"count": True}, {"count": "9"}, {"seed": -1}, {"processes": 0}]
)
def test_bad_numbers_are_an_error(tmp_path, numbers):
    """A number that makes no sense is named with the smallest that does, before anything is written."""
    with pytest.raises(errors.InputError, match=rf"`{next(iter(numbers))}` must be a whole number, \d or more"):
        dataset.draw(tmp_path / "new", **numbers)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("below", ["file", "file/folder"])
def test_a_file_in_the_way_is_an_error(tmp_path, below):
    """A folder that cannot be made is the user's to change."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.InputError, match=r"a folder that can be written to.*Give another folder"):
        dataset.draw(tmp_path / below, count=5)


def test_a_read_only_folder_is_an_error(tmp_path):
    """A folder that may not be written to is the user's to change."""
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(errors.InputError, match="Permission denied"):
        dataset.draw(tmp_path / "new", count=5)


def test_a_full_disk_leaves_no_half_photo(small, tmp_path, contents):
    """A file that finds no room is an OSError that names the folder; what was drawn before is whole, and is kept."""
    sizes = [(small / name).stat().st_size for name in dataset.names(6)]
    code = (
        "import resource, sys; from flowers_core import garden\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "try: garden.draw(sys.argv[1], count=6, processes=1)\n"
        "except OSError as error: print(error)"
    )
    command = [sys.executable, "-c", code, tmp_path / "new", str(max(sizes) - 1)]
    out = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    assert "File too large" in out
    assert str(tmp_path / "new") + "'" in out
    before = contents(small)
    kept = ["garden.json", *dataset.names(sizes.index(max(sizes)))]
    assert contents(tmp_path / "new") == {name: before[name] for name in kept}


def test_a_killed_drawing_process_is_told(tmp_path):
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


def test_a_change_of_the_drawing_is_not_forgotten():
    """The files that draw are those of this DRAWING.

    If photos of a seed have changed, raise DRAWING: a folder of old ones would be taken for one of new ones. In
    any case write the new hash beside it.
    """
    files = (PROJECT_ROOT / "flowers_core" / f"{name}.py" for name in ("painting", "petals", "backdrops"))
    assert sha256(b"".join(path.read_bytes() for path in files)).hexdigest() == dataset.DRAWN_BY


def ends(group):
    """Whether the processes of a group all end within half a minute."""
    for _ in range(1500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_drawing_leaves_whole_photos_and_no_process(tmp_path, sent):
    """After Ctrl-C, or when the parent is killed, photos are whole, the processes end, and drawing goes on."""
    code = "import sys; from flowers_core import garden; garden.draw(sys.argv[1], count=2000, processes=2)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "new"], cwd=PROJECT_ROOT, stderr=subprocess.PIPE, start_new_session=True
    )
    while parent.poll() is None and not any(tmp_path.glob("new/*/*.jpg")):
        time.sleep(0.02)
    stop = os.killpg if sent == signal.SIGINT else os.kill
    stop(parent.pid, sent)
    parent.communicate()
    assert parent.returncode == -sent
    assert ends(parent.pid)
    found = [*tmp_path.glob("new/*/*.jpg")]
    assert 0 < len(found) < 2000
    for path in found:
        Image.open(io.BytesIO(path.read_bytes())).load()
    if sent == signal.SIGINT:
        assert not [*tmp_path.glob("new/*/.*")]


def test_drawing_loads_no_framework():
    """The processes that draw import numpy and Pillow only."""
    code = (
        "import sys, numpy as np; from flowers_core import garden, painting\n"
        "painting.photo('roses', np.random.SeedSequence(0))\n"
        "print([name for name in ('tensorflow', 'keras', 'jax', 'pandas', 'scipy') if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"
