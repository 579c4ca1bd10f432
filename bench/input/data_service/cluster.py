"""A dispatcher and its workers as processes of this machine."""

import json
import os
import select
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.input.data_service import bind
from bench.input.data_service.server import LOCAL
from bench.results.cell import Cell
from bench.run import process
from bench.run.failures import RunFailed

READY_SECONDS = 180.0  # TensorFlow's import on a busy machine


class Server:
    """The parent's end of one server."""

    def __init__(self, role: str, folder: Path, **details):
        self.role, self.address = role, f"{LOCAL}:{bind.free_port(LOCAL)}"
        self._words = folder / f"{self.address}.stderr"
        command, env = (
            [sys.executable, "-m", "bench.input.data_service.server"],
            process.environment(Cell(model="dense")),
        )
        self.process, self._answers = process.begin(command, folder, self._words, env=env)
        asked = {"role": role, "bind": self.address, "parent": os.getpid(), **details}
        self.process.stdin.write(json.dumps(asked).encode())
        self.process.stdin.close()

    def wait(self) -> None:
        """Waits until it serves.

        Raises:
            RunFailed: If it does not.
        """
        with self._answers:
            ready, _, _ = select.select([self._answers], [], [], READY_SECONDS)
            line = self._answers.readline() if ready else ""
        if not line:
            died = process.how_it_died(self.process.wait(), 0, 1, self._words)[1] if ready else "no answer"
            raise RunFailed(f"The {self.role} at {self.address} did not start within {READY_SECONDS:g} s: {died}")
        answer = json.loads(line)
        if "error" in answer:
            raise RunFailed(answer["error"])

    def end(self) -> None:
        """Ends it."""
        process.end(self.process)


class Cluster:
    """A dispatcher and workers that have registered with it."""

    def __init__(self, dispatcher: Server, workers: list[Server]):
        self.servers = [dispatcher, *workers]
        self.address = f"grpc://{dispatcher.address}"

    @property
    def pids(self) -> dict[str, list[int]]:
        """Process ids by role."""
        dispatcher, *workers = (server.process.pid for server in self.servers)
        return {"dispatcher": [dispatcher], "workers": workers}


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """A cluster of this machine while the block runs; its workers end first, or they would complain.

    Raises:
        RunFailed: If a server does not start.
    """
    with process.room() as folder, ExitStack() as stack:
        # The workers' addresses are promised to the dispatcher before they are known: any port of this machine.
        dispatcher = Server("dispatcher", folder, workers=[f"{LOCAL}:%port%"] * workers)
        stack.callback(dispatcher.end)
        dispatcher.wait()
        started = []
        for _ in range(workers):
            started.append(Server("worker", folder, dispatcher=f"grpc://{dispatcher.address}"))
            stack.callback(started[-1].end)
        for worker in started:
            worker.wait()
        yield Cluster(dispatcher, started)
