"""Servers of this machine: kept to one address, read from, killed, started again."""

import os
import signal
import socket
from collections import Counter

import psutil
import pytest

from bench.input.data_service import cluster, result
from bench.input.data_service.reader import Job, Task
from flowers_core.data import manifest


@pytest.fixture(scope="module")
def one():
    """A dispatcher with one worker."""
    with cluster.cluster(1) as servers:
        yield servers
        processes = [psutil.Process(pid) for pids in servers.pids.values() for pid in pids]
    assert not any(process.is_running() and process.status() != "zombie" for process in processes)


@pytest.fixture(scope="module")
def expected():
    """What an epoch holds, filled by the first that is drawn."""
    return {}


def read(one, records, expected, *tasks, **facts):
    job = Job(records=str(records), tasks=tasks, dispatcher=one.address if one else "", pids=one.pids if one else {})
    return result.read(job, timeout=300, expected=expected, campaign="c", workers=1 if one else 0, **facts)


def test_servers_answer_at_their_address_alone(one):
    """127.0.0.1 is answered; any other address of the machine is not."""
    for server in one.servers:
        port = int(server.address.rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        with pytest.raises(OSError, match="timed out"):
            socket.create_connection(("127.0.0.2", port), timeout=0.2)


def test_a_pipeline_is_timed_and_its_epochs_are_whole(one, synthetic_records, expected):
    """A rate with CPU seconds of each role; epochs of either sharding hold what one without a service holds."""
    alone = read(None, synthetic_records, expected, Task(pipeline="records_uint8", batch_size=4))
    assert manifest.load(synthetic_records).images == alone[0].images == expected["records_uint8"].total()
    timed, *epochs = read(
        *(one, synthetic_records, expected, Task(pipeline="records_uint8", batch_size=4, seconds=0.3)),
        *(Task(pipeline="records_uint8", batch_size=4, sharding=sharding) for sharding in ("dynamic", "static")),
    )

    assert timed.status == "ok", timed.reason
    assert timed.images_per_second > 0
    assert set(timed.cpu_seconds) == {"reader", "dispatcher", "workers"}
    assert timed.images == timed.images_per_step * len(timed.step_seconds)
    assert [(epoch.status, epoch.images, epoch.missing, epoch.doubled) for epoch in epochs] == 2 * [("ok", 20, 0, 0)]


def test_a_worker_that_is_killed_is_started_again(one, synthetic_records, expected):
    """The epoch ends; what the worker held is missing and counted, and nothing comes twice."""
    before = one.pids["workers"]
    task = Task(pipeline="records_uint8", batch_size=1, kills="worker", silent_seconds=120)
    with one.minded():
        (epoch,) = read(one, synthetic_records, expected, task, restarted=True)

    assert one.pids["workers"] != before
    assert (epoch.status, epoch.reason) == ("ok", "")
    assert (epoch.images + epoch.missing, epoch.doubled) == (20, 0)


def test_a_worker_that_is_lost_is_told_in_time(one, synthetic_records, expected):
    """Nobody starts it again: the epoch fails, with the address, after the time that was allowed."""
    for pid in one.pids["workers"]:
        os.kill(pid, signal.SIGKILL)
    (epoch,) = read(one, synthetic_records, expected, Task(pipeline="records_uint8", silent_seconds=3))

    assert (epoch.status, epoch.images) == ("error", 0)
    assert f"No batch within 3 s from the workers of {one.address}" in epoch.reason


def test_counting_sees_what_is_missing_and_doubled():
    """Against the first epoch that was drawn: one twice, one not at all."""
    expected = {}
    first = result.compared([["a", 0], ["b", 1]], expected, "p")
    other = result.compared([["a", 0], ["a", 0]], expected, "p")

    assert first == {"images": 2, "missing": 0, "doubled": 0}
    assert other == {"images": 2, "missing": 1, "doubled": 1}
    assert expected == {"p": Counter({("a", 0): 1, ("b", 1): 1})}
