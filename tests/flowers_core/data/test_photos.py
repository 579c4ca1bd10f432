"""Photos are found by folder, one folder a class."""

import os
from pathlib import Path

import pytest

from flowers_core import errors
from flowers_core.data import photos


def _touch(folder, *names):
    """Makes empty files; `find` looks at names only."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_find_sorts_by_class_and_path(tmp_path):
    """Classes are sorted by name, paths within a class too, and each label is the position of its class."""
    _touch(tmp_path, "tulips/2.jpg", "tulips/1.JPG", "daisy/b.jpeg", "daisy/a.jpg")
    found = photos.find(tmp_path)
    assert found.classes == ("daisy", "tulips")
    assert [Path(path).name for path in found.paths] == ["a.jpg", "b.jpeg", "1.JPG", "2.jpg"]
    assert all(Path(path).is_file() for path in found.paths)
    assert found.labels == (0, 0, 1, 1)
    assert len(found) == 4
    assert found.folder == str(tmp_path)


def test_find_passes_over_what_is_no_photo(tmp_path):
    """Other kinds, deeper folders, links to nowhere or themselves, empty classes and loose photos are named."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg")
    before = photos.find(tmp_path)
    assert photos.describe(before.passed_over) == ""
    _touch(tmp_path, "LICENSE.txt", "loose.jpg", ".cache/c.jpg", "daisy/._d.jpg", "daisy/e.png", "roses/x/f.jpg")
    _touch(tmp_path, "roses/h.webp", "roses/i.webp", "roses/notes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "roses" / "folder.jpg").mkdir()
    (tmp_path / "roses" / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "roses" / "itself.jpg").symlink_to("itself.jpg")
    (tmp_path / "itself").symlink_to("itself")
    found = photos.find(tmp_path)
    assert found == before
    assert found.passed_over == {
        ".png files, taken with --accept png": ["daisy/e.png"],
        ".webp files, taken with --accept webp": ["roses/h.webp", "roses/i.webp"],
        "dangling links": ["itself", "roses/gone.jpg", "roses/itself.jpg"],
        "empty folders": ["empty"],
        "in no folder of a class": ["loose.jpg"],
        "names without a suffix": ["roses/notes"],
        "sub-folders": ["roses/folder.jpg", "roses/x"],
    }
    assert "3 dangling links ('itself'), 1 empty folders ('empty'), " in photos.describe(found.passed_over)


def test_find_takes_kinds_that_are_accepted(tmp_path):
    """JPEGs under their third suffix always, other kinds on demand, and none that cannot be decoded."""
    _touch(tmp_path, "daisy/a.JFIF", "daisy/b.png", "roses/c.webp")
    assert photos.find(tmp_path, accept=("png", "webp")).labels == (0, 0, 1)
    with pytest.raises(errors.InputError, match=r"one class only, 'daisy'.*1 \.webp files, taken with --accept webp"):
        photos.find(tmp_path, accept=("png",))
    with pytest.raises(errors.InputError, match="png, webp"):
        photos.find(tmp_path, accept=("heic",))


def test_find_refuses_classes_that_look_the_same(tmp_path):
    """One name with its accent composed and decomposed would be two classes that nobody can tell apart."""
    _touch(tmp_path, "caf\u00e9/a.jpg", "cafe\u0301/b.jpg")
    with pytest.raises(errors.InputError, match=r"'cafe\\u0301' and 'caf\\xe9'"):
        photos.find(tmp_path)


def test_find_ignores_a_trailing_slash(tmp_path):
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
def test_find_refuses_a_folder_without_two_classes(tmp_path, names, received):
    """The message says what stands there in place of the photos of two classes."""
    with pytest.raises(errors.InputError, match=received):
        photos.find(_touch(tmp_path, *names))


@pytest.mark.parametrize(
    ("folder", "said"),
    [("nowhere", "python -m flowers_core synthetic"), ("a.jpg", "Not a directory"), ("", "folder=''")],
)
def test_find_refuses_what_is_no_folder(tmp_path, monkeypatch, folder, said):
    """The message says how photos come about; nothing is not taken for `/` or the working directory."""
    monkeypatch.chdir(_touch(tmp_path, "a.jpg"))
    with pytest.raises(errors.InputError, match=rf"{folder}.*{said}"):
        photos.find(folder)


def test_find_refuses_an_unreadable_class(tmp_path, monkeypatch):
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


@pytest.mark.parametrize("name", [b"daisy/caf\xe9.jpg", b"caf\xe9/a.jpg"])
def test_find_refuses_names_that_are_not_utf8(tmp_path, name):
    """TensorFlow cannot be given such a path; photos that are passed over may have any name."""
    _touch(tmp_path, "daisy/a.jpg", "roses/b.jpg", os.fsdecode(b"daisy/caf\xe9.txt"))
    assert len(photos.find(tmp_path)) == 2
    _touch(tmp_path, os.fsdecode(name))
    with pytest.raises(errors.InputError, match=r"UTF-8.*caf.*Rename it"):
        photos.find(tmp_path)


def test_find_lists_an_address_like_a_folder():
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


def test_find_refuses_an_address_that_cannot_be_listed():
    """A scheme that TensorFlow does not know is the user's mistake."""
    with pytest.raises(errors.InputError, match="nobody"):
        photos.find("nobody://bucket/photos")


def test_find_gives_the_codelabs_labels(real_photos):
    """Sorted by name, the real folders give the codelab's classes."""
    found = photos.find(real_photos)
    assert found.classes == photos.CLASSES
    assert set(found.labels) == {0, 1, 2, 3, 4}
