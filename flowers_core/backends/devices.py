"""TPU, GPU, CPU: which of them this machine may have, asked without loading a framework or hanging."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from flowers_core.last_words import last_words

DEVICES = ("tpu", "gpu", "cpu")  # in the order in which `best` tries them

# A dead TPU address blocks the resolver for over 200 s: it is asked in a child process that may be given up.
PROBE_SECONDS = 60.0


class DeviceAbsent(RuntimeError):
    """The device asked for is unavailable; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where a model is built and run.

    Attributes:
        kind: `tpu`, `gpu` or `cpu`.
        name: What the device calls itself, e.g. `NVIDIA H200`.
        replicas: How many copies of the model share a global batch.
        scope: Gives the context in which the model is built and its step is run.
    """

    kind: str
    name: str
    replicas: int
    scope: Callable[[], AbstractContextManager]


def why_absent(kind: str, *, backend: str, seconds: float = PROBE_SECONDS) -> str | None:
    """Asks for a device in a child process, which is given up after `seconds`: this never hangs.

    Returns:
        None when the device is there, else the reason why not, in one line.
    """
    probe = (
        f"import sys; from flowers_core import backends\n"
        f"try: backends.get({backend!r}).connect({kind!r})\n"
        f"except backends.DeviceAbsent as absent: sys.exit(str(absent))"
    )
    root = Path(__file__).parents[2]  # so that the child finds this package
    try:
        child = subprocess.run(
            [sys.executable, "-c", probe],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
            cwd=root,
        )
    except subprocess.TimeoutExpired:
        return f"no {kind.upper()} answered within {seconds:g} s"
    if child.returncode == 0:
        return None
    return f"no {kind.upper()} for {backend}: {last_words(child.stderr) or 'no message'}"


def hints(environment: dict[str, str] | None = None, root: Path = Path("/")) -> list[str]:
    """Devices that this machine may have, by its files and environment, without loading a framework."""
    environment = dict(os.environ) if environment is None else environment
    devices = root / "dev"
    kinds = []
    if environment.get("TPU_NAME") or _any(devices, "accel[0-9]*", "vfio/[0-9]*"):  # older and newer TPU machines
        kinds.append("tpu")
    if _any(devices, "nvidia[0-9]*", "nvidiactl", "kfd", "dxg"):  # NVIDIA, AMD, either under Windows
        kinds.append("gpu")
    return [*kinds, "cpu"]


def _any(folder: Path, *patterns: str) -> bool:
    """Whether a file matches one of the patterns."""
    return any(True for pattern in patterns for _ in folder.glob(pattern))


def best(*, backend: str, tell: Callable[[str], None] = lambda _: None) -> str:
    """The first of TPU, GPU and CPU that is really there; loads no framework where there is only a CPU.

    Args:
        backend: The backend that is to use it, one of `BACKENDS`.
        tell: Called with one line for each device that the machine seems to have but that does not answer.
    """
    for kind in hints()[:-1]:
        absent = why_absent(kind, backend=backend)
        if absent is None:
            return kind
        tell(f"passed over: {absent}")
    return "cpu"
