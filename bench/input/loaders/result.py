"""What one loader did in a comparison: images per second of each of its blocks, and how they came about."""

from dataclasses import dataclass
from types import MappingProxyType

from bench.results.result import Result


@dataclass(frozen=True, kw_only=True)
class LoaderResult(Result):
    """What one loader did in a comparison.

    Attributes:
        comparison: Marks the loaders whose blocks were interleaved.
        loader: Id of a loader.
        rates: Images/s of each block; blocks of the same number were measured side by side.
        cpu_seconds: CPU time per image, of all its processes, of each block.
        processes: How many fresh ones measured these blocks, one after another.
        data: Name of the photos, how many, image and batch size, cores.
    """

    KIND = "loaders"
    FORMAT = 1  # blocks of one loader, machine, code (2026-11)
    KEYS = MappingProxyType({**Result.KEYS, "comparison": "race", "loader": "lane"})

    comparison: str
    loader: str
    rates: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    processes: int = 1
