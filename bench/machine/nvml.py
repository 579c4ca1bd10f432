"""NVIDIA GPUs as their driver's library sees them (NVML, package nvidia-ml-py): what they are, and how they ran."""

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

PACKAGE = "nvidia-ml-py"
LOOK_SECONDS = 0.25  # how often a watch looks, which takes some 0.1 ms
SHORTEST_SECONDS = 0.5  # of a watch for energy: the counter goes up some ten times a second

# Bits of NVML's clock event reasons that hold a GPU below the clocks that it could have.
REASONS = {
    0x04: "power limit",
    0x08: "hardware slowdown",
    0x20: "heat",
    0x40: "heat (hardware)",
    0x80: "power brake",
}

# What to say where NVML cannot be used, by the name of its error.
UNUSABLE = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver is installed: there is no libnvidia-ml.so",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is installed, but not loaded: look at `nvidia-smi`",
    "NVMLError_LibRmVersionMismatch": "the NVIDIA driver was updated since it was loaded: restart the machine",
    "NVMLError_NoPermission": "this user may not use the NVIDIA driver",
}


class Unavailable(RuntimeError):
    """NVML cannot be used here; the message says why."""


@dataclass(frozen=True)
class Library:
    """NVML, initialised."""

    api: Any

    def optional(self, name: str, *arguments: Any) -> Any:
        """What a function of NVML answers; None where this driver, or GPU, does not know it."""
        with suppress(self.api.NVMLError, AttributeError):
            return getattr(self.api, name)(*arguments)
        return None

    def device(self, environment: Mapping[str, str]) -> Any:
        """The GPU that a framework calls its first: frameworks obey CUDA_VISIBLE_DEVICES, NVML does not.

        Raises:
            Unavailable: If there is none.
        """
        first = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
        try:
            if first.startswith(("GPU-", "MIG-")):
                return self.api.nvmlDeviceGetHandleByUUID(first)
            return self.api.nvmlDeviceGetHandleByIndex(int(first or -1))
        except (self.api.NVMLError, ValueError) as error:
            raise Unavailable(f"CUDA_VISIBLE_DEVICES={first} names no GPU: {error}") from error


def load() -> Library:
    """NVML.

    Raises:
        Unavailable: If the package or a working driver is missing.
    """
    try:
        api = import_module("pynvml")
    except ImportError as error:
        raise Unavailable(f"the package {PACKAGE} is not installed") from error
    try:
        api.nvmlInit()
    except api.NVMLError as error:
        raise Unavailable(UNUSABLE.get(type(error).__name__, f"NVML does not start: {_text(error)}")) from error
    return Library(api)


def devices() -> list[dict[str, Any]]:
    """Each GPU: `name`, `driver`, `memory` in MiB as nvidia-smi words it, `power_limit_watts`, `most_clock_mhz`.

    Raises:
        Unavailable: If NVML cannot be used.
    """
    library = load()
    driver = _text(library.optional("nvmlSystemGetDriverVersion"))
    handles = [
        library.api.nvmlDeviceGetHandleByIndex(number) for number in range(library.optional("nvmlDeviceGetCount") or 0)
    ]
    return [_describe(library, handle, driver) for handle in handles]


def _describe(library: Library, handle: Any, driver: str) -> dict[str, Any]:
    memory = library.optional("nvmlDeviceGetMemoryInfo", handle)
    power = library.optional("nvmlDeviceGetPowerManagementLimit", handle)
    clock = library.optional("nvmlDeviceGetMaxClockInfo", handle, library.api.NVML_CLOCK_SM)
    described = {
        "name": _text(library.optional("nvmlDeviceGetName", handle)),
        "driver": driver,
        "memory": f"{memory.total // 2**20} MiB" if memory else "",
        "cuda": cuda_version(library),
        "power_limit_watts": power and power / 1000,
        "most_clock_mhz": clock,
    }
    return {name: value for name, value in described.items() if value}


def cuda_version(library: Library) -> str:
    """The latest CUDA that the driver can run, e.g. `13.0`; empty if it does not say."""
    number = library.optional("nvmlSystemGetCudaDriverVersion_v2") or 0
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def explain() -> str:
    """What NVML knows of a GPU that a framework does not see, in one sentence: nothing there, or a driver too old."""
    try:
        library = load()
        names = [device["name"] for device in devices()]
    except Unavailable as reason:
        return f"NVML: {reason}"
    driver, cuda = _text(library.optional("nvmlSystemGetDriverVersion")), cuda_version(library)
    seen = ", ".join(names) or "no GPU"
    return f"NVML sees {seen}, driver {driver}, which runs CUDA up to {cuda or 'an unknown version'}"


