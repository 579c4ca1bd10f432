"""The child's end of `bench.run.process.ChildProcess`: orders come on standard input, answers go to a descriptor.

Nothing that a framework prints can get between the answers. Run as a program, it ends the command that follows its
arguments together with the parent. Only the standard library is imported: the interpreter may have nothing else.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress


def connect() -> tuple[Iterator[dict], Callable[[dict], None]]:
    """Gives the orders of the parent, the job first, and a function that answers at once with one JSON line."""
    answers = open(int(sys.argv[1]), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as this process lives

    def answer(values: dict) -> None:
        answers.write(json.dumps(values, allow_nan=False) + "\n")
        answers.flush()

    return map(json.loads, iter(sys.stdin.readline, "")), answer


def die_with_parent(parent: int) -> None:
    """Lets the kernel end this process when its parent is killed: an orphan would disturb what is measured next.

    Why not a thread that watches the parent, or a pipe that closes with it: a process that is held still, or that
    waits inside a framework, runs neither. The kernel's signal survives `exec` and needs nobody's help.
    """
    with suppress(OSError, AttributeError):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it was killed before the kernel was asked
        sys.exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
