"""What one lane of a race did: images a second of each of its turns, and how they came about; JSON both ways."""

from dataclasses import asdict, dataclass, field

from bench.results.measurement import known, readable

# 1: turns of one lane, machine, code (2026-11).
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Turns:
    """What one lane did in a race.

    Attributes:
        race: Marks the lanes that ran in turns with each other.
        lane: Id of a lane.
        status: `ok`, `n/a` where a package is missing, or `error`.
        reason: Why there is no figure.
        rates: Images/s of each turn; turns of the same number stood beside each other.
        cpu_seconds: CPU time an image, of all its processes, of each turn.
        processes: How many fresh ones took these turns, one after another.
        data: Name of the photos, how many, image and batch size, cores.
        started: Date and time, ISO 8601 in UTC.
        machine: Fingerprint of the machine and its software.
        code: Commit.
        format: `FORMAT` when it was written.
    """

    race: str
    lane: str
    status: str = "ok"
    reason: str = ""
    rates: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    processes: int = 1
    data: dict = field(default_factory=dict)
    started: str = ""
    machine: dict = field(default_factory=dict)
    code: dict = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> dict:
        """Plain values; `from_json` is the way back."""
        return asdict(self)


def from_json(values: dict) -> Turns:
    """Reads what `Turns.to_json` gave.

    Raises:
        InputError: If a newer program wrote it, or it lacks what all have.
    """
    with readable("no turns of a race"):
        read = known(values, Turns, newest=FORMAT)
        return Turns(**{**read, "rates": tuple(read["rates"]), "cpu_seconds": tuple(read["cpu_seconds"])})
