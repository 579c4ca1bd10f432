"""Photos are found by folder, and parted by class."""

import os
from collections import Counter
from pathlib import Path

import pytest

from flowers_core import errors
from flowers_core.data import photos

REAL = Path(__file__).parents[4] / "shared" / "flower_photos"


def _touch(folder, *names):
    """Makes empty files; `find` looks at names only."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def _some(counts):
    """Photos with `counts` of each class, which stand on no disk."""
    labels = tuple(label for label, count in enumerate(counts) for _ in range(count))
    return photos.Photos(
        folder="f",
        paths=tuple(f"f/{label}/{index}.jpg" for index, label in enumerate(labels)),
        labels=labels,
        classes=photos.CLASSES[: len(counts)],
    )


def test_photos_are_found_in_order_of_class_and_path(tmp_path):
    """Classes are sorted by name, paths within a class too, and each label is the position of its class."""
    _touch(tmp_path, "tulips/2.jpg", "tulips/1.JPG", "daisy/b.jpeg", "daisy/a.jpg")
    found = photos.find(tmp_path)
    assert found.classes == ("daisy", "tulips")
    assert [Path(path).name for path in found.paths] == ["a.jpg", "b.jpeg", "1.JPG", "2.jpg"]
    assert all(Path(path).is_file() for path in found.paths)
    assert found.labels == (0, 0, 1, 1)
    assert len(found) == 4
    assert found.folder == str(tmp_path)


def test_what_is_no_photo_is_passed_over(tmp_path):
    """Hidden files and folders, other kinds, deeper folders, empty classes and loose photos change nothing."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg")
    before = photos.find(tmp_path)
    _touch(tmp_path, "LICENSE.txt", "loose.jpg", ".cache/c.jpg", "daisy/.d.jpg", "daisy/e.png", "roses/x/f.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "roses" / "folder.jpg").mkdir()
    assert photos.find(tmp_path) == before


def test_a_trailing_slash_changes_nothing(tmp_path):
    """`photos/` and `photos` give the same paths, which hold no double slash."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg")
    found = photos.find(f"{tmp_path}/")
    assert found == photos.find(tmp_path)
    assert not any("//" in path for path in found.paths)


@pytest.mark.parametrize(
    ("names", "received"),
    [
        ((), "no photos"),
        (("daisy/a.txt", "roses/b.png"), "no photos"),
        (("a.jpg", "b.jpg"), "2 photos directly in it"),
        (("daisy/a.jpg", "b.jpg"), "one class only, 'daisy'"),
    ],
)
def test_a_folder_without_two_classes_is_refused(tmp_path, names, received):
    """The message says what stands there in place of the photos of two classes."""
    with pytest.raises(errors.InputError, match=received):
        photos.find(_touch(tmp_path, *names))


def test_a_missing_folder_is_refused(tmp_path):
    """The message names the folder and says how photos come about."""
    with pytest.raises(errors.InputError, match=r"nowhere.*python -m flowers_core synthetic"):
        photos.find(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path):
    """A file in place of a folder is refused."""
    with pytest.raises(errors.InputError, match="Not a directory"):
        photos.find(_touch(tmp_path, "a.jpg") / "a.jpg")


def test_an_unreadable_class_is_refused(tmp_path, monkeypatch):
    """A class that cannot be listed stops the search: its photos are not left out in silence."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg", "tulips/c.jpg")
    scandir = os.scandir

    def forbid(folder):
        if os.fspath(folder).endswith("roses"):
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", forbid)
    with pytest.raises(errors.InputError, match=r"Permission denied.*roses"):
        photos.find(tmp_path)


def test_an_empty_name_is_no_folder():
    """Nothing is not taken for `/` or the working directory."""
    with pytest.raises(errors.InputError, match="folder=''"):
        photos.find("")


@pytest.mark.parametrize("name", [b"daisy/caf\xe9.jpg", b"caf\xe9/a.jpg"])
def test_names_that_are_not_utf8_are_refused(tmp_path, name):
    """TensorFlow cannot be given such a path; photos that are passed over may have any name."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg", os.fsdecode(b"daisy/caf\xe9.txt"))
    assert len(photos.find(tmp_path)) == 2
    _touch(tmp_path, os.fsdecode(name))
    with pytest.raises(errors.InputError, match=r"UTF-8.*caf.*Rename it"):
        photos.find(tmp_path)


def test_an_address_is_listed_like_a_folder():
    """What a bucket holds is found by the same rules (TensorFlow's file system in memory stands for it)."""
    import tensorflow as tf

    bucket = "ram://bucket/photos"
    names = ("roses/b.JPG", "roses/a.jpeg", "daisy/c.jpg", "daisy/.d.jpg", "daisy/e.txt", "loose.jpg", "daisy/x/f.jpg")
    for name in names:
        tf.io.gfile.makedirs(f"{bucket}/{name}".rpartition("/")[0])
        with tf.io.gfile.GFile(f"{bucket}/{name}", "w") as file:
            file.write("JPEG")  # an empty file would not come into being
    found = photos.find(f"{bucket}/")
    assert found.paths == tuple(f"{bucket}/{name}" for name in ("daisy/c.jpg", "roses/a.jpeg", "roses/b.JPG"))
    assert found.labels == (0, 1, 1)


def test_an_address_that_cannot_be_listed_is_refused():
    """A scheme that TensorFlow does not know is the user's mistake."""
    with pytest.raises(errors.InputError, match="nobody"):
        photos.find("nobody://bucket/photos")


def test_a_split_parts_every_class_alike():
    """Nothing is lost, nothing is on both sides, and the share holds for every class."""
    whole = _some((100, 50, 10))
    training, validation = photos.split(whole, share=0.2, seed=1)
    assert Counter(training.paths) + Counter(validation.paths) == Counter(whole.paths)
    assert Counter(validation.labels) == {0: 20, 1: 10, 2: 2}
    assert training.classes == validation.classes == whole.classes
    label = dict(zip(whole.paths, whole.labels, strict=True))
    assert [label[path] for path in validation.paths] == list(validation.labels)


def test_a_split_follows_its_seed():
    """The same seed gives the same parts, another seed others."""
    whole = _some((30, 30))
    assert photos.split(whole, seed=1) == photos.split(whole, seed=1)
    assert photos.split(whole, seed=1) != photos.split(whole, seed=2)


def test_a_split_leaves_no_side_empty():
    """Of two photos one goes to either side, however small or large the share."""
    for share in (0.01, 0.99):
        training, validation = photos.split(_some((2, 2)), share=share, seed=0)
        assert training.labels == validation.labels == (0, 1)


@pytest.mark.parametrize("share", [0, 1, -0.1, 19])
def test_a_share_outside_0_and_1_is_refused(share):
    """19 is not taken for 19 %."""
    with pytest.raises(errors.InputError, match="between 0 and 1"):
        photos.split(_some((5, 5)), share=share, seed=0)


def test_a_class_of_one_photo_cannot_be_split():
    """The message names the class."""
    with pytest.raises(errors.InputError, match="dandelion"):
        photos.split(_some((5, 1)), seed=0)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real photos are not beside the project")
def test_the_real_photos_have_the_classes_of_the_codelab():
    """Sorted by name, the real folders give the codelab's labels."""
    found = photos.find(REAL)
    assert found.classes == photos.CLASSES
    assert set(found.labels) == {0, 1, 2, 3, 4}
