"""A dispatcher or a worker in this process: mistakes are reported before TensorFlow is loaded."""

import io
import json
import os
import socket
import sys

import pytest

from bench.input.data_service import bind, server
from flowers_core.errors import InputError


@pytest.fixture
def free():
    """An address where nobody listens."""
    return f"127.0.0.1:{bind.free_port('127.0.0.1')}"


def test_start_worker_needs_a_dispatcher_that_answers(free):
    """The address is told at once."""
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1: Connection refused"):
        server.start("worker", free, dispatcher="127.0.0.1:1")


def test_start_refuses_a_taken_port():
    """Two servers would share one, as gRPC has it; here a port that is taken is refused."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="in use"):
        server.start("dispatcher", f"127.0.0.1:{taken.getsockname()[1]}")


@pytest.mark.parametrize(
    ("role", "bind", "message"), [("boss", "127.0.0.1:5050", "worker"), ("worker", "x", "10.0.0.2")]
)
def test_start_refuses_wrong_use(role, bind, message):
    """An unknown role, an address without a port."""
    with pytest.raises(InputError, match=message):
        server.start(role, bind)


def test_a_child_tells_its_parent_why_it_cannot(monkeypatch, free):
    """The mistake comes as one line on the descriptor, not as a traceback."""
    asked = {"role": "worker", "bind": free, "dispatcher": "127.0.0.1:1"}
    read, write = os.pipe()
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(asked)))
    monkeypatch.setattr(sys, "argv", ["server", str(write)])
    server.main()
    os.close(write)

    with os.fdopen(read) as answers:
        assert "Connection refused" in json.loads(answers.readline())["error"]
