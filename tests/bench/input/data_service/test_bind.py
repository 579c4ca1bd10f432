"""Sockets that answer at one address, where a library listens on all."""

import socket
import subprocess
import sys

import pytest

from bench.input.data_service import bind
from bench.machine.facts import PROJECT_ROOT
from flowers_core.errors import InputError

# In a process of its own: it would keep every socket of the tests to one address.
KEPT = """
import socket, sys
from bench.input.data_service import bind as listening
def answers(host):
    try:
        socket.create_connection((host, port), timeout=0.3).close()
        return True
    except OSError:
        return False
everywhere = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
port = everywhere.getsockname()[1]
hosts = ("127.0.0.1", "127.0.0.2", "::1")
before = [answers(host) for host in hosts]
count = listening.keep_to("127.0.0.2")
print(before, count, [answers(host) for host in hosts])
"""


def test_a_socket_is_kept_to_one_address():
    """What listened everywhere answers at the address that was wanted, and nowhere else."""
    done = subprocess.run([sys.executable, "-c", KEPT], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    before, _, after = done.stdout.strip().partition(" 1 ")

    assert before.startswith("[True, True")
    assert after == "[False, True, False]"


def test_a_port_that_is_taken_is_told():
    """Its address and the reason are named; a free one passes."""
    with socket.create_server(("127.0.0.1", 0)) as one, pytest.raises(InputError, match=r"127\.0\.0\.1:\d+.*in use"):
        bind.check_free(*one.getsockname())
    bind.check_free("127.0.0.1", bind.free_port("127.0.0.1"))


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_told(host):
    """Nobody can listen there."""
    with pytest.raises(InputError, match=host):
        bind.check_free(host, 5050)
