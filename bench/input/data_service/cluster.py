"""A dispatcher and its workers as processes of this machine."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.input.data_service import bind
from bench.input.data_service.server import LOCAL
from bench.run import process
from bench.run.product import RunFailed

READY_SECONDS = 180.0  # TensorFlow's import on a busy machine


class Server:
    """The parent's end of one server."""

    def __init__(self, role: str, folder: Path, **details):
        self.role, self.address = role, f"{LOCAL}:{bind.free_port(LOCAL)}"
        self._details = details
        command, env = [sys.executable, "-m", "bench.input.data_service.server"], process.environment()
        folder = folder / self.address.replace(":", "-")
        folder.mkdir()
        name = f"The {role} at {self.address} did not start"
        self.process = process.ChildProcess(command, folder, name=name, env=env)

    def wait(self) -> None:
        """Waits until it serves.

        Raises:
            RunFailed: If it does not.
        """
        asked = {"role": self.role, "bind": self.address, **self._details}
        answer = self.process.ask(asked, timeout=READY_SECONDS)
        if "error" in answer:
            raise RunFailed(answer["error"])

    def end(self) -> None:
        """Ends it."""
        self.process.end()


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
    with process.scratch() as folder, ExitStack() as stack:
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
