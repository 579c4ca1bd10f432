"""Keeps results: JSON lines that are only ever appended. The only module that opens `results/`."""

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn

from bench.machine import facts, variables
from bench.machine.facts import WORK_DIR
from bench.machine.own import durable
from bench.results import table
from bench.results.result import Kind, Result, new_mark, portable, quote
from flowers_core import errors
from flowers_core.errors import InputError

if TYPE_CHECKING:
    from bench.results.line import Reader

RunFailed = getattr(errors, "RunFailed", InputError)  # a commit under test may know the `InputError` alone

RESULTS = WORK_DIR / "results"
TRACES_BYTES = 500_000_000  # what traces may take of the disk

MOST_INTEGER = 2**63  # what charts and other programs can read
PROBE_BYTES = 1 << 18  # room that there must be before anything is measured: some ten results

# What older programs called the folder of a kind; its lines are still read.
FORMER_FOLDERS = {
    "pairs": "units",
    "loaders": "races",
    "object_store": "readings",
    "data_service": "service",
    "peak": "limits",
}


@dataclass(frozen=True, kw_only=True)
class Loaded(Generic[Kind]):
    """What a store holds of one kind.

    Attributes:
        results: In the order in which they were appended, file after file.
        damaged: Lines that could not be read, as `file:line: reason`; a process killed while it wrote leaves one.
        repeated: Lines that stand there once more, as where stores were merged that had lines in common: left out.
    """

    results: tuple[Kind, ...]
    damaged: tuple[str, ...]
    repeated: int = 0


def append(result: Result, results: Path = RESULTS) -> Path:
    """Adds a result to the file of its machine; it is on the disk when this returns.

    Two writers take turns by a lock. A last line that a killed writer left unfinished is closed first. If the disk
    is full, what was written of this line is taken back.

    Returns:
        The file, e.g. `results/measurements/<host>.jsonl`.

    Raises:
        OSError: If it cannot be written, with the file's name; nothing is half-written then.
    """
    path = Path(results) / result.KIND / _file_name(result.machine.get("host"))
    durable.make_folder(path.parent)
    line = json.dumps(variables.publishable(result.to_json()), allow_nan=False).encode() + b"\n"
    with path.open("ab+", buffering=0) as file:  # or closing would write what is left of a refused line all the same
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            line = b"\n" + line
        try:
            with durable.name_file(path):
                left = memoryview(line)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            sync = durable.sync_once if end else durable.sync  # a new file's name, or one of a writer that was killed
            sync(path.parent)
        except OSError:
            os.ftruncate(file.fileno(), end)
            raise
    return path


