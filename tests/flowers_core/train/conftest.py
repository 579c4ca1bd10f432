"""What tests of training share: records of few small images."""

import pytest


@pytest.fixture(scope="session")
def small_records(make_photos, tmp_path_factory):
    """Folder of records of 40 photos at 32 px in 4 shards, of which one validates."""
    from flowers_core.data import tfrecords

    folder = tmp_path_factory.mktemp("small")
    tfrecords.write(make_photos(folder / "photos", 40), folder / "records", image_size=32, shards=4)
    return str(folder / "records")
