"""A GPU where there is none: a module `pynvml` with the functions that we call, whose answers tests set."""

from dataclasses import dataclass, field
from types import SimpleNamespace


class NVMLError(Exception):
    """What all errors of NVML are."""


class NVMLError_LibraryNotFound(NVMLError):
    """There is no driver."""


class NVMLError_NotSupported(NVMLError):
    """This GPU has no such sensor."""


@dataclass
class Gpu:
    """NVIDIA's module for one GPU that draws 350 W at 1,980 MHz; an error as an answer is raised."""

    NVML_CLOCK_SM = 1
    NVML_TEMPERATURE_GPU = 0
    NVMLError = NVMLError

    starts: Exception | None = None
    answers: dict = field(default_factory=dict)
    energy: int = 0

    def nvmlInit(self):
        """Starts, or not."""
        if self.starts:
            raise self.starts

    def nvmlDeviceGetHandleByIndex(self, number):
        """The only GPU."""
        if number != 0:
            raise NVMLError("Invalid Argument")
        return "gpu0"

    def nvmlDeviceGetHandleByUUID(self, uuid):
        """Likewise."""
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: ARG002 - NVML's name
        """Millijoules: 70 J more each time it is asked."""
        if isinstance(self.energy, Exception):
            raise self.energy
        self.energy += 70_000
        return self.energy

    def __getattr__(self, name):
        usual = {
            "nvmlSystemGetDriverVersion": b"580.159.04",  # bytes, as older packages give
            "nvmlSystemGetCudaDriverVersion_v2": 13000,
            "nvmlDeviceGetCount": 1,
            "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=81559 * 2**20, used=2 * 10**9),
            "nvmlDeviceGetPowerManagementLimit": 700_000,
            "nvmlDeviceGetMaxClockInfo": 1980,
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetPowerUsage": 350_000,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetCurrentClocksEventReasons": 0,
            "nvmlDeviceGetComputeRunningProcesses": [],
            **self.answers,
        }
        if name not in usual:
            raise AttributeError(name)

        def answer(*_):
            if isinstance(usual[name], Exception):
                raise usual[name]
            return usual[name]

        return answer
