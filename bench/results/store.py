"""Keeps measurements: JSON lines that are only ever appended. The one file that opens `results/`."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.compare import pair_result
from bench.compare.pair_result import Unit
from bench.input.data_service import result
from bench.input.data_service.result import Served
from bench.input.loaders import result as turns
from bench.input.loaders.result import Turns
from bench.input.object_store import measure
from bench.input.object_store.measure import Reading
from bench.input.stall import emulate, stages
from bench.input.stall.emulate import Emulated
from bench.input.stall.stages import Stages
from bench.machine.facts import PROJECT_ROOT
from bench.results import durable, measurement
from bench.results.measurement import Measurement
from bench.run import peak
from bench.run.peak import Limits
from bench.training import run
from bench.training.run import Trained
from flowers_core.errors import InputError

RESULTS = PROJECT_ROOT / "results"
TRACES_BYTES, TRACES_DAYS = 500_000_000, 90  # what traces may take of the disk, and how long they are kept


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a store holds.

    Attributes:
        measurements: In the order in which they were appended, file after file.
        damaged: Lines that could not be read, as `file:line: reason`; a process killed while it wrote leaves one.
    """

    measurements: tuple[Measurement, ...]
    damaged: tuple[str, ...]


def append(record: Measurement, results: Path = RESULTS) -> Path:
    """Adds a measurement to the file of its machine; it is on the disk when this returns.

    Returns:
        The file, `results/measurements/<host>.jsonl`.

    Raises:
        OSError: If it cannot be written; nothing is half-written then.
    """
    return _append(record, Path(results) / "measurements")


def append_unit(record: Unit, results: Path = RESULTS) -> Path:
    """Adds a unit of a comparison likewise, to `results/units/<host>.jsonl`."""
    return _append(record, Path(results) / "units")


def append_training(record: Trained, results: Path = RESULTS) -> Path:
    """Adds a training likewise, to `results/trainings/<host>.jsonl`."""
    return _append(record, Path(results) / "trainings")


def append_limits(record: Limits, results: Path = RESULTS) -> Path:
    """Adds what a machine could do at most likewise, to `results/limits/<host>.jsonl`."""
    return _append(record, Path(results) / "limits")


def append_served(record: Served, results: Path = RESULTS) -> Path:
    """Adds what was drawn over a tf.data service likewise, to `results/service/<host>.jsonl`."""
    return _append(record, Path(results) / "service")


def append_turns(record: Turns, results: Path = RESULTS) -> Path:
    """Adds what a lane of a race did likewise, to `results/races/<host>.jsonl`."""
    return _append(record, Path(results) / "races")


def append_reading(record: Reading, results: Path = RESULTS) -> Path:
    """Adds a reading from a disk or a far store likewise, to `results/readings/<host>.jsonl`."""
    return _append(record, Path(results) / "readings")


def append_emulation(record: Emulated, results: Path = RESULTS) -> Path:
    """Adds an emulation likewise, to `results/emulations/<host>.jsonl`."""
    return _append(record, Path(results) / "emulations")


def append_stages(record: Stages, results: Path = RESULTS) -> Path:
    """Adds costs of stages likewise, to `results/stages/<host>.jsonl`."""
    return _append(record, Path(results) / "stages")


def _append(
    record: Measurement | Unit | Trained | Limits | Served | Turns | Reading | Emulated | Stages, folder: Path
) -> Path:
    """Adds a line to the file of a machine.

    Two writers take turns by a lock. A last line that a killed writer left unfinished is closed first. If the disk
    is full, what was written of this line is taken back.
    """
    host = re.sub(r"[^A-Za-z0-9._-]", "_", record.machine.get("host") or "unknown")
    path = folder / f"{host}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record.to_json(), allow_nan=False).encode() + b"\n"
    with path.open("ab+", buffering=0) as file:  # or closing would write what is left of a refused line all the same
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            line = b"\n" + line
        try:
            left = memoryview(line)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
            if not end:  # a new file, perhaps in a new folder
                durable.sync(folder)
                durable.sync(folder.parent)
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise
    return path


def load(results: Path = RESULTS) -> Loaded:
    """Reads all measurements of a store; an absent or empty one gives none."""
    return read(_files("measurements", results))


def read(files: Iterable[Path]) -> Loaded:
    """Reads measurements of some files."""
    measurements, damaged = _read(files, measurement.from_json)
    return Loaded(measurements=measurements, damaged=damaged)


