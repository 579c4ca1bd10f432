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


def may_filter():
    """Whether the kernel lets this user filter what a socket gets; some let only root."""
    with socket.socket() as probe:
        try:
            bind._attach(probe, bind.SO_ATTACH_FILTER, "127.0.0.1", bind.KEEP, bind.DROP)
        except PermissionError:
            return False
    return True


@pytest.mark.skipif(not may_filter(), reason="this kernel lets only root filter what a socket gets")
def test_keep_to_leaves_one_address():
    """What listened everywhere answers at the address that was wanted, and nowhere else."""
    done = subprocess.run([sys.executable, "-c", KEPT], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    before, _, after = done.stdout.strip().partition(" 1 ")

    assert before.startswith("[True, True")
    assert after == "[False, True, False]"


# As gRPC listens: on all addresses, sharing the port, on several sockets.
CLAIMED = """
import socket, sys, threading
from bench.input.data_service import bind as listening
def reached(host):
    try:
        with socket.create_connection((host, port), timeout=0.3) as connection:
            return connection.recv(1) == b"!"
    except OSError:
        return False
port, hosts = listening.free_port("127.0.0.2"), ("127.0.0.1", "127.0.0.2", "::1")
guard = listening.claim("127.0.0.2", port)
before = [reached(host) for host in hosts]
for _ in range(3):
    everywhere = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=True)
    def serve(everywhere=everywhere):
        while True:
            everywhere.accept()[0].send(b"!")
    threading.Thread(target=serve, daemon=True).start()
print(before, [reached(host) for host in hosts for _ in range(3)])
"""


def test_claim_leaves_one_address_from_the_first_moment():
    """Who listens everywhere on a claimed port is reached at the wanted address alone, with nothing done afterwards."""
    done = subprocess.run([sys.executable, "-c", CLAIMED], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == f"{[False] * 3} {[False] * 3 + [True] * 3 + [False] * 3}"


def test_claim_refuses_a_port_that_does_not_share():
    """A port on which another listens cannot be claimed."""
    with socket.create_server(("", 0)) as taken, pytest.raises(InputError, match="cannot keep port"):
        bind.claim("127.0.0.1", taken.getsockname()[1])


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
