"""Short names of cells: what users' own models and loaders are called in a table."""

from bench.results import labels
from bench.results.cell import Cell


def test_readable_leaves_digests_out():
    """A user's function is called by its file's stem and its name."""
    cells = [Cell(model="net:build@01234567", pipeline="own:batches@01234567"), Cell(model="dense")]

    assert labels.apart(cells)[0] == ["net:build own:batches", "dense"]


def test_steps_a_call_are_named_where_any_cell_has_several():
    """A cell's name says so beside others, and nothing where all run one."""
    one, eight = Cell(model="dense"), Cell(model="dense", steps_per_execution=8)

    assert labels.apart([one, eight])[0] == ["dense 1 step a call", "dense 8 steps a call"]
    assert not any("steps" in word for words in labels.apart([one]) for word in words)


def test_readable_tells_two_versions_of_a_file_apart():
    """Two contents of one file stand in one table with their digests."""
    cells = [Cell(model="net:build@01234567"), Cell(model="net:build@76543210")]

    assert labels.apart(cells)[0] == ["net:build@01234567", "net:build@76543210"]


def test_apart_names_what_is_chosen_of_pipelines():
    """Where it differs; a resident batch, of which nothing can be chosen, is not said to have it."""
    pipeline = {"model": "none", "pipeline": "records_parallel"}
    cells = [Cell(**pipeline), Cell(**pipeline, prefetch=0), Cell(**pipeline, augment=True)]

    assert labels.apart(cells) == (
        [
            "records_parallel augment off prefetch auto",
            "records_parallel augment off prefetch 0",
            "records_parallel augment on prefetch auto",
        ],
        ["b32", "192 px"],
    )
    fed = [Cell(model="dense"), Cell(model="dense", pipeline="records_parallel", prefetch=0)]
    assert labels.apart(fed)[0] == ["dense", "dense records_parallel"]
    assert "prefetch" not in " ".join(labels.apart([Cell(**pipeline)])[1])
