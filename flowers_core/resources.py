"""What this process may use of the machine: cores and memory, as its affinity and its control groups grant them.

A container sees the host's cores and memory. Its control group grants a quota of CPU time and a limit of memory, of
version 1 or 2 of the kernel's interface, and so may each of the group's parents.

Why not `os.cpu_count`, `os.sched_getaffinity` or psutil: none of them knows a quota or a limit, so that as many decode
workers as the host has cores share half a core, and a cache of 6 GB is to fit into a limit of 1.5 GB.
"""

import os
from collections.abc import MutableMapping
from math import ceil
from pathlib import Path

ROOT = Path("/")
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC", "OMP_NUM_THREADS")  # NPROC is JAX's
UNREADABLE = (OSError, ValueError, LookupError, ArithmeticError)  # what text from outside can lead to


def control_groups(controller: str, root: Path = ROOT) -> list[Path]:
    """Folders of this process's control group and of its parents, whose limits hold as well; version 1 or 2.

    Raises:
        OSError: If the kernel does not say.
        ValueError: If no control group is visible here.
    """
    folders = []
    for line in (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            base = root / "sys/fs/cgroup" / controllers
            parts = [part for part in path.split("/") if part not in ("", "..")]  # a container's may begin with /..
            folders += [base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    folders = [folder for folder in folders if folder.is_dir()]
    if not folders:
        raise ValueError("no control groups are visible here")
    return folders


def cpu_quota(root: Path = ROOT) -> float:
    """How many cores' worth of CPU time the control groups grant; infinite where they set no limit.

    Raises:
        OSError: If the kernel does not say, as `control_groups`.
        ValueError: If what it says cannot be read.
    """
    return min(map(_quota, control_groups("cpu", root)))


def _quota(folder: Path) -> float:
    if (folder / "cpu.max").exists():
        quota, period = _read(folder / "cpu.max").split()
    elif (folder / "cpu.cfs_quota_us").exists():
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    else:
        return float("inf")
    return float("inf") if quota in ("max", "-1") else int(quota) / int(period)


def memory_limit(root: Path = ROOT) -> float:
    """How many bytes of memory the control groups grant; infinite where they set no limit.

    Raises:
        OSError: If the kernel does not say, as `control_groups`.
        ValueError: If what it says cannot be read.
    """
    names = ("memory.max", "memory.limit_in_bytes")
    files = [folder / name for folder in control_groups("memory", root) for name in names]
    texts = [_read(path) for path in files if path.exists()]
    return min([float("inf"), *(int(text) for text in texts if text != "max")])


def usable_cores(root: Path = ROOT) -> float:
    """Cores' worth of CPU time that this process may use: 2, or 0.5 where a quota grants that much of two cores."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota = cpu_quota(root)
    except UNREADABLE:
        return cores
    return cores if quota >= cores else round(quota, 3)


def parallelism(root: Path = ROOT) -> int:
    """How many threads or processes can work at once: as many as usable cores, and one at least."""
    return max(1, ceil(usable_cores(root)))


def threads_under_quota(root: Path = ROOT) -> int | None:
    """How many threads a quota leaves work for; None where it leaves work for all, as frameworks take for granted."""
    threads = parallelism(root)
    return threads if threads < len(os.sched_getaffinity(0)) else None


def thread_variables(root: Path = ROOT) -> dict[str, str]:
    """Variables by which frameworks start as many threads as a quota leaves work for; none where all cores are granted.

    TensorFlow's pools within and between operations, JAX's, and those of OpenMP, which torch and BLAS use. Each is read
    once, when its library is loaded or first computes: set them before.
    """
    threads = threads_under_quota(root)
    return {} if threads is None else dict.fromkeys(THREAD_VARIABLES, str(threads))


def limit_threads(environment: MutableMapping[str, str], root: Path = ROOT) -> None:
    """Adds `thread_variables` to an environment; what somebody has set stays."""
    for name, value in thread_variables(root).items():
        environment.setdefault(name, value)


def usable_memory(root: Path = ROOT) -> int:
    """Bytes of memory that this process may use: the machine's, or its control groups' limit if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return int(min(total, memory_limit(root)))
    except UNREADABLE:
        return total


def available_memory(root: Path = ROOT) -> int:
    """Bytes of memory that are free for this process now: of the machine, and within its control groups' limits."""
    text = (root / "proc/meminfo").read_text(encoding="utf-8")
    available = next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable:"))
    try:
        return int(max(0, min([available, *map(_left, control_groups("memory", root))])))
    except UNREADABLE:
        return available


def _left(folder: Path) -> float:
    """Bytes that a control group's limit leaves, with what it would take back from cached files."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        if (folder / limit).exists() and (text := _read(folder / limit)) != "max" and (folder / usage).exists():
            counts = dict(line.split() for line in _read(folder / "memory.stat").splitlines())
            return int(text) - int(_read(folder / usage)) + int(counts.get(cached, 0))
    return float("inf")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip()
