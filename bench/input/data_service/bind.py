"""Keeps the listening sockets of this process to one address, where a library would listen on all of them.

TensorFlow's servers listen on every address of a machine and ask nobody for a password. A filter that the kernel runs
on their sockets (see Linux' Documentation/networking/filter.rst) drops what is sent to any other address.

Why not a firewall or a network namespace: both need root, and this must work in a container. Why not an option of
TensorFlow: its servers take a port and no address. Why not a wrapper of bind() by LD_PRELOAD: it needs a compiler, and
gRPC may call the kernel directly. The filter needs neither, and cannot be taken off by what the library does later.
"""

import ctypes
import os
import socket
import struct
from pathlib import Path

from flowers_core.errors import InputError

SO_ATTACH_FILTER = 26  # Linux, asm-generic/socket.h
KEEP, DROP = 0xFFFFFFFF, 0
NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: where the packet's IP header begins
BYTE, WORD, SHIFT, IF_EQUAL, RETURN = 0x30, 0x20, 0x74, 0x15, 0x06  # BPF: ld b, ld w, rsh, jeq, ret


class Instruction(ctypes.Structure):
    """One instruction of a classic BPF program: `struct sock_filter`."""

    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


def keep_to(host: str) -> int:
    """Makes this process answer only what is sent to one address; gives how many sockets were listening.

    Args:
        host: An IPv4 address of this machine, or its name.

    Raises:
        InputError: If there is no such address, or the kernel has no such filters.
    """
    wanted = struct.unpack("!I", socket.inet_aton(resolve(host)))[0]
    steps = (  # is it IPv4, and is the receiver (byte 16 of the header) the wanted address?
        *((BYTE, 0, 0, NETWORK_HEADER), (SHIFT, 0, 0, 4), (IF_EQUAL, 0, 3, 4)),
        *((WORD, 0, 0, NETWORK_HEADER + 16), (IF_EQUAL, 0, 1, wanted), (RETURN, 0, 0, KEEP), (RETURN, 0, 0, DROP)),
    )
    program = (Instruction * len(steps))(*steps)
    pointer = struct.pack("HL", len(steps), ctypes.addressof(program))
    sockets = listening()
    for listener in sockets:
        with listener:
            try:
                listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
            except OSError as error:
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
