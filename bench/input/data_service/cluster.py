"""A dispatcher and its workers as processes of this machine, killed and started again as asked."""

import json
import os
import select
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.input.data_service import bind
from bench.input.data_service.server import LOCAL
from bench.results.cell import Cell
from bench.run import process
from bench.run.failures import RunFailed

READY_SECONDS = 180.0  # TensorFlow's import on a busy machine
LOOK_SECONDS = 0.2


class Server:
    """The parent's end of one server."""

    def __init__(self, role: str, folder: Path, **details):
        self.role, self._folder, self._details = role, folder, details
        self.address = f"{LOCAL}:{bind.free_port(LOCAL)}"
        self.begin()

    def begin(self) -> None:
        """Starts it, at the address that it had before."""
        self._words = self._folder / f"{self.address}.stderr"
        command, env = (
            [sys.executable, "-m", "bench.input.data_service.server"],
            process.environment(Cell(model="dense")),
        )
        self.process, self._answers = process.begin(command, self._folder, self._words, env=env)
        asked = {"role": self.role, "bind": self.address, "parent": os.getpid(), **self._details}
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

    def __init__(self, workers: int, folder: Path):
        """Starts them; `end` is to be called whatever happens then.

        Raises:
            RunFailed: If one does not start.
        """
        self.servers: list[Server] = []
        # One thread for as long as the servers live: the kernel ends them with the thread that started them.
        self._keeper = ThreadPoolExecutor(max_workers=1)
        try:
            self._start(workers, folder)
        except BaseException:
            self.end()
            raise

    def _start(self, workers: int, folder: Path) -> None:
        # Its workers' addresses are promised to it, though they are not known yet: any port of this machine.
        dispatcher = Server("dispatcher", folder, workers=[f"{LOCAL}:%port%"] * workers)
        self.servers.append(dispatcher)
        dispatcher.wait()
        self.address = f"grpc://{dispatcher.address}"
        self.servers += [Server("worker", folder, dispatcher=self.address) for _ in range(workers)]
        for one in self.servers[1:]:
            one.wait()

    @property
    def pids(self) -> dict[str, list[int]]:
        """Process ids by role."""
        dispatcher, *workers = (one.process.pid for one in self.servers)
        return {"dispatcher": [dispatcher], "workers": workers}

    def mend(self) -> None:
        """Starts each worker again that has died, at its address."""
        for one in self.servers[1:]:
            if one.process.poll() is not None:
                one.begin()
                one.wait()

    @contextmanager
    def minded(self) -> Iterator[None]:
        """Starts a worker again when it has died, while the block runs, as a supervisor would."""
        over = threading.Event()

        def mind() -> None:
            while not over.wait(LOOK_SECONDS):
                self.mend()

        minding = self._keeper.submit(mind)
        try:
            yield
        finally:
            over.set()
            minding.result()

    def end(self) -> None:
        """Ends them all, workers first: one without a dispatcher would complain."""
        for one in reversed(self.servers):
            one.end()
        self._keeper.shutdown()


@contextmanager
def cluster(workers: int) -> Iterator[Cluster]:
    """A cluster of this machine while the block runs."""
    with process.room() as folder:
        one = Cluster(workers, folder)
        try:
            yield one
        finally:
            one.end()
