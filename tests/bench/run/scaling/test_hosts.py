"""Workers of several hosts: they meet, show their versions, and learn when one of them is lost."""

import re
import socket
import threading
import time

import pytest

from bench.run.product import InputError, RunFailed
from bench.run.scaling import campaign, hosts
from bench.run.scaling.processes import Limits, free_ports
from flowers_core import connection

LIMITS = Limits(timeout_seconds=60, lost_seconds=30)
LOCAL = "127.0.0.1"


@pytest.fixture
def meeting():
    """A coordinator's socket, and workers in threads that connect to it; gives what each of them ended with."""
    server = connection.listen((LOCAL, 0), "--coordinator")
    address, threads, ends = server.getsockname()[:2], [], {}

    def work(rank, lost_seconds=30):
        def serve():
            try:
                ends[rank] = hosts.serve(connection.Line(connection.connect(address, seconds=10)), rank, lost_seconds)
            except RunFailed as error:
                ends[rank] = str(error)

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()

    def join():
        for thread in threads:
            thread.join(30)
        return ends

    yield server, work, join
    server.close()


def gather(server, workers, seconds=10.0):
    return hosts.gather(server, workers, LIMITS, tell=lambda _: None, seconds=seconds)


def test_campaign_runs_over_hosts(meeting, members, plan, tmp_path):
    """A coordinator's group has a process on each host, whose answers and end it hears of."""
    server, work, join = meeting
    members()
    work(1)
    others = gather(server, 2)
    alone, both = campaign.run(plan(workers=(1, 2), replicas=(1,)), tmp_path, hosts=(hosts.first(LOCAL), *others))
    hosts.dismiss(others, "")

    assert [alone.status, both.status] == ["ok", "ok"]
    assert both.losses == (1.5, 1.25, 1.0)
    assert join() == {1: None}


@pytest.mark.usefixtures("killed")
def test_process_that_dies_elsewhere_is_named(meeting, plan, tmp_path):
    """The coordinator hears how a process on another host ended, and tells all hosts why the run does."""
    server, work, join = meeting
    work(1)
    others = gather(server, 2)
    *_, lost = campaign.run(plan(workers=(2,), replicas=(1,)), tmp_path, hosts=(hosts.first(LOCAL), *others))
    hosts.dismiss(others, lost.reason)

    assert lost.reason.startswith(f"worker 1 of 2 at {others[0].name} was lost: killed by SIGKILL")
    assert join() == {1: lost.reason}


def test_host_that_is_gone_is_named(meeting, members, plan, tmp_path):
    """A host whose connection ends is lost at once."""
    server, work, _ = meeting
    members("if total > 1: time.sleep(30)")
    work(1)
    (other,) = gather(server, 2)
    threading.Timer(1.0, other.line._connection.shutdown, [socket.SHUT_RDWR]).start()
    *_, lost = campaign.run(plan(workers=(2,), replicas=(1,)), tmp_path, hosts=(hosts.first(LOCAL), other))

    assert re.fullmatch(rf"worker 1 (of 2 )?at {other.name} was lost: its connection ended", lost.reason)
    other.line.close()


def test_coordinator_that_is_gone_ends_workers(meeting):
    """A worker whose coordinator is lost says so, and does not wait for ever."""
    server, work, join = meeting
    work(1)
    (other,) = gather(server, 2)
    other.line._connection.shutdown(socket.SHUT_RDWR)

    assert join() == {1: "The coordinator was lost: its connection ended"}
    other.line.close()


def test_silent_side_is_lost_in_a_stated_time():
    """A side without a sign of life is lost although its connection stands, as behind a cable that is pulled."""
    with connection.listen((LOCAL, 0), "--coordinator") as server:
        ours, theirs = connection.connect(server.getsockname()[:2], seconds=10), server.accept()[0]
    line = connection.Line(ours)
    assert not line.why_lost(30)
    line.heard = time.monotonic() - 31

    assert line.why_lost(30) == "it gave no sign of life for 30 s (`--lost-after`)"
    line.close()
    theirs.close()


def test_other_versions_are_refused(meeting, monkeypatch):
    """A worker of other versions is refused on both sides, by a sentence that names the packages."""
    server, work, join = meeting
    ours = hosts.versions()
    answers = iter([{**ours, "keras": "3.0.0"}, ours])
    monkeypatch.setattr(hosts, "versions", lambda: next(answers))
    monkeypatch.setattr(hosts.platform, "node", lambda: "host-b")
    work(1)
    time.sleep(0.5)  # the worker asks first
    monkeypatch.setattr(hosts, "versions", lambda: ours)
    with pytest.raises(RunFailed, match=r"worker 1 \(host-b\) runs other versions .*: keras 3.0.0 there, 3"):
        gather(server, 2)

    assert "keras 3.0.0 there" in join()[1]


@pytest.mark.parametrize(("ranks", "message"), [((5,), "from 1 to 2"), ((1, 1), "each worker needs its own")])
def test_wrong_ranks_are_refused(ranks, message, meeting):
    """Ranks are from 1 on, each once."""
    server, work, _ = meeting
    for rank in ranks:
        work(rank)
    with pytest.raises(RunFailed, match=message):
        gather(server, 3)


def test_missing_workers_are_named(meeting):
    """A coordinator waits for a stated time, past whoever is no worker, and names those who did not come."""
    server, work, _ = meeting
    for said in (b"GET / HTTP/1.1\r\n\r\n", b"7\n", b'{"rank": 1}\n', b""):
        with socket.create_connection(server.getsockname()[:2]) as scanner:
            scanner.sendall(said)
    work(2)
    with pytest.raises(RunFailed, match="Workers 1, 3 of 4 did not come within 2 s"):
        gather(server, 4, seconds=2.0)


def test_coordinator_that_cannot_be_reached_is_said():
    """A worker tries for a stated time; the message has the address and the cause."""
    (port,) = free_ports(LOCAL, 1)
    with pytest.raises(RunFailed, match=rf"{LOCAL}:{port} could not be reached within 1 s .* Connection refused"):
        connection.connect((LOCAL, port), seconds=1)


def test_taken_port_is_said():
    """A coordinator whose port is taken, or whose address is another machine's, is wrong use."""
    with socket.create_server((LOCAL, 0)) as taken, pytest.raises(InputError, match="Address already in use"):
        connection.listen(taken.getsockname()[:2], "--coordinator")
    with pytest.raises(InputError, match="Cannot assign requested address"):
        connection.listen(("192.0.2.1", 5070), "--coordinator")
