"""Commits of a repository, in the order in which its branch got them."""

import subprocess
from pathlib import Path

from bench.machine.facts import PROJECT_ROOT
from flowers_core.errors import InputError

SHORT = 8  # digits of a commit in tables, as in names of asv's files


def line(repository: Path = PROJECT_ROOT, *, branch: str = "HEAD") -> dict[str, str]:
    """The first-parent line of a branch: what it pointed at, one after the other; the oldest first.

    Commits of merged branches are no part of it: between two of them the code does not change step by step.

    Returns:
        Subject line by commit (40 digits).

    Raises:
        InputError: If there is no such repository or branch.
    """
    command = ["git", "log", "--first-parent", "--reverse", "--format=%H%x09%s", "--end-of-options", branch, "--"]
    try:
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError(f"The history of {repository} cannot be read: {error}. Expected a git repository") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise InputError(f"`branch` must be a branch or commit of {repository}. Received: branch={branch!r} ({said})")
    return dict(row.split("\t", 1) for row in done.stdout.split("\n") if row)


def short(commit: str) -> str:
    """A commit as tables show it."""
    return commit[:SHORT]
