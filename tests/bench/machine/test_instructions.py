"""Counted instructions, by a counter of CPU time in their place: every Linux has it, few virtual machines the other."""

import errno
import subprocess
import sys
import threading

import pytest

from bench.machine import instructions

BUSY = "sum(range(3_000_000))"


@pytest.fixture
def refuse(monkeypatch, tmp_path):
    """Lets the kernel refuse a counter with some error."""

    def arrange(code, *, paranoid=""):
        def fail(*, inherit):
            raise OSError(code, "refused", inherit)

        monkeypatch.setattr(instructions, "_open", fail)
        path = tmp_path / "paranoid"
        path.write_text(paranoid)
        monkeypatch.setattr(instructions, "PARANOID", path)
        instructions.why_absent.cache_clear()

    yield arrange
    instructions.why_absent.cache_clear()


@pytest.mark.usefixtures("countable")
def test_counter_counts_threads_that_are_started_later():
    """What a thread executes is added to what its starter executes."""
    counter, own = instructions.Counter(), instructions.Counter(inherit=False)
    thread = threading.Thread(target=lambda: sum(range(3_000_000)))
    thread.start()
    thread.join()
    all_of_it, of_this = counter.read(), own.read()
    counter.close()
    own.close()

    assert all_of_it > 2 * of_this > 0


@pytest.mark.usefixtures("countable")
def test_of_children_counts_children_alone():
    """Work of a child counts, also of its own child; work of the parent does not."""
    grandchild = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{BUSY}'])"
    with instructions.of_children() as idle:
        sum(range(10_000_000))
    with instructions.of_children() as busy:
        subprocess.run([sys.executable, "-c", grandchild], check=True)

    assert idle[0] < busy[0] / 10


def test_of_children_counts_nothing_without_a_counter(refuse):
    """A comparison goes on by its other clocks."""
    refuse(errno.ENOENT)
    with instructions.of_children() as counted:
        pass

    assert counted == []


@pytest.mark.parametrize(
    ("code", "paranoid", "said"),
    [
        (errno.ENOENT, "2", "the processor shows no counter of instructions"),
        (errno.EOPNOTSUPP, "2", "the processor shows no counter of instructions"),
        (errno.EACCES, "4", "kernel.perf_event_paranoid is 4: root can set it to 2"),
        (errno.EPERM, "2", "seccomp"),
        (errno.EPERM, "", "seccomp"),
        (errno.ENOSYS, "2", "there is no perf_event_open"),
        (errno.EMFILE, "2", "perf_event_open failed: refused"),
    ],
)
def test_why_absent_says_what_a_user_can_do(refuse, code, paranoid, said):
    """No counter in the processor, a strict kernel, a container's filter: a clause each."""
    refuse(code, paranoid=paranoid)

    assert said in instructions.why_absent()


def test_why_absent_on_another_system(monkeypatch):
    """Elsewhere than on Linux nothing is asked of the kernel."""
    monkeypatch.setattr(instructions.platform, "system", lambda: "Darwin")
    instructions.why_absent.cache_clear()
    said = instructions.why_absent()
    instructions.why_absent.cache_clear()

    assert "another system" in said


@pytest.mark.parametrize(("read", "count"), [((100, 10, 10), 100), ((100, 10, 5), 200), ((0, 10, 0), 0)])
def test_read_stands_for_the_time_that_others_took(monkeypatch, read, count):
    """A counter that others share saw a part of the time; one that never counted says nothing."""
    monkeypatch.setattr(instructions, "_open", lambda *, inherit: 0 if inherit else 1)
    monkeypatch.setattr(instructions.os, "read", lambda *_: instructions.struct.pack("=QQQ", *read))

    assert instructions.Counter().read() == count
