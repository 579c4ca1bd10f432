"""What one lane of a race did: images a second of each of its turns, and how they came about; JSON both ways."""

from dataclasses import dataclass

from bench.results.result import Result


@dataclass(frozen=True, kw_only=True)
class LoaderResult(Result):
    """What one lane did in a race.

    Attributes:
        race: Marks the lanes that ran in turns with each other.
        lane: Id of a lane.
        rates: Images/s of each turn; turns of the same number stood beside each other.
        cpu_seconds: CPU time an image, of all its processes, of each turn.
        processes: How many fresh ones took these turns, one after another.
        data: Name of the photos, how many, image and batch size, cores.
    """

    KIND = "loaders"
    FORMAT = 1  # turns of one lane, machine, code (2026-11)

    race: str
    lane: str
    rates: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    processes: int = 1
