"""Abstract base of the asv suites: a fresh process a cell and round, all that it measured into the store.

asv discovers concrete classes wherever they are visible, so suites import this module, not the class.
"""

import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.machine import facts
from bench.results import asv_setting, store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import HARNESS_VERSION, Kind
from bench.run import data_source, product, shared_cells
from bench.run.timing import Effort

if TYPE_CHECKING:
    import psutil

    from bench.run.measure import Job

# Five fresh processes are the fewest with which asv's own test finds a change of 20 % at 3 % noise nearly always
# (99 % of the time by simulation; three find it in 33 %).
ROUNDS = 5
EFFORT = Effort(seconds=1.5)  # figures vary more between processes than within one, and there are five of a cell
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
            NotImplementedError: If data or the device is missing, or the precision makes no sense on the device; asv
                shows n/a. No framework is loaded to find out.
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
            product.check_hint(cell.device)
            product.check_precision(cell.precision, cell.device)
        except product.Unsuitable as unsuitable:
            raise NotImplementedError(unsuitable) from unsuitable

    def measurement(self, benchmark: str, *params: Any) -> Measurement:
        """Gives what one process measured of a cell: this one, or that of another benchmark of the same round.

        asv has started this process for the benchmark alone. See `shared_cells` for why it may have nothing to measure.

        Args:
            benchmark: Its name within the suite, which is given each measurement of the cell once.
            *params: asv's.

        Raises:
            RuntimeError: If it failed; the reason is in the store, too.
        """
        cell = self.cell(*params)
        asker = f"{type(self).__name__}.{benchmark}"
        return check(shared_cells.of(asv_process()).get(cell, asker, partial(measure_here, cell)))


def measure_here(cell: Cell) -> Measurement:
    """Measures a cell in this process, which should be fresh, and stores the measurement."""
    from bench.run.measure import measure

    done = measure(_job(cell))
    store.append(mark(done))
    return done


def measure_beside(cell: Cell) -> Measurement:
    """Measures a cell in a child process, beside what this one measures itself, and stores the measurement."""
    from bench.run import process

    done = process.spawn(_job(cell), timeout=Suite.timeout / 2)
    store.append(mark(done))
    return done


def _job(cell: Cell) -> "Job":
    from bench.run.measure import Job

    source = data_source.find()
    return Job(cell=cell, effort=EFFORT, source=source, classes=source.classes())


def check(done: Measurement) -> Measurement:
    """The measurement, if there is a figure or a reason why it makes no sense to ask for one.

    Raises:
        RuntimeError: If it was tried and failed.
    """
    if done.status not in ("ok", "n/a"):
        raise RuntimeError(f"{done.status}: {done.reason}")
    return done


def series(name: str, *, unit: str = "seconds") -> Callable[[Callable], Callable]:
    """Decorates a track function: what asv's page calls it, and its unit.

    asv reads unit and rounds from the function, not from its class. Of all units it scales only seconds and bytes for
    people: 0.000266 is shown as 266 µs.
    """

    def decorate(function: Callable) -> Callable:
        decorated: Any = function
        decorated.pretty_name, decorated.unit, decorated.rounds = name, unit, ROUNDS
        return function

    return decorate


def sample(value: float | None) -> Sample:
    """One number of one process, as asv pools them over rounds; None is n/a."""
    return float("nan") if value is None else {"samples": [value], "number": 1}


AXES = ("FLOWERS_DEVICE", "FLOWERS_PRECISION", "KERAS_BACKEND")  # of these `env_nobuild` sets the last one today


def backend_fields() -> dict:
    """Fields of a cell that hold for a whole asv environment, which installs one backend: see `matrix`."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    return {"backend": backend, "xla": product.backends()[backend].always_compiled}


def axes() -> dict:
    """The same for `Feed` and `StepTime`, whose device and precision are those of the environment as well.

    Their series are older than `Step` and `Stall`, where both are parameters.
    """
    return {
        "device": os.environ.get("FLOWERS_DEVICE", "cpu"),
        "precision": os.environ.get("FLOWERS_PRECISION", "float32"),
        **backend_fields(),
    }


def mark(result: Kind) -> Kind:
    """A result that says that asv measured it: of another commit than today's it belongs to the history alone."""
    return replace(result, code={**result.code, "by": "asv"})


def refuse_false_names() -> None:
    """Stops where asv would file a figure under a commit, an axis or a machine that it is not of.

    Raises:
        RuntimeError: See `refuse_uncommitted`, `refuse_overridden` and `asv_setting.check`.
    """
    refuse_uncommitted()
    refuse_overridden()
    refuse_other_setting()


def refuse_other_setting() -> None:
    """Stops where asv measures under a machine's name in another setting than before, such as a CPU quota."""
    if asv := asv_process():
        machine = asv_setting.machine_of(asv.cmdline(), platform.node())
        asv_setting.check(machine, asv.environ())


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
                f"{name}={asked} is set, but asv measures with {name}={used or 'none'}, by `matrix.env_nobuild` of "
                f"asv.conf.json or by default. Unset {name}; device and precision are parameters: "
                f"`asv run -b 'step.Step.*mixed_bfloat16'`"
            )


def _asked_of_asv() -> dict[str, str]:
    """Axes in the environment of the process that is asv itself; none where none is."""
    asv = asv_process()
    return {name: value for name, value in asv.environ().items() if name in AXES and value} if asv else {}


def asv_process() -> "psutil.Process | None":
    """The process that is asv itself, of which this one is a child."""
    import psutil

    for parent in psutil.Process().parents():
        with suppress(psutil.Error):  # another user's
            words = parent.cmdline()[:3]  # `asv`, `python …/bin/asv` or `python -m asv`
            if words[1:] == ["-m", "asv"] or "asv" in (Path(word).name for word in words[:2]):
                parent.environ()
                return parent
    return None
