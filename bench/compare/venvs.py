"""Makes and caches virtual environments by uv: whole or not at all."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from bench.machine.facts import WORK_DIR
from bench.run.product import InputError, RunFailed

CACHE = WORK_DIR / ".asv" / "environments"

FINISHED = "finished"  # the file in an environment that is written last
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")  # one folder's name; no dot in front, there stand the locks
LAST_LINES = 6  # that uv prints: its reasons stand at the end, in a tree of a few lines


def ensure(
    key: str, install: Sequence[str], *, cache: Path = CACHE, tell: Callable[[str], object] = lambda _: None
) -> Path:
    """The python of an environment in which everything of `install` has been installed; made if it is missing.

    What a killed process has left is removed and made anew. Two processes that ask for the same key take turns, and
    the second finds what the first has made.

    Args:
        key: Name of the environment. A second call with the same key gets what was installed first.
        install: What follows `uv pip install`: requirements, wheels, options.
        cache: Folder of all environments.
        tell: Reports progress, a line at a time.

    Raises:
        InputError: If `key` cannot be the name of a folder.
        RunFailed: If it cannot be made, with the last lines that uv printed; nothing is left of it then.
    """
    python = find(key, cache=cache)
    if python:
        return python
    folder = cache.absolute() / key
    with _lock(key, cache=cache, tell=tell) as lock:
        python = find(key, cache=cache)  # another may have made it while this one waited
        if python:
            return python
        _remove(folder)
        tell(f"installs environment {key}")
        start = perf_counter()
        try:
            _make(folder, install, lock=lock)
        except RunFailed:
            _remove(folder)  # a disk that is full should not stay so
            raise
        tell(f"installed environment {key} in {perf_counter() - start:.0f} s")
    return folder / "bin" / "python"


def find(key: str, *, cache: Path = CACHE) -> Path | None:
    """The python of a finished environment; None if there is none, or its interpreter has gone.

    Raises:
        InputError: If `key` cannot be the name of a folder.
    """
    if not KEY.fullmatch(key):
        raise InputError(f"`key` must be a name of letters, digits and any of ._+-. Received: key={key!r}")
    folder = cache.absolute() / key
    python = folder / "bin" / "python"
    return python if (folder / FINISHED).exists() and python.exists() else None


def uv(*words: str | Path, hold: Sequence[int] = ()) -> None:
    """Runs uv, the one that is installed beside this python.

    Args:
        words: What follows `uv`.
        hold: Open files that it keeps open for as long as it lives.

    Raises:
        RunFailed: If it fails; the message ends with the last lines that it printed.
    """
    command = [sys.executable, "-m", "uv", *map(str, words)]
    process = subprocess.run(command, pass_fds=hold, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if process.returncode:
        errors = [line.rstrip() for line in process.stderr.decode(errors="replace").splitlines() if line.strip()]
        last = "\n".join(errors[-LAST_LINES:]) or f"nothing; exit code {process.returncode}"
        raise RunFailed(f"`uv {words[0]}` must succeed. Mend what it reports, and try again. It printed:\n{last}")


def _make(folder: Path, install: Sequence[str], *, lock: int) -> None:
    """Makes an environment and marks it as finished.

    uv keeps the lock open. If this process is killed, uv goes on for a while, and would write into what the next
    process makes: so that one waits until uv has ended.
    """
    python = folder / "bin" / "python"
    uv("venv", "--no-project", "--python", sys.executable, folder, hold=[lock])
    uv("pip", "install", "--python", python, "--compile-bytecode", *install, hold=[lock])
    os.sync()  # else a power cut may leave the marker without what it stands for
    (folder / FINISHED).touch()


def _remove(folder: Path) -> None:
    """Removes what is left of an environment; its marker first, for this may be killed as well."""
    (folder / FINISHED).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


@contextmanager
def _lock(key: str, *, cache: Path, tell: Callable[[str], object]) -> Iterator[int]:
    """Waits until no other process makes the environment; yields the lock, which is released when it is closed."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f".{key}.lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(f"waits for another process, which installs environment {key}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
