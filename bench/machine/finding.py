"""A finding about this machine, and how the kernel's text files become one: a file may be missing or say anything."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from bench.machine.own import resources

LEVELS = ("bad", "note", "unknown", "ok")  # worst first
UNREADABLE = resources.UNREADABLE
MAX_TEXT = 300  # characters; what comes from outside may be of any length
MAX_CORES = 8192  # as many as Linux can be built for

Answer = tuple[str, str, str]  # level, fact, remedy


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that may make figures noisy.

    Attributes:
        name: What was checked.
        level: `bad` widens intervals, `note` should be known, `ok`, or `unknown`: it cannot be read here.
        fact: What was found, with its unit; where the level is `unknown`, why.
        remedy: What to do about it, commands in backticks; empty where there is nothing to do.
    """

    name: str
    level: str
    fact: str
    remedy: str = ""


def check(name: str) -> Callable[[Callable[..., Answer]], Callable[..., Finding]]:
    """Makes a function's answer a `Finding`, of level `unknown` where it cannot read or parse something."""

    def decorate(function: Callable[..., Answer]) -> Callable[..., Finding]:
        @wraps(function)
        def run_check(*args: object, **kwargs: object) -> Finding:
            try:
                level, fact, remedy = function(*args, **kwargs)
            except UNREADABLE as error:
                level, fact, remedy = "unknown", _reason(error), ""
            return Finding(name=name, level=level, fact=_printable(fact), remedy=_printable(remedy))

        return run_check

    return decorate


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"cannot read {error.args[0]}" if isinstance(error, KeyError) else str(error)


def _printable(text: str) -> str:
    """The text at a bounded length, without what a terminal might obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_TEXT])


def read(root: Path, path: str) -> str:
    """The text of a file."""
    return (root / path).read_text(encoding="utf-8", errors="replace").strip()


def read_all(root: Path, pattern: str) -> dict[str, str]:
    """Texts of all files of a pattern that can be read, by their path under the root."""
    texts = {}
    for path in sorted(root.glob(pattern)):
        try:
            texts[str(path.relative_to(root))] = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue  # a sensor that is asleep answers with an error
    return texts


def search(pattern: str, text: str) -> str:
    """The first group of a pattern in a text that must contain it."""
    match = re.search(pattern, text, re.MULTILINE)
    if not match:
        raise ValueError(f"expected {pattern!r}. Received: {text[:40]!r}")
    return match[1]


def growth(before: int, after: int) -> int:
    """How much a counter grew, which never counts backwards."""
    if after < before:
        raise ValueError(f"a counter went backwards, from {before} to {after}")
    return after - before


def usable_cores(root: Path) -> list[int]:
    """The cores that this process may use, from a list such as `0-3,8`."""
    text = search(r"^Cpus_allowed_list:\s*(\S+)$", read(root, "proc/self/status"))
    spans = [[int(end) for end in span.split("-")] for span in text.split(",")]
    return sorted({core for span in spans for core in range(span[0], min(span[-1], MAX_CORES) + 1)})
