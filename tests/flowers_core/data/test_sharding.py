"""Dealing photos to shards; which folders are written to, left alone, or done over."""

import fcntl
from dataclasses import replace

import pytest

from flowers_core import errors
from flowers_core.data import manifest, photos, sharding, storage, tfrecords

CLASSES = photos.CLASSES
SIZE = 24


def test_deal_gives_the_codelabs_shards():
    """3670 photos in 16 shards are 15 of 230 and one of 220; each photo is dealt once."""
    names = tuple(f"f/{number:04d}.jpg" for number in range(3670))
    whole = photos.Photos(folder="f", paths=names, labels=(0,) * 3670, classes=("a",))
    dealt = sharding.deal(whole, shards=16, seed=tfrecords.SEED)
    assert [len(pairs) for pairs in dealt] == [230] * 15 + [220]
    assert sorted(path for pairs in dealt for path, _ in pairs) == list(names)
    assert (tfrecords.SHARDS, tfrecords.SEED, sharding.IMAGE_SIZES) == (16, 35155, (192, 224, 331, 512))


@pytest.mark.parametrize(("count", "shards"), [(20, 16), (17, 16), (16, 16), (225, 16), (1, 1), (5, 2)])
def test_deal_leaves_no_shard_empty(count, shards):
    """Where ceil(photos / shards) would leave shards empty, photos are dealt evenly, none missing."""
    paths = tuple(map(str, range(count)))
    whole = photos.Photos(folder="f", paths=paths, labels=(0,) * count, classes=("a",))
    sizes = [len(pairs) for pairs in sharding.deal(whole, shards=shards, seed=1)]
    assert min(sizes) > 0
    assert (len(sizes), sum(sizes)) == (shards, count)


def test_deal_has_the_same_order_for_good(twenty):
    """The seed 35155 deals the 20 photos in this order on every machine and release."""
    names = [path[-6:-4] for pairs in sharding.deal(twenty, shards=3, seed=tfrecords.SEED) for path, _ in pairs]
    assert " ".join(names) == "07 02 10 12 13 19 01 04 18 11 16 05 03 09 00 08 17 14 06 15"


def test_write_leaves_existing_records_alone(twenty, written, monkeypatch):
    """Writing the same again returns the manifest and touches no file, even of photos that were moved."""
    folder, made = written
    monkeypatch.setattr(tfrecords, "_write_here", lambda *_, **__: pytest.fail("written again"))
    assert tfrecords.write(twenty, folder, image_size=SIZE, shards=3) == made


@pytest.mark.parametrize("changed", [{"image_size": 32}, {"seed": 1}, {"shards": 4}])
def test_write_refuses_a_folder_of_other_records(twenty, written, changed, contents):
    """A folder that holds records of another size, seed or number of shards is refused and stays as it is."""
    folder, _ = written
    before = contents(folder)
    with pytest.raises(errors.InputError, match="Choose another folder, or remove this one"):
        tfrecords.write(twenty, folder, **{"image_size": SIZE, "shards": 3} | changed)
    assert contents(folder) == before


def test_write_refuses_records_of_other_photos(twenty, written, tmp_path, contents, make_photos):
    """A folder with records of other photos, or public ones without manifest, is refused and stays."""
    folder, _ = written
    with pytest.raises(errors.InputError, match=r"records of other photos \(some were added, removed or changed\)"):
        tfrecords.write(make_photos(tmp_path / "photos", 21), folder, image_size=SIZE, shards=3)
    public = tmp_path / "public"
    public.mkdir()
    (public / "flowers00-230.tfrec").write_bytes(b"precious")
    with pytest.raises(errors.InputError, match=r"no manifest\.json"):
        tfrecords.write(twenty, public, image_size=SIZE, shards=3)
    assert contents(public) == {"flowers00-230.tfrec": b"precious"}


def test_write_does_an_interrupted_one_over(twenty, written, tmp_path, contents):
    """What a killed process leaves is not read as records; the next call replaces it and spares other files."""
    folder, made = written
    leftovers = ["flowers00-7.tfrec", "flowers09-9.tfrec", "flowers01.tmp", "manifest.json.tmp"]
    for name in [*leftovers, manifest.UNFINISHED, "notes.tmp"]:
        (tmp_path / name).write_bytes(b"half")
    with pytest.raises(errors.InputError, match="interrupted"):
        manifest.load(tmp_path)
    assert replace(tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3), source=made.source) == made
    again = contents(tmp_path) | {manifest.NAME: contents(folder)[manifest.NAME]}  # it names the photos from elsewhere
    assert again == contents(folder) | {"notes.tmp": b"half"}


def test_write_waits_for_no_other_process(twenty, tmp_path, contents):
    """While another process holds the mark its shards are left alone; the same writes once it has ended."""
    (tmp_path / "flowers00-7.tfrec").write_bytes(b"half")
    with (tmp_path / manifest.UNFINISHED).open("w") as mark:
        fcntl.flock(mark, fcntl.LOCK_EX)
        with pytest.raises(errors.InputError, match="is being written by another process"):
            tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3)
        assert contents(tmp_path) == {"flowers00-7.tfrec": b"half", manifest.UNFINISHED: b""}
    assert tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3).images == 20


def test_exclusive_keeps_what_another_process_has_just_finished(tmp_path):
    """Records that appear between the look at the folder and its lock are not removed."""
    (tmp_path / manifest.NAME).write_text("whole")
    with pytest.raises(errors.InputError, match="another process"), sharding.exclusive(tmp_path):
        pytest.fail("written over")
    assert (tmp_path / manifest.NAME).read_text() == "whole"


def test_write_cleans_up_after_an_interrupt(twenty, tmp_path, contents, monkeypatch):
    """Nothing is left of it; a second interrupt while that is removed leaves no manifest, but the mark."""
    write_text, remove = storage.write_text, storage.remove

    def interrupted(path, text):
        write_text(path, text)
        raise KeyboardInterrupt

    def twice(path):
        remove(path)
        if path.endswith(manifest.NAME) and (tmp_path / "flowers02-6.tfrec").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(storage, "write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3)
    assert contents(tmp_path) == {}
    monkeypatch.setattr(storage, "remove", twice)
    with pytest.raises(KeyboardInterrupt):
        tfrecords.write(twenty, tmp_path, image_size=SIZE, shards=3)
    assert manifest.UNFINISHED in contents(tmp_path)
    assert manifest.NAME not in contents(tmp_path)
