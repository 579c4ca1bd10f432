"""Texts that take seconds to make and stay the same for a version, in the user's cache folder."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def folder() -> Path:
    """Where they are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flowers-bench"


def text(name: str, make: Callable[[], str]) -> str:
    """A text by its name, which holds the version of whatever it is made from; made where it is not kept whole.

    Where there is no home that can be written to it is made each time.

    Args:
        name: Of the file.
        make: Makes the text.
    """
    kept = folder() / name
    with suppress(OSError, UnicodeDecodeError):
        found, _, digest = kept.read_bytes().decode().rpartition("\n//")
        if digest == _digest(found):  # whole
            return found
    made = make()
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        unfinished.write_bytes(f"{made}\n//{_digest(made)}".encode())
        unfinished.replace(kept)
    return made


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]
