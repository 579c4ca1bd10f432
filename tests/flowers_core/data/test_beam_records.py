"""Records written by a pipeline of Apache Beam: the same files as those of the local writer."""

import json
import sys
from importlib.util import find_spec

import pytest

from flowers_core import errors
from flowers_core.data import beam_records, manifest, photos, tfrecords

SIZE = 24
beam = pytest.mark.skipif(
    find_spec("apache_beam") is None,
    reason="Apache Beam is not installed here; `make test-beam` runs this in an environment of its own",
)


@pytest.fixture
def with_bad(make_photos, tmp_path):
    """20 photos and two that cannot be decoded, one of them a shard's only one where there are 22 shards."""
    make_photos(tmp_path / "photos")
    for name in ("roses/broken.jpg", "tulips/empty.jpg"):
        (tmp_path / "photos" / name).write_bytes(b"broken"[: 6 * ("broken" in name)])
    return photos.find(tmp_path / "photos")


def write(found, folder, **options):
    """Writes by Beam's runner of this process."""
    return tfrecords.write(found, folder, image_size=SIZE, engine=beam_records.engine("direct", ()), **options)


@beam
@pytest.mark.parametrize("shards", [3, 22])
def test_records_are_those_of_the_local_writer(with_bad, tmp_path, contents, shards):
    """Shards, records in their order, manifest and the report of bad photos are the same bytes, and twice."""
    made = write(with_bad, tmp_path / "beam", shards=shards)
    tfrecords.write(with_bad, tmp_path / "local", image_size=SIZE, shards=shards)
    write(with_bad, tmp_path / "again", shards=shards)

    assert made.images == 20
    assert [photo.path for photo in made.skipped] == ["roses/broken.jpg", "tulips/empty.jpg"]
    assert contents(tmp_path / "beam") == contents(tmp_path / "local") == contents(tmp_path / "again")
    assert manifest.load(tmp_path / "beam") == made


@beam
def test_strict_refuses_a_bad_photo_and_leaves_nothing(with_bad, tmp_path, contents):
    """The photo is named as by the local writer."""
    with pytest.raises(errors.InputError, match="broken"):
        write(with_bad, tmp_path / "records", shards=3, strict=True)
    assert contents(tmp_path / "records") == {}


@beam
@pytest.mark.parametrize(
    ("error", "raised"), [(KeyboardInterrupt, KeyboardInterrupt), (OSError("it burns"), errors.RunFailed)]
)
def test_an_interrupted_or_failed_pipeline_leaves_no_shard(twenty, tmp_path, contents, monkeypatch, error, raised):
    """Whatever was written is removed, as by the local writer; the next call does it over."""
    write_shard = beam_records.write_shard

    def fail(*arguments, number, **options):
        if number == 1:
            raise error
        return write_shard(*arguments, number=number, **options)

    with monkeypatch.context() as patch:
        patch.setattr(beam_records, "write_shard", fail)
        with pytest.raises(raised):
            write(twenty, tmp_path, shards=3)
    assert contents(tmp_path) == {}
    assert write(twenty, tmp_path, shards=3).images == 20


@beam
def test_shards_of_work_done_twice_are_removed(twenty, tmp_path, monkeypatch):
    """A worker that was given up may have read a photo less, and its shard then has another name."""
    write_shard = beam_records.write_shard

    def write_twice(records, folder, **options):
        write_shard(records[1:], folder, **options)
        return write_shard(records, folder, **options)

    monkeypatch.setattr(beam_records, "write_shard", write_twice)
    made = write(twenty, tmp_path, shards=3)
    assert manifest.load(tmp_path) == made
    assert made.images == 20


@beam
def test_command_passes_flags_on_and_says_which_are_missing(with_bad, tmp_path, command_line):
    """Direct writes and reports as without a runner; Dataflow says what it wants; nothing is left of the latter."""
    done = command_line("flowers_core", "records", with_bad.folder, tmp_path / "a", "--runner", "direct", "--json")
    written = json.loads(done.out)
    assert (done.code, len(written["shards"]), len(written["skipped"])) == (0, 16, 2), done.err

    wrong = ("records", with_bad.folder, tmp_path / "b", "--runner", "dataflow", "--", "--project=proj")
    refused = command_line("flowers_core", *wrong)
    assert refused.code == 2, refused.err
    assert "temp_location" in refused.err
    assert list((tmp_path / "b").iterdir()) == []


def test_without_beam_the_extra_is_named(twenty, tmp_path, command_line, monkeypatch):
    """In a sentence with the command that installs it; flags of Beam without a runner are wrong use."""
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "apache_beam.options.pipeline_options", raising=False)
    missing = command_line("flowers_core", "records", twenty.folder, tmp_path / "records", "--runner", "direct")
    assert missing.code == 2
    assert ".venv-beam/bin/pip install -e '.[beam]'" in missing.err

    alone = command_line("flowers_core", "records", twenty.folder, tmp_path / "records", "--", "--region=r")
    assert alone.code == 2
    assert "want --runner" in alone.err
    assert not (tmp_path / "records").exists()
