"""Workers of a training: they meet, agree, have the same weights to begin with, and end when one is lost."""

import re
import socket
import threading
import time

import pytest

from flowers_core import connection
from flowers_core.errors import RunFailed
from flowers_core.train import meeting
from flowers_core.train.meeting import Place, meet

TERMS = {"batch_size": "32", "shards": [["a", 3]]}
LOCAL = "127.0.0.1"


@pytest.fixture
def together(monkeypatch):
    """Runs a function of a meeting in each of some workers, all in this process; gives what each came to, by rank."""
    monkeypatch.setattr(meeting, "SECOND_LOOK_SECONDS", 0.3)
    begin = meeting.Meeting

    def run(work, *, workers=2, terms=None, meet_seconds=5.0, ranks=None):
        with socket.create_server((LOCAL, 0)) as probe:
            address = probe.getsockname()[:2]
        ends, said = {}, {rank: [] for rank in range(workers)}

        def watched(place, *known, **options):
            """A meeting that ends no process; so from the beginning, for another worker may fail at once."""
            return begin(place, *known, **options, leave=lambda code: ends.setdefault(place.rank, code))

        monkeypatch.setattr(meeting, "Meeting", watched)

        def attend(number, rank):
            place = Place(coordinator=address, rank=rank, workers=workers, meet_seconds=meet_seconds, lost_seconds=30)
            known = (terms or {}).get(rank, TERMS)
            try:
                joined = meet(place, known, tell=said[rank].append, seed=7 if rank == 0 else None)
                with joined:
                    ends.setdefault(number, work(joined))
            except (RunFailed, OSError) as error:
                ends.setdefault(number, error)

        threads = [
            threading.Thread(target=attend, args=entry, daemon=True) for entry in enumerate(ranks or range(workers))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        return ends, said

    return run


def test_meet_agrees_on_a_group_and_a_seed(together):
    """All know the same addresses, each its rank, and draw by the coordinator's seed."""
    ends, said = together(lambda joined: (joined.group.addresses, joined.group.rank, joined.seed), workers=3)

    addresses = ends[0][0]
    assert ends == {rank: (addresses, rank, 7) for rank in range(3)}
    assert len(set(addresses)) == 3
    assert said[0][0].startswith("waiting for 2 workers at 127.0.0.1:")


@pytest.mark.parametrize("size", [0, 5, 3 * meeting.PIECE + 1])
def test_share_gives_all_the_same_file(size, together, tmp_path):
    """Whatever its size; what the coordinator has kept is what all go on from."""
    kept = tmp_path / "model.keras"
    kept.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))

    def work(joined):
        folder = tmp_path / str(joined.place.rank)
        folder.mkdir()
        return joined.share(kept if joined.place.leads else None, folder).read_bytes()

    ends, _ = together(work)
    assert ends[0] == ends[1] == kept.read_bytes()


def test_share_says_that_nothing_is_kept(together, tmp_path):
    """Then all begin anew."""
    ends, _ = together(lambda joined: joined.share(None, tmp_path))

    assert ends == {0: None, 1: None}


def test_decide_is_the_word_of_the_coordinator(together):
    """However long it takes: it validates meanwhile."""

    def work(joined):
        if joined.place.leads:
            time.sleep(0.5)
        return [joined.decide(more=joined.place.leads), joined.decide(more=not joined.place.leads)]

    assert together(work)[0] == {0: [True, False], 1: [True, False]}


def test_other_settings_are_refused(together):
    """A worker that is about to do something else is refused on both sides, by a sentence that names it."""
    ends, _ = together(lambda _: None, terms={1: {**TERMS, "batch_size": "16"}})

    for end in ends.values():
        assert isinstance(end, RunFailed)
        assert re.search(
            r"worker 1 of 2 \(.*\) is about to train otherwise .*: batch_size '16' there, '32' here", str(end)
        )


def test_rank_belongs_to_one_worker(together):
    """Two of the same rank are refused."""
    ends, _ = together(lambda _: None, workers=3, ranks=(0, 1, 1))

    assert "must have a `--rank` of its own from 1 to 2" in str(ends[0])


def test_missing_workers_are_named(together):
    """Those who came hear who did not."""
    ends, _ = together(lambda _: None, workers=3, ranks=(0, 2), meet_seconds=1.0)

    assert "Workers 1 of 3 did not come within 1 s" in str(ends[0])
    assert str(ends[0]) == str(ends[1])


def test_lost_worker_ends_all(together):
    """Its connection ends with it: the coordinator names it, ends, and the others hear who it was."""

    def work(joined):
        if joined.place.rank == 1:
            time.sleep(0.5)
            joined._over.set()  # as a process that was killed: it says nothing
            joined._peers[0].line.close()
        time.sleep(2)
        return "went on"

    ends, said = together(work, workers=3)

    assert (ends[0], ends[2]) == (1, 1)
    for rank in (0, 2):
        assert re.match(r"error: worker 1 of 3 \(.*\) was lost: its connection ended; the same command", said[rank][-1])


def test_failure_of_one_is_that_of_all(together, monkeypatch):
    """What went wrong in one, all end with."""
    monkeypatch.setattr(meeting, "LEAVE_SECONDS", 60)

    def work(joined):
        if joined.place.rank == 1:
            raise RunFailed("The loss is nan")
        time.sleep(2)
        return "went on"

    ends, said = together(work)

    assert str(ends[1]) == "The loss is nan"
    assert ends[0] == 1
    assert re.match(r"error: worker 1 of 2 \(.*\): The loss is nan", said[0][-1])


def test_unreachable_coordinator_is_said():
    """After a stated time."""
    with socket.create_server((LOCAL, 0)) as probe:
        address = probe.getsockname()[:2]
    place = Place(coordinator=address, rank=1, workers=2, meet_seconds=0.5)
    with pytest.raises(RunFailed, match=r"could not be reached within 0\.5 s"):
        meet(place, TERMS, tell=lambda _: None, seed=None)


def test_whoever_is_no_worker_is_passed_over(together, monkeypatch):
    """A scanner that connects first costs nothing."""
    listen = connection.listen

    def scanned(address, option, **how):
        server = listen(address, option, **how)
        with socket.create_connection(address) as scanner:
            scanner.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return server

    monkeypatch.setattr(connection, "listen", scanned)
    assert together(lambda joined: joined.seed)[0] == {0: 7, 1: 7}
