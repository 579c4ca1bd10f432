"""What machine this was, with what software and which code: what a figure means nothing without."""

import hashlib
import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

PROJECT_ROOT = Path(__file__).parents[2]  # the folder that holds this harness: a checkout, or site-packages
IN_CHECKOUT = (PROJECT_ROOT / "asv.conf.json").is_file()
WORK_DIR = PROJECT_ROOT if IN_CHECKOUT else Path.cwd()  # where results, data and caches lie unless options say

BUSY_SHARE = 0.1  # of all cores; a figure taken while others used more than this deserves a mark

PACKAGES = ("tensorflow", "keras", "jax", "jaxlib", "numpy", "xprof", "asv", "flowers-bench")

# Variables that change how TensorFlow, XLA, JAX, Keras, the allocator or the thread pools behave …
RELEVANT_VARIABLES = re.compile(r"^(TF_|XLA_|JAX_|KERAS_|OMP_|MALLOC_|LD_PRELOAD$|CUDA_VISIBLE|NVIDIA_TF32)")
# … but not those that only print less, that a cell sets itself, or of another program's TF (Terraform).
OTHER_VARIABLES = {
    "TF_CPP_MIN_LOG_LEVEL",
    "KERAS_BACKEND",
    "JAX_PLATFORMS",
    "CUDA_VISIBLE_DEVICES",
    "TF_CLI_CONFIG_FILE",
}


def _search_file(pattern: str, path: str) -> str:
    """The first group of `pattern` in a file; empty where there is no such file or text."""
    try:
        match = re.search(pattern, Path(path).read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1).strip() if match else ""


@cache
def all_versions() -> dict[str, str]:
    """Version of every package that is installed for this process, by name, sorted."""
    versions: dict[str, str] = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        versions.setdefault(str(about["Name"]), str(about["Version"]))  # the first on the path is the one imported
    return dict(sorted(versions.items(), key=lambda pair: pair[0].lower()))


@cache
def compiled_libraries() -> dict[str, str]:
    """Versions of libraries compiled into packages that decide figures: numpy's BLAS and simplejpeg's decoder."""
    versions = {}
    with suppress(ImportError, KeyError, TypeError):  # numpy before 1.25 has another interface
        import numpy as np

        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        versions["numpy's BLAS"] = f"{blas['name']} {blas['version']}"
    spec = find_spec("simplejpeg")
    with suppress(OSError):
        # It has no function that returns it, and Pillow and OpenCV bring others of their own.
        for path in sorted(Path(spec.origin).parent.glob("*.so")) if spec and spec.origin else ():
            if match := re.search(rb"libjpeg-turbo version (\S+)", path.read_bytes()):
                versions["simplejpeg's libjpeg-turbo"] = match[1].decode()
    return versions


def _command_output(*command: str, cwd: Path | None = None) -> str:
    """Standard output of a command; empty where the command is missing or fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _accelerators() -> list[dict[str, str]]:
    """Name, driver and memory of each NVIDIA GPU, from the driver's own tool."""
    query = "--query-gpu=name,driver_version,memory.total"
    lines = _command_output("nvidia-smi", query, "--format=csv,noheader").splitlines()
    return [dict(zip(("name", "driver", "memory"), line.split(", "), strict=False)) for line in lines]


def _memory_bytes() -> int:
    """Memory that this process may use: the machine's, or its control group's limit if that is less."""
    import psutil

    total = psutil.virtual_memory().total
    limit = _search_file(r"^(\d+)$", "/sys/fs/cgroup/memory.max")
    return min(total, int(limit)) if limit else total


@cache
def hardware() -> dict:
    """The machine itself: host, CPU, cores, memory, accelerators."""
    return {
        "host": platform.node(),
        "cpu": _search_file(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.processor() or platform.machine(),
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
        name: value
        for name, value in sorted(os.environ.items())
        if RELEVANT_VARIABLES.match(name) and name not in OTHER_VARIABLES
    }
    return {
        "id": hardware_id(),
        **hardware(),
        "affinity": affinity,
        "usable_cores": len(affinity),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version for name, version in all_versions().items() if name in PACKAGES},
        "environment": environment,
        "distributions": all_versions(),
        "libraries": compiled_libraries(),
    }


def _package_folder() -> Path:
    spec = find_spec("flowers_core")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("flowers_core is not installed for this process")
    return Path(spec.submodule_search_locations[0])


def code_digest() -> str:
    """Digest of the source of `flowers_core` as it is installed for this process."""
    root = _package_folder()
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def is_installed_from_checkout() -> bool:
    """Whether `flowers_core` is the working tree's own, not a wheel of some commit."""
    return IN_CHECKOUT and _package_folder().resolve().parent == PROJECT_ROOT


def harness_folder() -> Path:
    """The folder to put on PYTHONPATH of a measured process: it finds this harness there, and its own `flowers_core`.

    Under asv the harness is the checkout's and `flowers_core` a wheel of some commit: the checkout's own package must
    not come before that one, so that a folder with nothing but a link to the harness stands in for the checkout.
    """
    if _package_folder().resolve().parent == PROJECT_ROOT.resolve():
        return PROJECT_ROOT
    folder = WORK_DIR / ".asv" / "harness"
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (folder / "bench").symlink_to(PROJECT_ROOT / "bench")
    return folder


def uncommitted_files() -> list[str]:
    """Files of the package and of the harness that differ from the commit."""
    lines = _command_output(
        "git", "status", "--porcelain", "--", "flowers_core", "bench", cwd=PROJECT_ROOT
    ).splitlines()
    return [line.split(maxsplit=1)[-1] for line in lines]


def code() -> dict:
    """Which code is under test.

    Returns:
        `commit` (40 digits, empty outside git), `dirty` (whether the tree differs from it; False for a wheel, which
        asv builds from the commit), `digest` (of the source itself).
    """
    if is_installed_from_checkout():
        commit, dirty = _command_output("git", "rev-parse", "HEAD", cwd=PROJECT_ROOT), bool(uncommitted_files())
    else:
        commit, dirty = os.environ.get("ASV_COMMIT", ""), False
    return {"commit": commit, "dirty": dirty, "digest": code_digest()}
