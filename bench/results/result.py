"""The envelope of everything that the store keeps: when, where and of which code it was measured; JSON both ways."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, Self, TypedDict, TypeVar, get_type_hints

from bench.machine import facts, variables
from bench.machine.variables import without_home
from flowers_core.errors import InputError, one_of

# n/a: it makes no sense, or is unavailable here. The others: it was tried and failed.
STATUSES = ("ok", "n/a", "oom", "timeout", "crash", "error")

# Goes up when a change of how we measure moves figures; part of every asv version, so that history breaks there.
HARNESS_VERSION = "2"

DONE, FAILED, NOTHING_MEASURED = 0, 1, 3
"""Exit codes, beside those of `flowers_core.cli.entry` for wrong use and interruption: nothing could be measured or
compared here, which is no failure and no success either."""

RENAMED_PHOTOS = {"garden": "synthetic"}
"""Folders of photos by their names in older results: the photos are the same."""

USUAL_PHOTOS = "synthetic"  # those that `make bench` draws, which commands read unless told otherwise
USUAL_FOLDERS = {"photos": f"data/{USUAL_PHOTOS}", "records": f"data/{USUAL_PHOTOS}-192"}


class _Accelerator(TypedDict, total=False):
    name: str


class _Machine(TypedDict, total=False):
    id: str | None
    host: str | None
    cpu: str | None
    python: str
    usable_cores: float | None
    physical_cores: int | None
    memory_bytes: int | None
    accelerators: list[_Accelerator]
    packages: dict[str, str]
    environment: dict[str, str]
    distributions: dict[str, str]
    libraries: dict[str, str]
    start_code: dict[str, str]
    keras: dict[str, str]
    kernel_settings: dict[str, str]


class _Code(TypedDict, total=False):
    commit: str
    dirty: bool | None
    digest: str


class _Data(TypedDict, total=False):
    photos: str
    images: int
    classes: int
    folders: dict[str, str]


class _Origin(TypedDict, total=False):
    """What the dictionaries of a line must hold where they hold it: all that any command reads of them."""

    machine: _Machine
    code: _Code
    data: _Data


Kind = TypeVar("Kind", bound="Result")
Key = TypeVar("Key")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What all kinds of results share; each is one line of JSON, flat, in a file of its machine.

    A kind sets `KIND` and `FORMAT`, and adds to `KEYS` where a field has another name in the code than on disk: lines
    that were written years ago stay readable.

    Attributes:
        KIND: Folder of the store that holds it.
        FORMAT: Goes up when lines change their meaning; a reader refuses newer ones.
        CHECKED: What the dictionaries of its lines must hold where they hold it, beside those of `_Origin`.
        KEYS: JSON keys by field, of those fields whose names differ from them.
        status: One of `STATUSES`.
        reason: Why, where the status is not `ok`.
        started: Date and time, ISO 8601 in UTC.
        data: Where the images came from, how many there are; empty where none were read.
        machine: Fingerprint of the machine and its software, see `bench.machine.facts`.
        code: Git state and digest of the code under test, see `bench.machine.facts.code`.
        harness_version: `HARNESS_VERSION` when it was measured.
        format: `FORMAT` when it was written; 0 stands for today's.
    """

    KIND: ClassVar[str]
    FORMAT: ClassVar[int] = 1
    CHECKED: ClassVar[type | None] = None
    KEYS: ClassVar[Mapping[str, str]] = MappingProxyType({"harness_version": "ruler"})

    status: str = "ok"
    reason: str = ""
    started: str = ""
    data: dict = field(default_factory=dict)
    machine: dict = field(default_factory=dict)
    code: dict = field(default_factory=dict)
    harness_version: str = HARNESS_VERSION
    format: int = 0

    def __post_init__(self):
        one_of("status", self.status, STATUSES)
        if not self.format:
            object.__setattr__(self, "format", self.FORMAT)

    @property
    def origin(self) -> str:
        """The machine, the software, the code and the day, in one line."""
        cores = self.machine.get("usable_cores", "?")
        packages = {**self.machine.get("distributions", {}), **self.machine.get("packages", {})}
        parts = [
            f"{self.machine.get('cpu', 'unknown CPU')}, {cores} {'core' if cores == 1 else 'cores'}",
            f"{(self.machine.get('memory_bytes') or 0) / 2**30:.0f} GiB",
            *(device.get("name", "") for device in self.machine.get("accelerators", [])),
            *(f"{name} {packages[name]}" for name in self.frameworks if name in packages),
            *(f"{name}={value}" for name, value in self.machine.get("environment", {}).items()),
            self._commit(),
            self.started[:10],
        ]
        return "; ".join(filter(None, parts))

    @property
    def frameworks(self) -> Sequence[str]:
        """Packages whose versions its origin names: those that were used, whatever else is installed."""
        return "tensorflow", "keras"

    def _commit(self) -> str:
        if reason := self.code.get("reason"):
            return f"commit unknown ({reason})"
        changes = " with uncommitted changes" if self.code.get("dirty") else ""
        return f"commit {self.code.get('commit', '')[:8] or 'unknown'}{changes}"

    def to_json(self) -> dict[str, Any]:
        """Gives plain values for one line of the store; `from_json` is the way back."""
        return {self.KEYS.get(name, name): value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: object) -> Self:
        """Reads what `to_json` gave; fields that this program does not know are ignored.

        Raises:
            InputError: If a newer program wrote it, or if a field is missing or of another type.
        """
        import msgspec  # here, for measured processes only write

        if not isinstance(values, dict) or type(values.get("format")) is not int:
            raise InputError(f"not a {cls.__name__}: a JSON object with its `format` is expected")
        if values["format"] > cls.FORMAT:
            raise InputError(f"a {cls.__name__} of format {values['format']}; this program reads up to {cls.FORMAT}")
        keys = {entry.name: cls.KEYS.get(entry.name, entry.name) for entry in fields(cls)}
        known = {name: values[key] for name, key in keys.items() if key in values}
        try:
            if cls.CHECKED:
                msgspec.convert(known, cls.CHECKED)
            read = msgspec.convert(_as_today(known), cls)
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            raise InputError(f"not a {cls.__name__}: {error}") from error
        read.check()
        return read

    @classmethod
    def read_field(cls, name: str, value: object) -> Any:
        """Reads one field of what `to_json` gave, as `from_json` does.

        Raises:
            ValueError: If it is of another type.
        """
        import msgspec

        return msgspec.convert(_as_today({name: value})[name], get_type_hints(cls)[name])

    def check(self) -> None:
        """Checks what the types of the fields do not say.

        Raises:
            InputError: If what was read is no such result.
        """


