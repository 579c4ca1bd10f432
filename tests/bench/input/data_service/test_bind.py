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


def test_keep_to_leaves_one_address():
    """What listened everywhere answers at the address that was wanted, and nowhere else."""
    done = subprocess.run([sys.executable, "-c", KEPT], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    before, _, after = done.stdout.strip().partition(" 1 ")

    assert before.startswith("[True, True")
    assert after == "[False, True, False]"


def test_check_free_reports_a_taken_port():
    """Its address and the reason are named; a free one passes."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match=r"127\.0\.0\.1:\d+.*in use"):
        bind.check_free(*taken.getsockname())
    bind.check_free("127.0.0.1", bind.free_port("127.0.0.1"))


@pytest.mark.parametrize("host", ["192.0.2.77", "no.such.host.invalid"])
def test_check_free_reports_addresses_of_other_machines(host):
    """Nobody can listen there."""
    with pytest.raises(InputError, match=host):
        bind.check_free(host, 5050)