def _file_name(host: str | None) -> str:
    """The file of a machine, in the folder of each kind of results."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", host or "unknown") + ".jsonl"


def check_writable(results: Path = RESULTS) -> None:
    """Checks that results can be added to a store and that there is room for some; it is made if missing.

    Raises:
        InputError: If the folder, or a folder or this machine's file in it, cannot be written to.
        RunFailed: If there is no room.
    """
    results = Path(results)
    probe = results / f".probe.{os.getpid()}"
    try:
        results.mkdir(parents=True, exist_ok=True)
        for path in (*results.glob("*/"), *results.glob(f"*/{_file_name(facts.hardware()['host'])}")):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        try:
            with probe.open("xb", buffering=0) as file:
                left = PROBE_BYTES
                while left:
                    left -= file.write(bytes(left))
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        kind = RunFailed if durable.is_full(error) else InputError
        raise kind(
            f"The store must be a folder to which results can be added. Received: {results}: {error.strerror} "
            f"({error.filename or probe}). Nothing was measured. Make room, or give another folder by `--results`"
        ) from error


def option(results: Path) -> str:
    """The option by which a command finds a store; empty where it does so by itself."""
    place = Path(results).resolve()
    return "" if place == RESULTS.resolve() else f" --results {quote(portable(place))}"


def load(kind: type[Kind], results: Path = RESULTS, *, holding: str = "") -> Loaded[Kind]:
    """Reads all results of one kind, or those that hold a text; an absent or empty store gives none."""
    folders = (FORMER_FOLDERS.get(kind.KIND), kind.KIND)
    files = (path for name in folders if name for path in sorted((Path(results) / name).glob("*.jsonl")))
    return read(kind, files, holding=holding)


def read(kind: type[Kind], files: Iterable[Path], *, holding: str = "") -> Loaded[Kind]:
    """Reads the results of one kind that the lines of the files hold; warns of a file with damaged lines, once.

    A line that stands there several times is one result: no two processes begin at one time and take the same seconds
    to the last digit.

    Args:
        kind: What the lines hold.
        files: Of JSON lines.
        holding: What a line must hold, letters and digits such as the digest of a code, to be read: to find it takes a
            twentieth of the time. Lines without it are passed over where they are whole by their first and last letter.
    """
    from bench.results.line import Reader  # here, for measured processes only write

    loaded, damaged, seen, lines = [], [], set[bytes](), 0
    reader, sought = None if kind.CHECKED or "from_json" in vars(kind) else Reader(kind, _parse), holding.encode()
    for path in files:
        before = len(damaged)
        with path.open("rb") as file:
            for number, ended in enumerate(file, 1):
                line = ended.rstrip(b"\r\n")
                if not line.strip() or (sought not in line and line.startswith(b"{") and line.endswith(b"}")):
                    continue
                lines, mark = lines + 1, hashlib.blake2b(line.strip(), digest_size=16).digest()
                if mark in seen:
                    continue
                seen.add(mark)
                try:
                    loaded.append(_read_line(kind, line, reader))
                except (ValueError, RecursionError) as error:  # not JSON, not even text, or nested without end
                    damaged.append(f"{path.name}:{number}: {error}")
        if len(damaged) > before:
            _warn(f"{path}: left out {len(damaged) - before} damaged lines, the first: {damaged[before]}")
    return Loaded(results=tuple(loaded), damaged=tuple(damaged), repeated=lines - len(seen))


def _read_line(kind: type[Kind], line: bytes, reader: "Reader[Kind] | None") -> Kind:
    """Reads a line by the reader; what that one refuses as everything was read once."""
    if reader:
        with suppress(ValueError, RecursionError):
            return reader.read(line)
    return kind.from_json(variables.publishable(_parse(line)))


def _parse(text: bytes) -> Any:
    return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole_number)


def _whole_number(digits: str) -> int:
    number = int(digits)
    if abs(number) > MOST_INTEGER:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    return number if isfinite(number) else _refuse(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


@cache
def _warn(message: str) -> None:
    """Reports a damaged file, once though commands read it again; on standard error unless logging is configured."""
    logging.getLogger(__name__).warning("%s", table.printable(message))


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
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"There is no sweep to resume in {results}: run `python -m bench sweep{option(results)}` first"
        ) from None
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): start the sweep anew, without `--resume`") from None


def note_once(place: Path, text: str, results: Path = RESULTS) -> str:
    """The text of a file below a store; if there is none yet, it is written with this one."""
    path = Path(results) / place
    if not path.exists():
        _write(path, text)
    return path.read_text(encoding="utf-8", errors="replace")


def save_table(name: str, text: str, results: Path = RESULTS) -> Path:
    """Writes a table made from measurements, e.g. `quick.md`, and gives its path."""
    return _write(Path(results) / "tables" / name, text)


def save_page(text: str, results: Path = RESULTS, *, name: str = "index.html") -> Path:
    """Writes the page, or another by its name, and gives its path."""
    return _write(Path(results) / "html" / name, text)


def trace_folder(cell_id: str, results: Path = RESULTS) -> Path:
    """A new log directory for a trace of a cell, when older ones have been pruned."""
    prune_traces(results)
    return (Path(results) / "traces" / cell_id / new_mark()).resolve()


def traces(results: Path = RESULTS) -> list[Path]:
    """The log directories of all traces, the oldest first."""
    return sorted((Path(results) / "traces").glob("*/*/"), key=lambda folder: folder.name)


def prune_traces(results: Path = RESULTS, *, most_bytes: int = TRACES_BYTES) -> None:
    """Removes the oldest traces, where all take more of the disk than they may.

    Never for their age: a clock that is ahead for an hour would remove them all.
    """
    kept = 0
    for folder in reversed(traces(results)):
        kept += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if kept > most_bytes:
            shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, text: str) -> Path:
    """Writes a file whole or not at all."""
    durable.make_folder(path.parent)
    with durable.whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files may be no text
    return path
