"""Latency, bandwidth, injected faults, and what is counted."""

import pytest

from bench.input.object_store import network
from bench.input.object_store.network import Conditions, Fault, Traffic
from flowers_core.errors import InputError


@pytest.fixture
def slept(monkeypatch):
    """How long was slept, instead of sleeping."""
    seconds = []
    monkeypatch.setattr(network, "sleep", seconds.append)
    return seconds


def test_connections_and_requests_take_what_is_stated(slept):
    """A connection costs its round trips, a request one latency more; both are counted."""
    traffic = Traffic(Conditions(latency_seconds=0.03, round_trips=2))
    traffic.open_connection()
    traffic.begin_request("read")

    assert slept == [pytest.approx(0.06), pytest.approx(0.03)]
    assert (traffic.counts.connections, traffic.counts.requests) == (1, {"read": 1})


@pytest.mark.usefixtures("slept")
def test_faults_hit_as_often_as_injected():
    """A fault of one kind of request leaves others alone, and is over after its times."""
    traffic = Traffic(Conditions())
    traffic.faults.append(Fault(effect=503, request="list", times=2))
    faults = [traffic.begin_request(kind) for kind in ("list", "read", "list", "list")]

    assert [fault and fault.effect for fault in faults] == [503, None, 503, None]


def test_send_keeps_to_the_bandwidth(slept, monkeypatch):
    """3 pieces at one piece a second: by a clock that stands, they wait for 1, 2 and 3 seconds."""
    monkeypatch.setattr(network, "monotonic", lambda: 100.0)
    traffic, sent = Traffic(Conditions(bytes_per_second=network.PIECE_BYTES)), []
    traffic.send(memoryview(bytes(3 * network.PIECE_BYTES)), lambda piece: sent.append(len(piece)))

    assert slept == [pytest.approx(1.0), pytest.approx(2.0), pytest.approx(3.0)]
    assert sum(sent) == 3 * network.PIECE_BYTES


def test_reset_gives_counts_and_begins_anew():
    """`reset` gives what was counted until then."""
    traffic = Traffic(Conditions(latency_seconds=0))
    traffic.end_request("read", 206, sent=10, received=0)
    counted = traffic.reset()

    assert (counted.sent_bytes, counted.statuses, traffic.counts.sent_bytes) == ({"read": 10}, {206: 1}, {})


@pytest.mark.parametrize("wrong", [{"latency_seconds": -1}, {"round_trips": -1}, {"bytes_per_second": -1.0}])
def test_impossible_conditions_are_refused(wrong):
    """No time runs backwards."""
    with pytest.raises(InputError, match="0 or more"):
        Conditions(**wrong)
