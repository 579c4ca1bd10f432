"""Short names of cells: what users' own models and loaders are called in a table."""

from bench.results import labels
from bench.results.cell import Cell


def test_readable_leaves_digests_out():
    """A user's function is called by its file's stem and its name."""
    cells = [Cell(model="net:build@01234567", pipeline="own:batches@01234567"), Cell(model="dense")]

    assert labels.apart(cells)[0] == ["net:build own:batches", "dense"]


def test_readable_tells_two_versions_of_a_file_apart():
    """Two contents of one file stand in one table with their digests."""
    cells = [Cell(model="net:build@01234567"), Cell(model="net:build@76543210")]

    assert labels.apart(cells)[0] == ["net:build@01234567", "net:build@76543210"]
