"""The largest batch that fits, by stand-ins for the processes that try."""

from dataclasses import replace

import pytest

from bench.results.cell import Cell
from bench.run import batch_search
from bench.run.batch_search import BatchSearch

CELL = Cell(model="dense", batch_size=32)


@pytest.fixture
def search(measured):
    """Searches where batches up to `room` fit, and a step takes 1 s and a second more for each 100 images."""

    def run(room, *, most=4096, status="oom", first=32):
        tried = []

        def measure(cell):
            tried.append(cell.batch_size)
            if cell.batch_size > room:
                return measured(status=status, reason="no room", batch_size=cell.batch_size)
            return measured(seconds=(1 + cell.batch_size / 100,) * 3, batch_size=cell.batch_size)

        results = list(batch_search.run(replace(CELL, batch_size=first), most=most, measure=measure))
        return tried, results[-1]

    return run


@pytest.mark.parametrize("room", [1, 7, 32, 33, 700, 1000, 4095])
@pytest.mark.parametrize("status", ["oom", "timeout", "crash"])
def test_search_ends_close_below_the_limit(search, room, status):
    """Within a sixteenth of it, from whichever side, with as few processes as bisection needs."""
    tried, found = search(room, status=status)

    assert room * 15 / 16 - 1 <= found.largest <= room < found.too_large
    assert found.ended_by == (status, "no room")
    assert len(tried) <= batch_search.most_tries(32, 4096) + 5
    assert len(set(tried)) == len(tried)


def test_search_ends_at_the_most_that_is_allowed(search):
    """Nothing larger is tried."""
    tried, found = search(10**9, most=100)

    assert tried == [32, 64, 100]
    assert (found.largest, found.too_large) == (100, None)
    assert "no larger was tried" in found.sentence


def test_search_names_the_smallest_batch_that_is_fast_enough(search):
    """Of 32 to 4,096 images at up to 97.6 a second 3 % less are 94.7, which 2,048 reach."""
    _, found = search(10**9)

    assert (found.largest, found.enough) == (4096, 2048)
    assert "within 3 % of the best (97.6 images/s) is 2,048" in found.sentence


def test_search_says_when_nothing_fits(search):
    """Not even a batch of 1: the result has the status and the reason of the last."""
    tried, found = search(0, first=4)

    assert tried == [4, 2, 1]
    assert (found.largest, found.status) == (None, "oom")
    assert "No batch fits, not even 1: oom: no room" in found.sentence


@pytest.mark.parametrize("status", ["n/a", "error"])
def test_search_ends_where_no_batch_would_do_better(search, status):
    """No device, or a model that fails: it is tried once."""
    tried, found = search(0, status=status)

    assert tried == [32]
    assert (found.status, found.reason) == (status, "no room")


def test_result_and_table_hold_the_search(search, measured):
    """The result comes back from JSON as it was; the table has a row for each batch, failures among them."""
    _, found = search(700)
    table = batch_search.table(
        [measured(batch_size=32), measured(batch_size=900, status="oom", reason="no room")], found
    )

    assert BatchSearch.from_json(found.to_json()) == found
    assert table.texts()[1][:2] == ["900", "oom"]
    assert table.notes[0] == found.sentence