def load_units(results: Path = RESULTS) -> tuple[Unit, ...]:
    """Reads all units of a store; lines that cannot be read are left out."""
    return _all("units", results, pair_result.from_json)


def load_trainings(results: Path = RESULTS) -> tuple[Trained, ...]:
    """Reads all trainings of a store; lines that cannot be read are left out."""
    return _all("trainings", results, run.from_json)


def load_served(results: Path = RESULTS) -> tuple[Served, ...]:
    """Reads all that was drawn over a tf.data service; lines that cannot be read are left out."""
    return _all("service", results, result.from_json)


def load_turns(results: Path = RESULTS) -> tuple[Turns, ...]:
    """Reads all turns of races of a store; lines that cannot be read are left out."""
    return _all("races", results, turns.from_json)


def load_readings(results: Path = RESULTS) -> tuple[Reading, ...]:
    """Reads all readings of a store; lines that cannot be read are left out."""
    return _all("readings", results, measure.from_json)


def load_limits(results: Path = RESULTS) -> dict[str, Limits]:
    """What each machine could do at most, by its id, as it was measured last."""
    read = _all("limits", results, peak.from_json)
    return {one.machine.get("id", ""): one for one in sorted(read, key=lambda one: one.started)}


def load_emulations(results: Path = RESULTS) -> tuple[Emulated, ...]:
    """Reads all emulations of a store; lines that cannot be read are left out."""
    return _all("emulations", results, emulate.from_json)


def load_stages(results: Path = RESULTS) -> dict[tuple[str, str], Stages]:
    """Costs of stages by id of the machine and kind of data, as they were measured last."""
    read = _all("stages", results, stages.from_json)
    return {(one.machine.get("id", ""), one.kind): one for one in sorted(read, key=lambda one: one.started)}


def _files(folder: str, results: Path) -> list[Path]:
    return sorted((Path(results) / folder).glob("*.jsonl"))


def _all(folder: str, results: Path, from_json: Callable[[dict], object]) -> tuple:
    """All records of one kind; lines that cannot be read are left out."""
    return _read(_files(folder, results), from_json)[0]


def _read(files: Iterable[Path], from_json: Callable[[dict], object]) -> tuple[tuple, tuple[str, ...]]:
    """What the lines of some files hold, and the lines that could not be read."""
    records, damaged = [], []
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if not line.strip():
                continue
            try:
                records.append(from_json(json.loads(line)))
            except (InputError, ValueError) as error:  # ValueError: not JSON, or not even text
                damaged.append(f"{path.name}:{number}: {error}")
    return tuple(records), tuple(damaged)


def save_plan(plan: dict, results: Path = RESULTS) -> None:
    """Remembers the sweep that is about to run, so that it can be resumed."""
    _write(Path(results) / "measurements" / "sweep.json", json.dumps(plan, indent=1))


def load_plan(results: Path = RESULTS) -> dict:
    """The sweep that ran last.

    Raises:
        InputError: If there is none.
    """
    path = Path(results) / "measurements" / "sweep.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"There is no sweep to resume in {results}: run `python -m bench sweep` first") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): start the sweep anew, without `--resume`") from None


def save_table(name: str, text: str, results: Path = RESULTS) -> Path:
    """Writes a table made from measurements, e.g. `quick.md`, and gives its path."""
    return _write(Path(results) / "tables" / name, text)


def save_page(text: str, results: Path = RESULTS) -> Path:
    """Writes the page and gives its path."""
    return _write(Path(results) / "html" / "index.html", text)


def trace_folder(cell_id: str, results: Path = RESULTS) -> Path:
    """A new log directory for a trace of a cell, when older ones have been pruned."""
    prune_traces(results)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    return (Path(results) / "traces" / cell_id / now).resolve()


def traces(results: Path = RESULTS) -> list[Path]:
    """The log directories of all traces, the oldest first."""
    return sorted((Path(results) / "traces").glob("*/*/"), key=lambda folder: folder.name)


def prune_traces(results: Path = RESULTS, *, most_bytes: int = TRACES_BYTES, most_days: int = TRACES_DAYS) -> None:
    """Removes traces that are old, and the oldest of those that are too many for the disk they may take."""
    kept, oldest = 0, (datetime.now(UTC) - timedelta(days=most_days)).strftime("%Y%m%dT%H%M%S%fZ")
    for folder in reversed(traces(results)):
        kept += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if kept > most_bytes or folder.name < oldest:
            shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, text: str) -> Path:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text)
        durable.replace_durably(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