def _as_today(known: dict[str, Any]) -> dict[str, Any]:
    """Fields as they were read, checked, with today's names in place of those of older programs.

    Raises:
        ValueError: If a dictionary among them holds something that no command could read.
    """
    import msgspec

    msgspec.convert(known, _Origin)
    if "images" in known.get("data", {}) and "photos" not in known["data"]:
        raise ValueError("its `data` does not name the photos")
    if isinstance(data := known.get("data"), dict) and data.get("photos") in RENAMED_PHOTOS:
        known = {**known, "data": {**data, "photos": RENAMED_PHOTOS[data["photos"]]}}
    if isinstance(machine := known.get("machine"), dict):
        known = {**known, "machine": _machine_as_today(machine)}
    return known


def _machine_as_today(machine: dict) -> dict:
    """What older programs stored of a machine: its id without the host's name, and no variable that they should not."""
    if isinstance(machine.get("environment"), dict):
        machine = {**machine, "environment": variables.relevant(machine["environment"])}
    return {**machine, "id": facts.current_id(machine)} if "id" in machine else machine


def portable(path: str | Path) -> str:
    """A folder as commands name it: below the working folder relative, below a home folder with `~`."""
    text = str(path)
    if "://" in text or not Path(text).is_absolute():
        return text
    place = Path(text)
    return str(place.relative_to(facts.WORK_DIR)) if place.is_relative_to(facts.WORK_DIR) else without_home(text)


def quote(path: str) -> str:
    """A path as a word for a shell, which still expands `~`."""
    return f"~/{shlex.quote(path[2:])}" if path.startswith("~/") else shlex.quote(path)


def folders(*read: Mapping, reads: Iterable[str] = tuple(USUAL_FOLDERS), image_size: int = 192) -> str:
    """Options that name the folders that results read: without them a command would measure other data.

    Args:
        read: What each result says of its data; of several folders of a kind the last counts.
        reads: Of older results, which say the name of the photos alone, the kinds of folders that are guessed from it:
            where there are none of these names the command says so.
        image_size: Of the records of older results.
    """
    named: dict[str, str] = {}
    for data in read:
        photos = data.get("photos", USUAL_PHOTOS)
        guessed = {"photos": photos, "records": f"{photos}-{image_size}"}
        old = {kind: guessed[kind] for kind in reads if kind in guessed and photos != USUAL_PHOTOS}
        named |= data.get("folders", old)
    given = {kind: quote(name) for kind, name in named.items() if name != USUAL_FOLDERS[kind]}
    given |= {name: shlex.quote(str(value)) for data in read for name, value in data.get("read_by", {}).items()}
    return "".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items())


def new_mark(now: datetime | None = None) -> str:
    """Marks what one run of a command measures, by the time of its start: marks sort by time.

    Args:
        now: When it started; now, unless given.
    """
    return (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%S%fZ")


def stamp(started: datetime | None = None) -> dict[str, Any]:
    """The fields of a result that say when, where and of which code: `started`, `machine` and `code`.

    Args:
        started: When its measurement began; now, unless given.
    """
    start = (started or datetime.now(UTC)).isoformat(timespec="seconds")
    return {"started": start, "machine": facts.fingerprint(), "code": facts.code()}


def latest(results: Iterable[Kind], key: Callable[[Kind], Key]) -> dict[Key, Kind]:
    """The result of each key that was started last."""
    return {key(result): result for result in chronological(results)}


class _OfCampaign(Protocol):
    @property
    def campaign(self) -> str: ...


OfCampaign = TypeVar("OfCampaign", bound=_OfCampaign)


def of_last_campaign(results: Iterable[OfCampaign]) -> list[OfCampaign]:
    """The results of the campaign that was started last; its mark begins with the date."""
    known = list(results)
    newest = max((result.campaign for result in known), default="")
    return [result for result in known if result.campaign == newest]


def chronological(results: Iterable[Kind]) -> list[Kind]:
    """Results by their start, in whatever order files and lines of stores that were merged hold them."""
    return sorted(results, key=lambda result: result.started)
