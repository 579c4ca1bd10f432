"""The machine, its software and the code under test, without which a figure means nothing."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.machine import nvml, variables
from bench.machine.own import resources

PROJECT_ROOT = Path(__file__).parents[2]  # the folder that holds this harness: a checkout, or site-packages
IN_CHECKOUT = (PROJECT_ROOT / "asv.conf.json").is_file()
WORK_DIR = PROJECT_ROOT if IN_CHECKOUT else Path.cwd()  # where results, data and caches lie unless options say

BUSY_SHARE = 0.1  # of all cores; a figure taken while others used more than this deserves a mark

IDENTIFYING = ("name", "driver", "memory")  # what of a GPU tells machines apart

PACKAGES = ("tensorflow", "keras", "jax", "jaxlib", "torch", "numpy", "xprof", "asv", "flowers-bench")


def _search_file(pattern: str, path: str) -> str:
    """The first group of `pattern` in a file; empty where there is no such file or text."""
    try:
        match = re.search(pattern, Path(path).read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
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
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _accelerators() -> list[dict[str, Any]]:
    """Each NVIDIA GPU, see `nvml.devices`; name, driver and memory by the driver's own tool where NVML is missing."""
    with suppress(nvml.Unavailable):
        return nvml.devices()
    query = "--query-gpu=name,driver_version,memory.total"
    lines = _command_output("nvidia-smi", query, "--format=csv,noheader").splitlines()
    return [dict(zip(("name", "driver", "memory"), line.split(", "), strict=False)) for line in lines]


@cache
def hardware() -> dict:
    """The machine itself: host, CPU, cores, memory, accelerators."""
    return {
        "host": platform.node(),
        "cpu": _search_file(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": resources.usable_memory(),
        "accelerators": _accelerators(),
    }


def hardware_id() -> str:
    """Digest of the hardware, the same from boot to boot and in every container of the same limits."""
    return digest_of({name: value for name, value in hardware().items() if name != "host"})


def digest_of(parts: Mapping[str, Any]) -> str:
    """Digest of what makes a machine: of the memory, whose last bytes vary from boot to boot, only whole GiB.

    Of a GPU what it is and its driver, not how it is set: see `settings_of_accelerators`.
    """
    gpus = [{name: gpu[name] for name in IDENTIFYING if name in gpu} for gpu in parts["accelerators"]]
    parts = {**parts, "memory_bytes": round(parts["memory_bytes"] / 2**30), "accelerators": gpus}
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()[:12]


def settings_of_accelerators(machine: Mapping[str, Any]) -> dict[str, str]:
    """How the GPUs of a machine are set, by name: their limits of power and of clocks."""
    return {
        f"GPU {number} {name.replace('_', ' ')}": str(value)
        for number, gpu in enumerate(machine.get("accelerators") or [])
        for name, value in gpu.items()
        if name not in IDENTIFYING
    }


def current_id(machine: Mapping[str, Any]) -> str:
    """The id of a stored machine as it would be today: older ones held the host's name, which containers change."""
    parts = {name: machine.get(name) for name in ("host", "cpu", "cores", "memory_bytes", "accelerators")}
    stored = str(machine.get("id", ""))
    if None in parts.values() or digest_of(parts) != stored:
        return stored
    return digest_of({name: value for name, value in parts.items() if name != "host"})


def fingerprint() -> dict:
    """The machine and its software.

    Returns:
        Plain values: `id` (a digest of the hardware, without the host), `host`, `cpu`, `cores`, `memory_bytes` (that
        a control group leaves), `accelerators`, `affinity` (the cores that this process may run on), `usable_cores`
        (how many, or the part of them that a quota grants), `physical_cores` (that they are threads of), `system`,
        `kernel`, `python`, `packages` (versions of `PACKAGES`), `environment` (variables that matter, see
        `variables.relevant`), `threads` (what a quota makes of frameworks' pools, see `resources.thread_variables`),
        `nice` (its priority), `kernel_settings`, `distributions` (all packages), `libraries` (compiled into them),
        `start_code` (see there).
    """
    affinity = sorted(os.sched_getaffinity(0))
    return {
        "id": hardware_id(),
        **hardware(),
        "affinity": affinity,
        "usable_cores": resources.usable_cores(),
        "physical_cores": physical_cores(affinity),
        "system": platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version for name, version in all_versions().items() if name in PACKAGES},
        "environment": variables.relevant(_asked_for(os.environ)),
        "threads": resources.thread_variables(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "kernel_settings": kernel_settings(),
        "distributions": all_versions(),
        "libraries": compiled_libraries(),
        "start_code": start_code(),
    }


def start_code() -> dict[str, str]:
    """Digests of `sitecustomize.py` and `usercustomize.py`: code of the user's that every Python here has run first."""
    files = {name: getattr(sys.modules.get(name), "__file__", None) for name in ("sitecustomize", "usercustomize")}
    return {
        f"{name}.py": hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12]
        for name, file in files.items()
        if file and Path(file).is_file()
    }