@dataclass
class Watch:
    """Looks at the first GPU while something is timed.

    Make it before a framework uses the GPU: whoever uses it then is another process. `start` and `stop` enclose what
    is timed. Where there is no NVML all of it does nothing.
    """

    library: Library | None = None
    handle: Any = None
    others: list[dict[str, int]] = field(default_factory=list)
    _samples: list[dict[str, Any]] = field(default_factory=list)
    _before: tuple[float, int | None] = (0.0, None)
    _held: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look."""
        if self.library is None:
            return
        self._before = perf_counter(), self._energy()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self, *, images: int) -> dict[str, Any]:
        """Ends looking.

        Args:
            images: How many were handled meanwhile.

        Returns:
            Plain values, empty where nothing was seen: `clock_mhz` and `watts` (medians), `least_clock_mhz`, `celsius`
            (highest), `memory_bytes` (most, of all processes, beyond what others held before), `slowed_by` (names of
            `REASONS`), `joules_per_image` (of the whole board; absent where the watch was too short), `others` (`pid`
            and `bytes` of processes that used the GPU before).
        """
        if self.library is None or self._thread is None:
            return {}
        begun, before = self._before
        seconds, after = perf_counter() - begun, self._energy()
        self._ended.set()
        self._thread.join()
        seen = self._summary()
        if before is not None and after is not None and seconds >= SHORTEST_SECONDS and images:
            seen["joules_per_image"] = (after - before) / 1000 / images
        return seen | ({"others": self.others} if self.others else {})

    def _summary(self) -> dict[str, Any]:
        columns = {
            name: [sample[name] for sample in self._samples if sample[name] is not None]
            for name in ("clock", "watts", "celsius", "memory")
        }
        reasons = {reason for sample in self._samples for bit, reason in REASONS.items() if sample["reasons"] & bit}
        wanted: dict[str, tuple[str, Callable[[list], Any]]] = {
            "clock_mhz": ("clock", median),
            "least_clock_mhz": ("clock", min),
            "watts": ("watts", median),
            "celsius": ("celsius", max),
            "memory_bytes": ("memory", max),
        }
        seen = {name: summarise(columns[column]) for name, (column, summarise) in wanted.items() if columns[column]}
        return seen | {"slowed_by": sorted(reasons)}

    def _look(self) -> None:
        while True:
            self._samples.append(self._sample())
            if self._ended.wait(LOOK_SECONDS):
                return

    def _sample(self) -> dict[str, Any]:
        library, handle = self.library, self.handle
        if library is None:
            return {}
        power = library.optional("nvmlDeviceGetPowerUsage", handle)
        memory = library.optional("nvmlDeviceGetMemoryInfo", handle)
        reasons = library.optional("nvmlDeviceGetCurrentClocksEventReasons", handle)
        if reasons is None:  # the name in older drivers
            reasons = library.optional("nvmlDeviceGetCurrentClocksThrottleReasons", handle)
        return {
            "clock": library.optional("nvmlDeviceGetClockInfo", handle, library.api.NVML_CLOCK_SM),
            "watts": None if power is None else power / 1000,
            "celsius": library.optional("nvmlDeviceGetTemperature", handle, library.api.NVML_TEMPERATURE_GPU),
            "memory": None if memory is None else max(0, memory.used - self._held),
            "reasons": reasons or 0,
        }

    def _energy(self) -> int | None:
        return self.library.optional("nvmlDeviceGetTotalEnergyConsumption", self.handle) if self.library else None


def watch(device: str) -> Watch:
    """A watch for a kind of device; one that sees nothing unless it is a GPU of NVIDIA's."""
    if device != "gpu":
        return Watch()
    try:
        library = load()
        handle = library.device(os.environ)
    except Unavailable:
        return Watch()
    running = library.optional("nvmlDeviceGetComputeRunningProcesses", handle) or []
    memory = library.optional("nvmlDeviceGetMemoryInfo", handle)
    others = [{"pid": process.pid, "bytes": process.usedGpuMemory or 0} for process in running]
    return Watch(library=library, handle=handle, others=others, _held=memory.used if memory else 0)


def _text(value: object) -> str:
    """Text of NVML, which older packages give as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)
