"""One process measures a cell, and all benchmarks of an asv run read what it measured: time, memory, compilation.

asv starts a process for each benchmark, combination of parameters and round. Without this a cell would be measured once
for its time, again for its memory and again for its first step. The k-th time that a benchmark asks for a cell it is
given the k-th measurement of the cell, whichever benchmark came first, so that rounds stay what they are: processes.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import facts
from bench.results.cell import Cell
from bench.results.measurement import Measurement

if TYPE_CHECKING:
    import psutil

PREFIX = f"flowers-asv-{os.getuid()}-"


@dataclass(frozen=True)
class SharedCells:
    """Measurements of one asv run; it ends with asv.

    Attributes:
        folder: Where they lie; None where asv did not start this process, which then measures for itself.
    """

    folder: Path | None

    def get(self, cell: Cell, asker: str, measure: Callable[[], Measurement]) -> Measurement:
        """The next measurement of a cell for who asks.

        Args:
            cell: What is measured.
            asker: A benchmark, which is given each measurement of the cell once.
            measure: Measures it, if no other benchmark has.
        """
        return measure() if self.folder is None else self.measurement(cell, self._next(cell, asker), measure)

    def turn(self, cell: Cell, asker: str) -> int:
        """How often a benchmark has asked for a cell, this time included, from 0: the round."""
        return 0 if self.folder is None else self._next(cell, asker)

    def measurement(self, cell: Cell, turn: int, measure: Callable[[], Measurement]) -> Measurement:
        """The measurement of a cell in a round."""
        if self.folder is None:
            return measure()
        kept = self.folder / f"{self._key(cell)}-{turn}.json"
        if kept.exists():
            return Measurement.from_json(json.loads(kept.read_text("utf-8")))
        # Should this process die of the cell, others are not to die of it as well.
        died = "the process that measured this cell for another benchmark of the same round died"
        _write(kept, Measurement(cell=cell, status="crash", reason=died))
        done = measure()
        _write(kept, done)
        return done

    def _next(self, cell: Cell, asker: str) -> int:
        if self.folder is None:
            return 0
        counter = self.folder / f"{self._key(cell)}-{asker}.count"
        turn = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(turn + 1))
        return turn

    def _key(self, cell: Cell) -> str:
        """Of a cell, the code under test and the environment that asv built for it."""
        what = asdict(cell), facts.code_digest(), os.environ.get("ASV_COMMIT", ""), sys.prefix
        return hashlib.sha256(repr(what).encode()).hexdigest()[:24]


def of(asv: "psutil.Process | None") -> SharedCells:
    """What the processes of an asv share; removes what ended ones have left."""
    if asv is None:
        return SharedCells(None)
    root = Path(tempfile.gettempdir())
    _prune(root)
    folder = root / f"{PREFIX}{asv.pid}-{asv.create_time():.0f}"
    folder.mkdir(mode=0o700, exist_ok=True)
    is_ours = folder.stat().st_uid == os.getuid() and not folder.is_symlink()  # another user may have been there first
    return SharedCells(folder if is_ours else None)


def _prune(root: Path) -> None:
    """Removes the folders of asv runs that have ended."""
    import psutil

    for folder in root.glob(f"{PREFIX}*"):
        pid, _, created = folder.name.removeprefix(PREFIX).partition("-")
        with suppress(psutil.Error, ValueError):
            if f"{psutil.Process(int(pid)).create_time():.0f}" == created:
                continue
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, measurement: Measurement) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(measurement.to_json()), "utf-8")
    unfinished.replace(path)
