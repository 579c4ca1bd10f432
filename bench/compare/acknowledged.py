"""Slowdowns that the project accepts, each with its reason, and absolute budgets: `bench/acknowledged.toml`."""

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec

from bench.compare import revision
from bench.machine.facts import WORK_DIR
from bench.results.cell import NO_MODEL, Cell, is_users
from flowers_core import models
from flowers_core.errors import InputError, near
from flowers_core.input.registry import PIPELINES

PATH = WORK_DIR / "bench" / "acknowledged.toml"
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
BYTES = {"kB": 1e3, "MB": 1e6, "GB": 1e9}
UNITS = {"first_batch": SECONDS, "first_step": SECONDS, "step": SECONDS, "memory": BYTES}  # of each budget
QUANTITY = re.compile(r"(\d+(?:\.\d+)?) ?(\S*)")

Text = Annotated[str, msgspec.Meta(min_length=1)]
Patterns = Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]


class _Slowdown(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    reason: Text
    cells: Patterns
    at_most: Text
    commit: str = ""
    until: date | None = None


class _Budget(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    cells: Patterns
    reason: str = ""
    first_batch: str = ""
    first_step: str = ""
    step: str = ""
    memory: str = ""


class _File(msgspec.Struct, forbid_unknown_fields=True):
    slowdown: tuple[_Slowdown, ...] = ()
    budget: tuple[_Budget, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Slowdown:
    """A slowdown that is accepted.

    Attributes:
        reason: Why.
        cells: Patterns of ids of cells, as a shell would match them.
        at_most: The largest ratio that is accepted.
        commit: The commit that did it, or a range `a..b`; empty for any.
        until: The last day on which it holds; None for ever.
    """

    reason: str
    cells: tuple[str, ...]
    at_most: float
    commit: str = ""
    until: date | None = None

    def covers(self, cell: str, low: float, commits: Callable[[], Sequence[str]]) -> bool:
        """Whether it accepts a slowdown.

        Args:
            cell: Id of the cell.
            low: Lower end of the interval of its ratio: what may be within what is accepted is not more.
            commits: Gives the commits that the candidate has and the base has not.
        """
        if self.has_ended or low > self.at_most or not _matches(cell, self.cells):
            return False
        return not self.commit or bool(set(self._own_commits(commits)) & set(commits()))

    def _own_commits(self, commits: Callable[[], Sequence[str]]) -> list[str]:
        if ".." in self.commit:
            return between(self.commit)
        return [commit for commit in commits() if commit.startswith(self.commit)]

    @property
    def has_ended(self) -> bool:
        """Whether its last day is over."""
        return self.until is not None and self.until < datetime.now(UTC).date()


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a cell may take at most, whatever the base takes.

    Attributes:
        what: `first_batch` and `first_step` (seconds until the first one is done), `step` (seconds of a step, or of a
            batch drawn from a pipeline alone) or `memory` (bytes that its processes held at most).
        cells: Patterns of ids of cells.
        limit: Seconds or bytes.
        reason: Why; may be empty.
    """

    what: str
    cells: tuple[str, ...]
    limit: float
    reason: str = ""

    def is_for(self, cell: Cell) -> bool:
        """Whether it limits a cell; batches are those of a pipeline alone, the first step that of a model."""
        kinds = {"first_batch": cell.model == NO_MODEL, "first_step": cell.model != NO_MODEL}
        return kinds.get(self.what, True) and _matches(cell.id, self.cells)


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """All that the file holds."""

    slowdowns: tuple[Slowdown, ...] = ()
    budgets: tuple[Budget, ...] = ()

    def why(self, cell: str, low: float, base: str, candidate: str) -> str:
        """Why a slowdown is accepted; empty where it is not.

        Args:
            cell: Id of the cell.
            low: Lower end of the interval of its ratio.
            base: Commit that ran as base.
            candidate: Commit that ran as candidate.
        """
        commits = partial(between, f"{base}..{candidate}") if base and candidate else tuple
        covering = (slowdown for slowdown in self.slowdowns if slowdown.covers(cell, low, commits))
        return next((slowdown.reason for slowdown in covering), "")


NOTHING = Acknowledged()


def between(span: str) -> list[str]:
    """The commits of a range `base..candidate`; none where git does not know both."""
    return revision.git_or_empty(WORK_DIR, "rev-list", span, "--").split()


def load(path: Path = PATH) -> Acknowledged:
    """Reads the file; nothing is acknowledged where there is none.

    Raises:
        InputError: If it is no TOML, or an entry lacks a reason, names no cell that there is, has a quantity without a
            unit, a commit that is none, or neither a commit nor a last day.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return NOTHING
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} must be a readable file in UTF-8. Received: {error}") from error
    try:
        read = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path.name} must be TOML. Received: {error}") from error
    except msgspec.ValidationError as error:
        _refuse(path, "[[slowdown]] needs reason, cells and at_most, [[budget]] needs cells and a limit", error)
    return Acknowledged(
        slowdowns=tuple(_slowdown(path, entry) for entry in read.slowdown),
        budgets=tuple(budget for entry in read.budget for budget in _budgets(path, entry)),
    )


def _slowdown(path: Path, entry: _Slowdown) -> Slowdown:
    _check_cells(path, entry.cells)
    if not (entry.commit or entry.until):
        _refuse(path, "a slowdown needs `commit`, or `until` its last day, or it would hide all others", entry.reason)
    if entry.commit and not re.fullmatch(r"[0-9a-f]{7,40}(\.\.[0-9a-f]{7,40})?", entry.commit):
        _refuse(path, "`commit` must be 7 to 40 digits of a commit, or a range `a..b` of two", entry.commit)
    share = _quantity(path, "at_most", entry.at_most, {"%": 0.01})
    return Slowdown(reason=entry.reason, cells=entry.cells, at_most=1 + share, commit=entry.commit, until=entry.until)


def _budgets(path: Path, entry: _Budget) -> Iterable[Budget]:
    _check_cells(path, entry.cells)
    limits = {what: getattr(entry, what) for what in UNITS if getattr(entry, what)}
    if not limits:
        _refuse(path, f"a budget needs {', '.join(UNITS)} or several of them", f"only cells {list(entry.cells)}")
    for what, text in limits.items():
        limit = _quantity(path, what, text, UNITS[what])
        yield Budget(what=what, cells=entry.cells, limit=limit, reason=entry.reason)


def _quantity(path: Path, name: str, text: str, units: dict[str, float]) -> float:
    match = QUANTITY.fullmatch(text.strip())
    if not match or match[2] not in units or not float(match[1]):
        example = {"%": "5 %", "s": "200 ms", "kB": "1 GB"}[next(iter(units))]
        _refuse(path, f"`{name}` must be a number above 0 with a unit ({', '.join(units)}), such as {example!r}", text)
    return float(match[1]) * units[match[2]]


def _check_cells(path: Path, patterns: Iterable[str]) -> None:
    """Checks that each pattern begins with the name of a model or pipeline; a user's own are known by their colon."""
    names = [*models.MODELS, *PIPELINES]
    for pattern in patterns:
        name = pattern.partition("-")[0]
        if is_users(name) or set(":@.") & set(name) or any(fnmatchcase(known, name) for known in names):
            continue
        _refuse(
            path,
            "`cells` must begin with a model or pipeline, such as squeezenet-* or records_parallel-192-b32",
            f"{pattern!r}{near(name, names)}",
        )


def _matches(cell: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(cell, pattern) for pattern in patterns)


def _refuse(path: Path, expected: str, received: object) -> NoReturn:
    raise InputError(f"{path.name}: {expected}. Received: {received}")
