"""Keeps the listening sockets of this process to one address, where a library would listen on all of them.

TensorFlow's servers listen on every address of a machine and ask nobody for a password. Programs that the kernel runs
on their sockets (see Linux' Documentation/networking/filter.rst) drop what is sent to any other address: `claim` from
the first moment, `keep_to` whatever else the library has opened by the time it serves.

Why not a firewall or a network namespace: both need root, and this must work in a container. Why not an option of
TensorFlow: its servers take a port and no address. Why not a wrapper of bind() by LD_PRELOAD: it needs a compiler, and
gRPC may call the kernel directly. The filter needs neither, and cannot be taken off by what the library does later.
"""

import ctypes
import os
import socket
import struct
from contextlib import ExitStack, suppress
from pathlib import Path

from flowers_core.errors import InputError

SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h
SO_ATTACH_REUSEPORT_CBPF = 51  # likewise
KEEP, DROP = 0xFFFFFFFF, 0
GUARD, SERVER = 0, 1  # sockets that share a port, by the order in which they began to listen
NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: where the packet's IP header begins
BYTE, WORD, SHIFT, IF_EQUAL, RETURN = 0x30, 0x20, 0x74, 0x15, 0x06  # BPF: ld b, ld w, rsh, jeq, ret


class Instruction(ctypes.Structure):
    """One instruction of a classic BPF program: `struct sock_filter`."""

    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


def claim(host: str, port: int) -> socket.socket:
    """Claims a port before a library listens on it everywhere, so that it is never reached at another address.

    gRPC lets sockets of one user share a port. The first one decides which of them gets a connection: the library's,
    which comes second, gets those to the wanted address, and this one the others, which it drops.

    Args:
        host: An IPv4 address of this machine, or its name.
        port: On which the library will listen.

    Returns:
        The socket, to be kept open as long as the library listens.

    Raises:
        InputError: If the port is taken, or the kernel has no such programs.
    """
    family, everywhere = _family_of_grpc()
    guard = socket.socket(family)
    if family == socket.AF_INET6:
        guard.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _attach(guard, SO_ATTACH_REUSEPORT_CBPF, host, SERVER, GUARD)
        with suppress(PermissionError):  # where only root may filter, connections wait here unanswered
            _attach(guard, SO_ATTACH_FILTER, host, DROP, DROP)
        guard.bind((everywhere, port))
        guard.listen()
    except OSError as error:
        guard.close()
        raise InputError(f"This system cannot keep port {port} to {host}: {error}. It needs Linux 4.5") from error
    return guard


def _family_of_grpc() -> tuple[socket.AddressFamily, str]:
    """The family of sockets by which gRPC listens everywhere here, and that address: IPv6 where its loopback works."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return socket.AF_INET, "0.0.0.0"
    return socket.AF_INET6, "::"


def _attach(target: socket.socket, option: int, host: str, wanted: int, others: int) -> None:
    """Lets the kernel run a program on a socket: `wanted` for what is sent to the host, else `others`.

    Raises:
        OSError: If the kernel refuses.
    """
    address = struct.unpack("!I", socket.inet_aton(resolve(host)))[0]
    steps = (  # is it IPv4, and is the receiver (byte 16 of the header) the wanted address?
        *((BYTE, 0, 0, NETWORK_HEADER), (SHIFT, 0, 0, 4), (IF_EQUAL, 0, 3, 4)),
        *((WORD, 0, 0, NETWORK_HEADER + 16), (IF_EQUAL, 0, 1, address), (RETURN, 0, 0, wanted), (RETURN, 0, 0, others)),
    )
    program = (Instruction * len(steps))(*steps)
    target.setsockopt(socket.SOL_SOCKET, option, struct.pack("HL", len(steps), ctypes.addressof(program)))


def keep_to(host: str, *, claimed: int = 0) -> int:
    """Makes this process answer only what is sent to one address; gives how many sockets were listening.

    Args:
        host: An IPv4 address of this machine, or its name.
        claimed: A port that `claim` holds: who is sent where is decided there, also where only root may filter.

    Raises:
        InputError: If there is no such address, or the kernel has no such filters.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(listener) for listener in listening()]
        for listener in sockets:
            try:
                _attach(listener, SO_ATTACH_FILTER, host, KEEP, DROP)
            except OSError as error:
                if isinstance(error, PermissionError) and listener.getsockname()[1] == claimed:
                    continue
                raise InputError(f"This system cannot keep a server to {host}: {error}. It needs Linux") from error
        return len(sockets)


def resolve(host: str) -> str:
    """Gives the IPv4 address of a host.

    Raises:
        InputError: If it has none.
    """
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise InputError(
            f"`host` must be an IPv4 address or a name that has one. Received: {host!r}: {error}"
        ) from error


def listening() -> list[socket.socket]:
    """Gives copies of the sockets of this process that listen on the network."""
    sockets = []
    for descriptor in sorted(int(path.name) for path in Path("/proc/self/fd").iterdir() if path.is_socket()):
        try:
            copy = socket.socket(fileno=os.dup(descriptor))
        except OSError:  # closed meanwhile
            continue
        is_network = copy.family in (socket.AF_INET, socket.AF_INET6)
        if is_network and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sockets.append(copy)
        else:
            copy.close()
    return sockets


def check_free(host: str, port: int) -> None:
    """Checks that nobody listens on a port: gRPC would share it with another server, and split the calls between both.

    Raises:
        InputError: If it is taken, or the address is none of this machine.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as after a server that was killed
            probe.bind((resolve(host), port))
    except OSError as error:
        raise InputError(
            f"`bind` must be a free port of this machine. Received: {host}:{port}: {error.strerror}"
        ) from error


def free_port(host: str) -> int:
    """Finds a port of an address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]
