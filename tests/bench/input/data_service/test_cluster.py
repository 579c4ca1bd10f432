"""Servers of this machine: they answer at one address, are read from, and are missed when they die."""

import os
import signal
import socket
from collections import Counter

import psutil
import pytest

from bench.input.data_service import cluster, reader, result
from bench.input.data_service.reader import Job, Task
from bench.run.data_source import Source
from flowers_core.data import manifest


@pytest.fixture(scope="module")
def servers():
    """A dispatcher with one worker, of which nothing is left afterwards."""
    with cluster.cluster(1) as running:
        yield running
        processes = [psutil.Process(pid) for pids in running.pids.values() for pid in pids]
    assert not any(process.is_running() and process.status() != "zombie" for process in processes)


def read(servers, records, expected, *tasks):
    job = Job(source=Source(records=str(records)), tasks=tasks, dispatcher=servers.address, pids=servers.pids)
    return result.read(job, timeout=300, expected=expected, campaign="c", workers=1)


def answers(host, port, *, timeout):
    """Whether a server says anything to who begins as HTTP/2 does, with its preface and no settings."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)))
            return bool(connection.recv(1))
    except OSError:
        return False


def test_servers_answer_at_their_address_alone(servers):
    """127.0.0.1 is answered; any other address of the machine is not."""
    for server in servers.servers:
        port = int(server.address.rpartition(":")[2])
        assert answers("127.0.0.1", port, timeout=10)
        assert not answers("127.0.0.2", port, timeout=0.3)


def test_read_times_a_pipeline_and_counts_its_epochs(servers, synthetic_records):
    """A rate with CPU seconds of each role; epochs of either sharding hold what one without a service holds."""
    alone = reader.read(
        Job(source=Source(records=str(synthetic_records)), tasks=()), Task(pipeline="records_uint8", batch_size=4)
    )
    assert manifest.load(synthetic_records).images == len(alone["seen"])
    expected = {"records_uint8": Counter(alone["seen"])}
    size = {"pipeline": "records_uint8", "batch_size": 4}
    timed, *epochs = read(
        *(servers, synthetic_records, expected, Task(**size, seconds=0.3)),
        *(Task(**size, sharding=sharding) for sharding in ("dynamic", "static")),
    )

    assert timed.status == "ok", timed.reason
    assert timed.images_per_second > 0
    assert set(timed.cpu_seconds) == {"reader", "dispatcher", "workers"}
    assert timed.images == timed.images_per_step * len(timed.step_seconds)
    assert [(epoch.status, epoch.images, epoch.missing, epoch.doubled) for epoch in epochs] == 2 * [("ok", 20, 0, 0)]


def test_a_worker_that_is_lost_is_reported_in_time(servers, synthetic_records):
    """The epoch fails, with the address, after the time that was allowed."""
    for pid in servers.pids["workers"]:
        os.kill(pid, signal.SIGKILL)
    (epoch,) = read(servers, synthetic_records, {}, Task(pipeline="records_uint8", silent_seconds=3))

    assert (epoch.status, epoch.images) == ("error", 0)
    assert f"No batch within 3 s from the workers of {servers.address}" in epoch.reason


def test_count_differences_sees_what_is_missing_and_doubled():
    """Compared with the first epoch that was read: one image twice, one not at all."""
    expected = {}
    first = result.count_differences([["a", 0], ["b", 1]], expected, "p")
    second = result.count_differences([["a", 0], ["a", 0]], expected, "p")

    assert first == {"images": 2, "missing": 0, "doubled": 0}
    assert second == {"images": 2, "missing": 1, "doubled": 1}
    assert expected == {"p": Counter({("a", 0): 1, ("b", 1): 1})}
