"""Energy that the processor takes, by the counters of its packages (RAPL): of the whole machine, not of a process."""

from collections.abc import Iterator
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class PackageEnergy:
    """Joules since it was made."""

    def __init__(self, root: Path = POWERCAP):
        """Reads the counters.

        Args:
            root: Where the kernel shows them.
        """
        self._root = root
        self._before = dict(self._counters())

    def used(self) -> dict[str, float | str]:
        """What all packages took since.

        Returns:
            `joules`; or `reason`, why the kernel does not say.
        """
        after = dict(self._counters())
        if not self._before or after.keys() != self._before.keys():
            return {"reason": self._reason()}
        joules = 0.0
        for package, count in after.items():
            taken = count - self._before[package]
            joules += (taken if taken >= 0 else taken + _number(package / "max_energy_range_uj")) / 1e6  # it ran over
        return {"joules": joules}

    def _counters(self) -> Iterator[tuple[Path, int]]:
        """Each package with its counter in microjoules; without those that may not be read."""
        for package in sorted(self._root.glob("intel-rapl:*")):
            if package.name.count(":") == 1:  # what is below a package is a part of it
                try:
                    yield package, _number(package / "energy_uj")
                except (OSError, ValueError):
                    continue

    def _reason(self) -> str:
        if any(self._root.glob("intel-rapl:*")):
            return f"{self._root}/intel-rapl:*/energy_uj is for root alone: `chmod a+r` lets others read it"
        return "the kernel counts no energy of the processor here, as in most virtual machines"


def _number(path: Path) -> int:
    return int(path.read_text(encoding="utf-8"))
