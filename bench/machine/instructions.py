"""Counts the instructions that a process and what it starts execute in user space, by Linux's perf_event_open.

Others' load, clock rates and temperature move seconds, but not what a program executes; so a little more work shows in
it at once. Where the kernel, a virtual machine or a container gives no such counter, a sentence says why.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

SYSCALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "ppc64le": 319, "s390x": 331}
HARDWARE, INSTRUCTIONS = 0, 1  # `type` and `config` of perf_event_attr
EVENT = (HARDWARE, INSTRUCTIONS)
SIZE = 112  # of perf_event_attr, version 5
TIMES = 0b11  # read_format: the time for which it was enabled, and that for which it counted
INHERIT, EXCLUDE_KERNEL, EXCLUDE_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
CLOSE_ON_EXEC = 8
PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
MOST_PARANOID = 2  # at which a user may count what their own processes do in user space


class Counter:
    """Counts from now on what the calling thread executes, and all threads and processes that it starts."""

    def __init__(self, *, inherit: bool = True):
        """Opens the counter.

        Args:
            inherit: Whether what it starts counts as well.

        Raises:
            OSError: If there is none.
        """
        self._descriptor = _open(inherit=inherit)

    def read(self) -> int:
        """How many so far; of what still runs and what has ended.

        Where others take turns at the processor's counters, what was seen stands for all of the time.
        """
        count, enabled, counting = struct.unpack("=QQQ", os.read(self._descriptor, 24))
        return count if counting in (0, enabled) else round(count * enabled / counting)

    def close(self) -> None:
        """Gives it back."""
        os.close(self._descriptor)


def _open(*, inherit: bool) -> int:
    """The descriptor of a counter of the calling thread.

    Raises:
        OSError: As the kernel says.
    """
    number = SYSCALLS.get(platform.machine())
    if number is None or platform.system() != "Linux":
        raise OSError(errno.ENOSYS, "not Linux on a known processor")
    flags = EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | (INHERIT if inherit else 0)
    kind, config = EVENT
    attributes = ctypes.create_string_buffer(struct.pack("=IIQQQQQ", kind, SIZE, config, 0, 0, TIMES, flags), SIZE)
    library = ctypes.CDLL(None, use_errno=True)
    this_thread, any_cpu, no_group = 0, -1, -1
    arguments = (
        ctypes.c_int(this_thread),
        ctypes.c_int(any_cpu),
        ctypes.c_int(no_group),
        ctypes.c_ulong(CLOSE_ON_EXEC),
    )
    descriptor = library.syscall(ctypes.c_long(number), attributes, *arguments)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return descriptor


@cache
def why_absent() -> str:
    """Why instructions cannot be counted here, as a clause; empty where they can."""
    try:
        counter = Counter()
    except OSError as error:
        return _explain(error)
    try:
        return "" if counter.read() else "the processor's counter stands still, as in virtual machines without one"
    finally:
        counter.close()


def _explain(error: OSError) -> str:
    """What a user can make of an error of the kernel."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return "the processor shows no counter of instructions, as in most virtual machines"
    if error.errno in (errno.EACCES, errno.EPERM):
        paranoid = _paranoid()
        if paranoid is not None and paranoid > MOST_PARANOID:
            return f"kernel.perf_event_paranoid is {paranoid}: root can set it to {MOST_PARANOID} by sysctl"
        return "perf_event_open is forbidden, as by the seccomp filter of a container"
    if error.errno == errno.ENOSYS:
        return "there is no perf_event_open: another system, or a filter of a container"
    return f"perf_event_open failed: {error.strerror}"


def _paranoid() -> int | None:
    try:
        return int(PARANOID.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


@contextmanager
def of_children() -> Iterator[list[int]]:
    """Counts what processes execute that the calling thread starts in the block and waits for.

    Yields:
        A list that holds their instructions after the block; nothing where they cannot be counted.
    """
    counted: list[int] = []
    if why_absent():
        yield counted
        return
    # The kernel hands a counter on to children; what this thread itself executes is counted beside, and taken off.
    both, own = Counter(), Counter(inherit=False)
    try:
        yield counted
        counted.append(max(0, both.read() - own.read()))
    finally:
        both.close()
        own.close()
