"""Abstract base of the asv suites: one number a fresh process, the whole measurement into the store.

asv discovers concrete classes wherever they are visible, so suites import this module, not the class.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.machine import facts
from bench.results import store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import HARNESS_VERSION, Kind
from bench.run import data_source, product
from bench.run.timing import Effort

# Five fresh processes are the fewest with which asv's own test finds a change of 20 % at 3 % noise nearly always
# (99 % of the time by simulation; three find it in 33 %).
ROUNDS = 5
EFFORT = Effort()
Sample = dict | float  # what a track function gives: one number of one process, or n/a
VERSION = f"1-ruler{HARNESS_VERSION}"  # explicit: asv would hash the source and lose history when a comment changes


class Suite(ABC):
    """What every suite of cells shares: how often, how long, and when not."""

    timeout = 600
    version = VERSION

    @abstractmethod
    def cell(self, *params: Any, **named: Any) -> Cell:
        """The cell that some parameters stand for."""

    def setup(self, *params: Any) -> None:
        """Refuses what would be filed wrongly, and says n/a where there is nothing to read.

        Raises:
            InputError: If the store cannot be written to.
            RuntimeError: If the working tree is measured and differs from the commit that asv will file it under, or
                the caller of asv asked for another axis than its matrix.
            NotImplementedError: If data is missing, or the precision makes no sense on the device; asv shows n/a.
        """
        refuse_false_names()
        try:
            cell = self.cell(*params)
        except product.InputError as missing:  # a name that the measured commit does not know yet, or no longer
            raise NotImplementedError(missing) from missing
        if cell.reads and not getattr(data_source.find(), cell.reads):
            raise NotImplementedError(
                f"no {cell.reads} to read: run `make bench` first, or set FLOWERS_{cell.reads.upper()}"
            )
        store.check_writable()
        try:
            product.check_precision(cell.precision, cell.device)
        except product.Unsuitable as unsuitable:
            raise NotImplementedError(unsuitable) from unsuitable

    def measured(self, *params: Any) -> Measurement:
        """Measures a cell in this process, which asv has started for it alone, and stores the measurement.

        Raises:
            RuntimeError: If it failed; the reason is in the store, too.
        """
        from bench.run.measure import Job, measure

        source = data_source.find()
        done = measure(Job(cell=self.cell(*params), effort=EFFORT, source=source, classes=source.classes()))
        store.append(marked(done))
        if done.status not in ("ok", "n/a"):
            raise RuntimeError(f"{done.status}: {done.reason}")
        return done


def series(function: Callable) -> Callable:
    """Decorates a track function that gives seconds.

    asv reads unit and rounds from the function, not from its class. Of all units it scales only this one for people:
    0.000266 is shown as 266 µs.
    """
    decorated: Any = function
    decorated.unit, decorated.rounds = "seconds", ROUNDS
    return function


def sample(seconds: float | None) -> Sample:
    """One number of one process, as asv pools them over rounds; None is n/a."""
    return float("nan") if seconds is None else {"samples": [seconds], "number": 1}


AXES = ("FLOWERS_DEVICE", "FLOWERS_PRECISION", "KERAS_BACKEND")  # `env_nobuild` of asv.conf.json


def axes() -> dict:
    """Fields of a cell that hold for a whole asv environment, see `matrix` in asv.conf.json."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    return {
        "device": os.environ.get("FLOWERS_DEVICE", "cpu"),
        "precision": os.environ.get("FLOWERS_PRECISION", "float32"),
        "backend": backend,
        "xla": product.backends()[backend].always_compiled,
    }


def marked(result: Kind) -> Kind:
    """A result that says that asv measured it: of another commit than today's it belongs to the history alone."""
    return replace(result, code={**result.code, "by": "asv"})


def refuse_false_names() -> None:
    """Stops where asv would file a figure under a commit or an axis that it is not of.

    Raises:
        RuntimeError: See `refuse_uncommitted` and `refuse_overridden`.
    """
    refuse_uncommitted()
    refuse_overridden()


def refuse_uncommitted() -> None:
    """Stops where asv would file the working tree under a commit that it differs from.

    With `--python=same` asv measures the tree and takes the commit's name from `--set-commit-hash`.

    Raises:
        RuntimeError: Unless FLOWERS_DIRTY=1 says that it is meant.
    """
    changed = facts.uncommitted_files() if facts.is_installed_from_checkout() else []
    if changed and os.environ.get("FLOWERS_DIRTY") != "1":
        raise RuntimeError(
            f"uncommitted changes would be filed under a clean commit: {', '.join(changed[:5])}. "
            "Commit them, or set FLOWERS_DIRTY=1 to measure all the same"
        )


def refuse_overridden() -> None:
    """Stops where who started asv asked for an axis by a variable, which asv's matrix has replaced in silence.

    Raises:
        RuntimeError: With both values.
    """
    for name, asked in _asked_of_asv().items():
        used = os.environ.get(name, "")
        if asked != used:
            raise RuntimeError(
                f"{name}={asked} is set, but asv measures with {name}={used or 'none'}, which `matrix.env_nobuild` of "
                f"asv.conf.json says: put {asked!r} there, or unset {name}"
            )


def _asked_of_asv() -> dict[str, str]:
    """Axes in the environment of the process that is asv itself; none where none is."""
    import psutil

    for parent in psutil.Process().parents():
        with suppress(psutil.Error):  # another user's
            words = parent.cmdline()[:3]  # `asv`, `python …/bin/asv` or `python -m asv`
            if words[1:] == ["-m", "asv"] or "asv" in (Path(word).name for word in words[:2]):
                return {name: value for name, value in parent.environ().items() if name in AXES and value}
    return {}
