"""What loaders of other libraries are given to read."""

import tarfile

from bench.input.loaders import other_libraries


def test_write_tar_takes_photos_that_are_links(tmp_path):
    """Their content comes along, under names with one dot before the label, whatever the photos are called."""
    (tmp_path / "a.first.jpg").write_bytes(b"one")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.first.jpg")
    shard = tmp_path / "00.tar"
    other_libraries.write_tar(str(shard), [(str(tmp_path / name), 3) for name in ("a.first.jpg", "link.jpg")])
    with tarfile.open(shard) as file:
        found = {member.name: (member.isreg(), file.extractfile(member).read()) for member in file}
    assert found == {"000000.3.jpg": (True, b"one"), "000001.3.jpg": (True, b"one")}
