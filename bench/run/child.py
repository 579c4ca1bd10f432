"""A fresh process that answers in JSON lines, one for each thing that it has done: what has ended is never lost."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer

from bench.results.cell import Cell
from bench.run import measure, process
from bench.run.failures import RunFailed


def answers(module: str, job: dict, *, timeout: float) -> Iterator[dict]:
    """Runs a module of the house in a fresh process that sees no accelerator; gives each answer as it comes.

    Args:
        module: With a `__main__` part that calls `work`.
        job: Plain values.
        timeout: Seconds after which it is ended.

    Raises:
        RunFailed: If it dies or takes too long; the message says how.
    """
    receive, send = os.pipe()
    with tempfile.TemporaryDirectory(prefix="flowers-bench-") as folder:
        words = Path(folder) / "stderr"
        with words.open("wb") as stderr:
            child = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(send,),
                env=process.environment(Cell(model="dense")),
                cwd=folder,
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the child
            )
        os.close(send)
        limit = Timer(timeout, child.kill)
        limit.start()
        try:
            with os.fdopen(receive, "rb") as lines:
                with suppress(BrokenPipeError):  # it has died already, and will be told how
                    child.stdin.write(json.dumps({**job, "answers": send, "parent": os.getpid()}).encode())
                    child.stdin.close()
                for line in lines:
                    yield json.loads(line)
            if child.wait():
                late = not limit.is_alive()
                how = f"ended after {timeout:.0f} s" if late else process.how_it_died(child.returncode, 0, 1, words)[1]
                raise RunFailed(f"The process that was to measure ({module}) gave no more answers: {how}")
        finally:
            limit.cancel()
            process.end(child)


def work() -> tuple[dict, "Answering"]:
    """In the child: the job, and what answers."""
    job = json.load(sys.stdin)
    measure.die_with_parent(job["parent"])
    return job, Answering(job["answers"])


class Answering:
    """Writes answers to the parent, a line each; nothing that a framework prints gets in between."""

    def __init__(self, descriptor: int):
        self._file = os.fdopen(descriptor, "w")

    def __call__(self, answer: dict) -> None:
        """Sends one answer at once."""
        self._file.write(json.dumps(answer, allow_nan=False) + "\n")
        self._file.flush()