def physical_cores(cores: Iterable[int], root: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """How many cores the logical ones are that a process may run on: two threads of one core make half of two cores.

    Returns:
        None where the kernel does not say.
    """
    names = [_search_file("^(.*)$", str(root / f"cpu{core}" / "topology" / "thread_siblings_list")) for core in cores]
    return len(set(names)) if all(names) else None


def _asked_for(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what the quota alone has put there, which is as it is wherever the quota is."""
    limits = resources.thread_variables()
    return {name: value for name, value in environment.items() if limits.get(name) != value}


def kernel_settings(root: Path = Path("/sys")) -> dict[str, str]:
    """What an administrator chose of the kernel that moves figures; without what it does not say here.

    Huge pages for all memory or for none, how the frequency is governed, and whether it may rise above the nominal one.
    """
    cpu = root / "devices/system/cpu"
    found = {
        "huge pages": _search_file(r"\[(\w+)\]", str(root / "kernel/mm/transparent_hugepage/enabled")),
        "governor": _search_file("^(.*)$", str(cpu / "cpu0/cpufreq/scaling_governor")),
        "boost": _search_file("^(.*)$", str(cpu / "cpufreq/boost")),
        "no turbo": _search_file("^(.*)$", str(cpu / "intel_pstate/no_turbo")),
    }
    return {name: value for name, value in found.items() if value}


def keras_settings() -> dict[str, str]:
    """What Keras has in force in this process, by its own file, variables or code; empty where it is not loaded."""
    config = getattr(sys.modules.get("keras"), "config", None)
    if config is None:
        return {}
    return {name: str(getattr(config, name)()) for name in ("backend", "floatx", "image_data_format")}


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


# Git as a user may have configured it signs logs, leaves out new files, and refuses a tree of another owner.
GIT_SETTINGS = (
    *("log.showSignature=false", "status.showUntrackedFiles=normal", "core.fsmonitor=false", "core.quotePath=false"),
    "safe.directory=*",
)
GIT = ("git", *(word for setting in GIT_SETTINGS for word in ("-c", setting)))


def git_environment() -> dict[str, str]:
    """Variables for git, without those by which a hook or a user names another repository than the folder's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}


class ProvenanceUnknown(RuntimeError):
    """Git cannot tell of which code a figure would be; the message says why."""


def _git(*words: str) -> str:
    """What git prints in this checkout, whatever the user's configuration and variables say, or whoever owns the tree.

    Raises:
        ProvenanceUnknown: If git is missing or fails.
    """
    try:
        done = subprocess.run(
            [*GIT, *words], cwd=PROJECT_ROOT, env=git_environment(), capture_output=True, timeout=60, check=False
        )
    except FileNotFoundError:
        raise ProvenanceUnknown("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise ProvenanceUnknown("git did not answer within 60 s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise ProvenanceUnknown(f"git {words[0]}: {lines[0].removeprefix('fatal: ')}")
    return os.fsdecode(done.stdout)


def uncommitted_files() -> list[str]:
    """Files of the package and of the harness that differ from the commit.

    Raises:
        ProvenanceUnknown: If git cannot tell.
    """
    words = ("status", "--porcelain", "-z", "--untracked-files=normal", "--no-renames", "--", "flowers_core", "bench")
    return [entry[3:] for entry in _git(*words).split("\0") if entry]


def code() -> dict:
    """Which code is under test.

    Returns:
        `commit` (40 digits, `unknown` where they cannot be told), `dirty` (whether the tree differs from it; False for
        a wheel that asv built from the commit, None where it cannot be told), `digest` (of the source itself), and
        where something cannot be told `reason`.
    """
    unknown = {"commit": "unknown", "dirty": None, "digest": code_digest()}
    if not is_installed_from_checkout():
        if commit := os.environ.get("ASV_COMMIT"):
            return {"commit": commit, "dirty": False, "digest": code_digest()}
        return unknown | {"reason": "an installed package does not say of which commit it is"}
    try:
        commit = _git("rev-parse", "--verify", "HEAD").strip()
        return {"commit": commit, "dirty": bool(uncommitted_files()), "digest": code_digest()}
    except ProvenanceUnknown as error:
        return unknown | {"reason": str(error)}
