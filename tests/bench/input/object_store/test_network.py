"""What a store costs, what goes wrong on order, and what is counted."""

import pytest

from bench.input.object_store import network
from bench.input.object_store.network import Conditions, Fault, Traffic
from flowers_core.errors import InputError


@pytest.fixture
def slept(monkeypatch):
    """How long was slept, instead of sleeping."""
    found = []
    monkeypatch.setattr(network, "sleep", found.append)
    return found


def test_requests_and_connections_cost_what_is_stated(slept):
    """A connection costs its round trips, a request one latency more; both are counted."""
    one = Traffic(Conditions(latency_seconds=0.03, round_trips=2))
    one.opened()
    one.asked("read")

    assert slept == [pytest.approx(0.06), pytest.approx(0.03)]
    assert (one.counts.connections, one.counts.requests) == (1, {"read": 1})


@pytest.mark.usefixtures("slept")
def test_faults_come_as_often_as_ordered():
    """A fault of one kind of request leaves others alone, and is over after its times."""
    one = Traffic(Conditions())
    one.faults.append(Fault(does=503, to="list", times=2))
    found = [one.asked(kind) for kind in ("list", "read", "list", "list")]

    assert [fault and fault.does for fault in found] == [503, None, 503, None]


def test_a_body_goes_no_faster_than_stated(slept, monkeypatch):
    """3 pieces at one piece a second: by a clock that stands, they wait for 1, 2 and 3 seconds."""
    monkeypatch.setattr(network, "monotonic", lambda: 100.0)
    one, sent = Traffic(Conditions(bytes_per_second=network.PIECE_BYTES)), []
    one.send(memoryview(bytes(3 * network.PIECE_BYTES)), lambda piece: sent.append(len(piece)))

    assert slept == [pytest.approx(1.0), pytest.approx(2.0), pytest.approx(3.0)]
    assert sum(sent) == 3 * network.PIECE_BYTES


def test_counting_begins_anew():
    """`reset` gives what was counted until then."""
    one = Traffic(Conditions(latency_seconds=0))
    one.answered("read", 206, sent=10, received=0)
    counted = one.reset()

    assert (counted.sent_bytes, counted.statuses, one.counts.sent_bytes) == ({"read": 10}, {206: 1}, {})


@pytest.mark.parametrize("wrong", [{"latency_seconds": -1}, {"round_trips": -1}, {"bytes_per_second": -1.0}])
def test_conditions_that_cannot_be_are_refused(wrong):
    """No time runs backwards."""
    with pytest.raises(InputError, match="0 or more"):
        Conditions(**wrong)
