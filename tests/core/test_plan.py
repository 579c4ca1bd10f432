"""Dealing photos to shards; which folders are written to, left alone, or done over."""

import io

import numpy as np
import pytest
from PIL import Image

from flowers_core import errors, manifest, photos, plan, records

CLASSES = photos.CLASSES
SIZE = 24


def picture(seed):
    """A small smooth Pillow image, another for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return Image.fromarray(small).resize((40, 30), Image.Resampling.BICUBIC)


def as_bytes(image):
    """A Pillow image as a JPEG."""
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def draw(folder, count=20):
    """Draws `count` photos of five classes, and finds them."""
    for number in range(count):
        path = folder / CLASSES[number % 5] / f"{number:02d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_bytes(picture(number)))
    return photos.find(folder)


def contents(folder):
    """Every file of a folder: name -> bytes."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def garden(tmp_path_factory):
    """20 good photos."""
    return draw(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def written(garden, tmp_path_factory):
    """(folder, manifest) of the 20 photos in 3 shards."""
    folder = tmp_path_factory.mktemp("records") / "made" / "here"
    return folder, records.write(garden, folder, image_size=SIZE, shards=3, threads=2)


def test_the_codelabs_shards():
    """3670 photos in 16 shards are 15 of 230 and one of 220; each photo is dealt once."""
    names = tuple(f"f/{number:04d}.jpg" for number in range(3670))
    garden = photos.Photos(folder="f", paths=names, labels=(0,) * 3670, classes=("a",))
    dealt = plan.deal(garden, shards=16, seed=records.SEED)
    assert [len(pairs) for pairs in dealt] == [230] * 15 + [220]
    assert sorted(path for pairs in dealt for path, _ in pairs) == list(names)
    assert (records.SHARDS, records.SEED, records.IMAGE_SIZES) == (16, 35155, (192, 224, 331, 512))


@pytest.mark.parametrize(("count", "shards"), [(20, 16), (17, 16), (16, 16), (225, 16), (1, 1), (5, 2)])
def test_no_shard_is_left_empty(count, shards):
    """Where ceil(photos / shards) would leave shards empty, photos are dealt evenly, none missing."""
    paths = tuple(map(str, range(count)))
    garden = photos.Photos(folder="f", paths=paths, labels=(0,) * count, classes=("a",))
    sizes = [len(pairs) for pairs in plan.deal(garden, shards=shards, seed=1)]
    assert min(sizes) > 0
    assert (len(sizes), sum(sizes)) == (shards, count)


def test_order_is_fixed_for_good(garden):
    """The seed 35155 deals the 20 photos in this order on every machine and release."""
    names = [path[-6:-4] for pairs in plan.deal(garden, shards=3, seed=records.SEED) for path, _ in pairs]
    assert " ".join(names) == "07 02 10 12 13 19 01 04 18 11 16 05 03 09 00 08 17 14 06 15"


def test_the_second_write_is_none(garden, written, monkeypatch):
    """Writing the same again returns the manifest and touches no file, even of photos that were moved."""
    folder, made = written
    monkeypatch.setattr(records, "_write_all", lambda *_, **__: pytest.fail("written again"))
    assert records.write(garden, folder, image_size=SIZE, shards=3) == made


@pytest.mark.parametrize("changed", [{"image_size": 32}, {"seed": 1}, {"shards": 4}])
def test_other_records_are_left_alone(garden, written, changed):
    """A folder that holds records of another size, seed or number of shards is refused and stays as it is."""
    folder, _ = written
    before = contents(folder)
    with pytest.raises(errors.InputError, match="Choose another folder, or remove this one"):
        records.write(garden, folder, **{"image_size": SIZE, "shards": 3} | changed)
    assert contents(folder) == before


def test_records_of_other_photos_are_left_alone(garden, written, tmp_path):
    """A folder with records of other photos, or public ones without manifest, is refused and stays."""
    folder, _ = written
    with pytest.raises(errors.InputError, match="source_digest"):
        records.write(draw(tmp_path / "photos", 21), folder, image_size=SIZE, shards=3)
    public = tmp_path / "public"
    public.mkdir()
    (public / "flowers00-230.tfrec").write_bytes(b"precious")
    with pytest.raises(errors.InputError, match=r"no manifest\.json"):
        records.write(garden, public, image_size=SIZE, shards=3)
    assert contents(public) == {"flowers00-230.tfrec": b"precious"}


def test_an_interrupted_write_is_done_over(garden, written, tmp_path):
    """What a killed process leaves is not read as records; the next call replaces it and spares other files."""
    folder, made = written
    leftovers = ["flowers00-7.tfrec", "flowers09-9.tfrec", "flowers01.tmp", "manifest.json.tmp"]
    for name in [*leftovers, manifest.UNFINISHED, "notes.tmp"]:
        (tmp_path / name).write_bytes(b"half")
    with pytest.raises(errors.InputError, match="interrupted"):
        manifest.load(tmp_path)
    assert records.write(garden, tmp_path, image_size=SIZE, shards=3) == made
    assert contents(tmp_path) == contents(folder) | {"notes.tmp": b"half"}
