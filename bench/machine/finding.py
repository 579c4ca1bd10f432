"""One thing found on a machine, and how texts of the system become one: they may be missing, or say anything."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from flowers_core import errors

LEVELS = ("bad", "note", "unknown", "ok")  # worst first
TROUBLE = (OSError, ValueError, LookupError, ArithmeticError)  # what text from outside can lead to
LONGEST = 300  # characters; what comes from outside may be of any length
MOST_CORES = 8192  # as many as Linux can be built for

Said = tuple[str, str, str]  # level, found, mend


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that may make figures noisy.

    Attributes:
        name: What was looked at.
        level: `bad` widens intervals, `note` should be known, `ok`, or `unknown`: it cannot be told here.
        found: The fact with its figure and unit; of an unknown one, why it is unknown.
        mend: What to do about it, commands in backticks; empty where there is nothing to do.
    """

    name: str
    level: str
    found: str
    mend: str = ""

    def __post_init__(self):
        errors.one_of("level", self.level, LEVELS)


def named(name: str) -> Callable:
    """Makes a `Finding` of what a function says, and an unknown one of what it cannot read or parse."""

    def wrap(look: Callable[..., Said]) -> Callable[..., Finding]:
        @wraps(look)
        def told(*args, **kwargs) -> Finding:
            try:
                level, found, mend = look(*args, **kwargs)
            except TROUBLE as trouble:
                level, found, mend = "unknown", _why(trouble), ""
            return Finding(name=name, level=level, found=plain(found), mend=plain(mend))

        return told

    return wrap


def _why(trouble: Exception) -> str:
    """Why something cannot be told."""
    if isinstance(trouble, OSError) and trouble.filename:
        return f"{trouble.filename}: {trouble.strerror}"
    return f"cannot read {trouble.args[0]}" if isinstance(trouble, KeyError) else str(trouble)


def plain(text: str) -> str:
    """A text from outside, not too long, without what a terminal might obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST])


def read(root: Path, path: str) -> str:
    """The text of a file."""
    return (root / path).read_text(errors="replace").strip()


def texts(root: Path, pattern: str) -> dict[str, str]:
    """Texts of all files that are there and can be read, by their path under the root."""
    found = {}
    for path in sorted(root.glob(pattern)):
        try:
            found[str(path.relative_to(root))] = path.read_text(errors="replace").strip()
        except OSError:
            continue  # a sensor that is asleep says so by an error
    return found


def each(root: Path, pattern: str) -> list[str]:
    """Texts of files of which there must be at least one."""
    found = texts(root, pattern)
    if not found:
        raise ValueError(f"no {Path(pattern).name} here{hidden(root)}")
    return list(found.values())


def find(pattern: str, text: str) -> str:
    """What the first group of a pattern holds in a text that must have it."""
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        raise ValueError(f"expected {pattern!r}. Received: {text[:40]!r}")
    return found[1]


def listed(text: str) -> list[int]:
    """The numbers of a list such as `0-3,8`."""
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return sorted({number for pair in ends for number in range(pair[0], min(pair[-1], MOST_CORES) + 1)})


def growth(before: int, after: int) -> int:
    """How much a counter grew, which never counts backwards."""
    if after < before:
        raise ValueError(f"a counter went backwards, from {before} to {after}")
    return after - before


def is_guest(root: Path) -> bool:
    """Whether the CPU says that a hypervisor is below it."""
    cpus = texts(root, "proc/cpuinfo").get("proc/cpuinfo", "")
    return re.search(r"^flags\s*:.*\bhypervisor\b", cpus, re.MULTILINE) is not None


def hidden(root: Path) -> str:
    """Why a file of the hardware is likely missing."""
    return ": a virtual machine hides it" if is_guest(root) else ""


def usable_cores(root: Path) -> list[int]:
    """The cores that this process may use."""
    return listed(find(r"^Cpus_allowed_list:\s*(\S+)$", read(root, "proc/self/status")))


def groups(root: Path, controller: str) -> list[Path]:
    """Folders of this process's control group and those above it, whose limits hold as well; version 1 or 2."""
    folders = []
    for line in read(root, "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or controller in controllers.split(","):
            base = root / "sys/fs/cgroup" / controllers
            parts = [part for part in path.split("/") if part not in ("", "..")]  # a container's may begin with /..
            folders += [base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]
    folders = [folder for folder in folders if folder.is_dir()]
    if not folders:
        raise ValueError("no control groups are to be seen here")
    return folders
