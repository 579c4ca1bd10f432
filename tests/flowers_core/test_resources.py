"""What affinity and control groups grant, of made-up kernel files."""

import os

import pytest

from flowers_core import resources
from flowers_core.input import cache, pipelines

GIB = 2**30
TWO = {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cgroup.procs": ""}
ONE = {"proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/\n"}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Writes the files of a made-up machine of four cores and gives its root."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


def old(quota: str) -> dict[str, str]:
    """Files of version 1 with a quota."""
    folder = "sys/fs/cgroup/cpu,cpuacct/a"
    return ONE | {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("files", "cores", "parallelism"),
    [
        ({}, 4, 4),
        (TWO, 4, 4),
        (TWO | {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, 4, 4),
        (TWO | {"sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"}, 0.5, 1),
        (TWO | {"sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5, 2),
        (TWO | {"sys/fs/cgroup/a/cpu.max": "800000 100000\n"}, 4, 4),
        (TWO | {"sys/fs/cgroup/a/cpu.max": "much\n"}, 4, 4),
        (old("-1"), 4, 4),
        (old("50000"), 0.5, 1),
    ],
)
def test_cores_follow_the_quota(machine, files, cores, parallelism):
    """A quota of the group or of its parents counts, of both versions; what cannot be read grants all cores."""
    root = machine(files)

    assert resources.usable_cores(root) == cores
    assert resources.parallelism(root) == parallelism
    assert resources.threads_under_quota(root) == (parallelism if parallelism < 4 else None)


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        (TWO | {"sys/fs/cgroup/a/memory.max": "max"}, None),
        (TWO | {"sys/fs/cgroup/a/memory.max": f"{10**8}\n"}, 10**8),
        (ONE | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        (ONE | {"sys/fs/cgroup/memory/a/memory.limit_in_bytes": f"{10**8}"}, 10**8),
    ],
)
def test_memory_follows_the_limit(machine, files, limit):
    """A limit below the machine's memory is what there is."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    assert resources.usable_memory(machine(files)) == (limit or total)


def test_available_memory_is_what_the_limit_leaves(machine):
    """Of a group's limit what others of it use is gone, but cached files would be given back."""
    files = {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 8000000 kB\n", "sys/fs/cgroup/a/memory.max": f"{GIB}"}
    files |= {"sys/fs/cgroup/a/memory.current": f"{GIB // 2}", "sys/fs/cgroup/a/memory.stat": "inactive_file 1000\n"}

    assert resources.available_memory(machine(files | TWO)) == GIB // 2 + 1000
    assert resources.available_memory(machine({"sys/fs/cgroup/a/memory.max": "max"})) == 8_000_000 * 1024


def test_cache_and_threads_follow_the_container(monkeypatch):
    """Images of 6.64 GB are not to be kept in 1.5 GB, and tf.data gets no more threads than a quota has work for."""
    monkeypatch.setattr(resources, "usable_memory", lambda: 1_500_000_000)
    assert cache.decide(60_000, image_size=192, disk_bytes=0).place == "none"

    monkeypatch.setattr(resources, "threads_under_quota", lambda: 1)
    assert pipelines.unordered_options().threading.private_threadpool_size == 1
    assert pipelines.unordered_options(threads=3).threading.private_threadpool_size == 3


def test_frameworks_start_threads_for_the_quota(machine):
    """Half a core is work for one thread in every pool; what a user set stays, and without a quota nothing is set."""
    chosen = {"OMP_NUM_THREADS": "3"}
    resources.limit_threads(chosen, machine(TWO | {"sys/fs/cgroup/a/cpu.max": "50000 100000"}))
    free = {}
    resources.limit_threads(free, machine(TWO | {"sys/fs/cgroup/a/cpu.max": "max 100000"}))

    assert chosen == dict.fromkeys(resources.THREAD_VARIABLES, "1") | {"OMP_NUM_THREADS": "3"}
    assert free == {}
