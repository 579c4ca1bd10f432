"""What machine this was, with what software, which code, and how busy: what a figure means nothing without."""

import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from bench.machine.cpu_time import worker_ids

PROJECT_ROOT = Path(__file__).parents[2]

BUSY_SHARE = 0.1  # of all cores; a figure taken while others used more than this deserves a mark

PACKAGES = ("tensorflow", "keras", "jax", "jaxlib", "numpy", "xprof", "asv", "flowers-bench")

# What changes how TensorFlow, XLA, JAX, Keras, the allocator or the thread pools behave …
TELLING = re.compile(r"^(TF_|XLA_|JAX_|KERAS_|OMP_|MALLOC_|LD_PRELOAD$|CUDA_VISIBLE|NVIDIA_TF32)")
# … but not what only prints less, what a cell says itself, or another program's TF (Terraform).
SILENT = {"TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES", "TF_CLI_CONFIG_FILE"}


def _first(pattern: str, path: str) -> str:
    """What the first group of `pattern` holds in a file; empty where there is no such file or text."""
    try:
        found = re.search(pattern, Path(path).read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1).strip() if found else ""


def _versions() -> dict[str, str]:
    """Versions of the packages that are installed, among `PACKAGES`."""
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


@cache
def distributions() -> dict[str, str]:
    """Version of every package that is installed for this process, by name, sorted."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        about = one.metadata
        found.setdefault(str(about["Name"]), str(about["Version"]))  # the first on the path is the one imported
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


@cache
def libraries() -> dict[str, str]:
    """Name and version of what is compiled into packages and decides figures: numpy's BLAS, simplejpeg's decoder."""
    found = {}
    with suppress(ImportError, KeyError, TypeError):  # numpy before 1.25 tells it in another way
        import numpy as np

        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        found["numpy's BLAS"] = f"{blas['name']} {blas['version']}"
    with suppress(AttributeError, OSError):
        # It has no function that tells, and Pillow and OpenCV bring others of their own.
        for path in sorted(Path(find_spec("simplejpeg").origin).parent.glob("*.so")):
            if told := re.search(rb"libjpeg-turbo version (\S+)", path.read_bytes()):
                found["simplejpeg's libjpeg-turbo"] = told[1].decode()
    return found


def _output(*command: str, cwd: Path | None = None) -> str:
    """What a command prints; empty where it is missing or fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _accelerators() -> list[dict[str, str]]:
    """Name, driver and memory of each NVIDIA GPU, as the driver's own tool tells them."""
    query = "--query-gpu=name,driver_version,memory.total"
    lines = _output("nvidia-smi", query, "--format=csv,noheader").splitlines()
    return [dict(zip(("name", "driver", "memory"), line.split(", "), strict=False)) for line in lines]


def _memory_bytes() -> int:
    """Memory that this process may have: the machine's, or its control group's if that is less."""
    import psutil

    total = psutil.virtual_memory().total
    limit = _first(r"^(\d+)$", "/sys/fs/cgroup/memory.max")
    return min(total, int(limit)) if limit else total


@cache
def hardware() -> dict:
    """The machine itself: host, CPU, cores, memory, accelerators."""
    return {
        "host": platform.node(),
        "cpu": _first(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": _memory_bytes(),
        "accelerators": _accelerators(),
    }


def hardware_id() -> str:
    """Digest of the hardware, the same from boot to boot: of the memory, whose last bytes vary, only whole GiB."""
    parts = {**hardware(), "memory_bytes": round(hardware()["memory_bytes"] / 2**30)}
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:12]


def fingerprint() -> dict:
    """The machine and its software.

    Returns:
        Plain values: `id` (a digest of the hardware, the same from boot to boot), `host`, `cpu`, `cores`,
        `memory_bytes`, `accelerators`, `affinity` (the cores that this process may use), `usable_cores` (how many),
        `system`, `kernel`, `python`, `packages` (versions of `PACKAGES`, by which figures are grouped), `environment`
        (variables that matter, as they are set), `distributions` (all packages), `libraries` (compiled into them).
    """
    affinity = sorted(os.sched_getaffinity(0))
    environment = {
        name: value for name, value in sorted(os.environ.items()) if TELLING.match(name) and name not in SILENT
    }
    return {
        "id": hardware_id(),
        **hardware(),
        "affinity": affinity,
        "usable_cores": len(affinity),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": _versions(),
        "environment": environment,
        "distributions": distributions(),
        "libraries": libraries(),
    }


def code_digest() -> str:
    """Digest of the source of `flowers_core` as it is installed for this process."""
    spec = find_spec("flowers_core")
    root = Path(spec.submodule_search_locations[0])
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def is_installed_from_checkout() -> bool:
    """Whether `flowers_core` is the working tree's own, not a wheel of some commit."""
    spec = find_spec("flowers_core")
    return Path(spec.submodule_search_locations[0]).resolve().parent == PROJECT_ROOT


def uncommitted_files() -> list[str]:
    """Files of the code under test and of the laboratory that differ from the commit."""
    lines = _output("git", "status", "--porcelain", "--", "flowers_core", "bench", cwd=PROJECT_ROOT).splitlines()
    return [line.split(maxsplit=1)[-1] for line in lines]


def code() -> dict:
    """Which code is under test.

    Returns:
        `commit` (40 digits, empty outside git), `dirty` (whether the tree differs from it; False for a wheel, which
        asv builds from the commit), `digest` (of the source itself).
    """
    if is_installed_from_checkout():
        commit, dirty = _output("git", "rev-parse", "HEAD", cwd=PROJECT_ROOT), bool(uncommitted_files())
    else:
        commit, dirty = os.environ.get("ASV_COMMIT", ""), False
    return {"commit": commit, "dirty": dirty, "digest": code_digest()}


class ForeignLoad:
    """Watches how much of the machine's CPU time others use while we, and children that we wait for, measure."""

    def __init__(self, *measured: int):
        """Watches others than this process and those of the given ids."""
        self._measured = measured
        self.start()

    def start(self) -> None:
        """Begins to watch, anew."""
        self._busy, self._total, self._own = self._read()

    def _read(self) -> tuple[float, float, float]:
        import psutil

        times = psutil.cpu_times()
        own = sum(sum(times[:4]) for times in self._watched())
        total = sum(times[:8])  # user … steal; the guest times after them are counted in user already
        idle = times.idle + getattr(times, "iowait", 0.0)
        return total - idle, total, own

    def _watched(self) -> Iterator[tuple[float, ...]]:
        """CPU times of this process, of those that are measured, and of those that make batches for either."""
        import psutil

        measured = [*map(psutil.Process, self._measured)]
        makers = [*map(psutil.Process, worker_ids()), *chain.from_iterable(one.children() for one in measured)]
        for one in (psutil.Process(), *measured):
            yield one.cpu_times()
        for one in makers:
            with suppress(psutil.NoSuchProcess):  # it ended since, and counts with whom it worked for
                yield one.cpu_times()

    def share(self) -> float:
        """CPU time of others (steal by the host included) since the watch began, over all there was; 0 to 1."""
        busy, total, own = self._read()
        if total <= self._total:
            return 0.0
        foreign = (busy - self._busy) - (own - self._own)
        return min(1.0, max(0.0, foreign / (total - self._total)))
