"""Fresh processes with limits on time and memory, one for a cell; the only place that makes measuring processes.

It also chooses their environment: backend, visible devices, what the frameworks print.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, sleep
from types import MappingProxyType
from typing import TextIO

from bench.machine import facts
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.run.measure import Job
from flowers_core.data import storage
from flowers_core.errors import InputError

COMMAND = (sys.executable, "-m", "bench.run.measure")

LOOK_SECONDS = 0.2  # how often the parent looks; it sleeps in between, for a busy wait would take a core
MEMORY_SHARE = 0.9  # of what the machine has free when the cell starts

# The kernel's out-of-memory killer sends SIGKILL. TensorFlow dies by SIGSEGV or SIGABRT when an allocation fails,
# without a word; near the limit that is what it was.
NEAR_LIMIT = 0.7


def environment(cell: Cell, *, path: str = str(facts.PROJECT_ROOT)) -> dict[str, str]:
    """Variables for a process that measures a cell, with the ruler from `path`."""
    chosen = {**os.environ, "KERAS_BACKEND": cell.backend, "PYTHONPATH": path}
    storage.configure_client(chosen)
    chosen.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings stay: they may be the reason of a crash
    if cell.device == "cpu":
        chosen["JAX_PLATFORMS"] = "cpu"
        chosen["CUDA_VISIBLE_DEVICES"] = "-1"
    return chosen


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process ended.

    Attributes:
        status: `ok` for exit code 0, else one of `measurement.STATUSES`.
        reason: Why, where the status is not `ok`.
        printed: What it wrote to standard output.
        peak_bytes: The largest resident set that was seen.
    """

    status: str
    reason: str
    printed: bytes
    peak_bytes: int


def run(command: Sequence[str], folder: Path, *, env: dict[str, str], given: bytes = b"", **limits) -> Ended:
    """Runs a process in a folder until it ends or reaches a limit; nothing of it is left then, even after Ctrl-C.

    Args:
        command: What to run.
        folder: Where it runs, and where what it prints is kept.
        env: Its variables.
        given: What it reads from standard input.
        limits: `timeout` in seconds, `memory_bytes` of its resident set, and `what` is limited, for the reason.
    """
    printed, words = folder / "stdout", folder / "stderr"
    with printed.open("wb") as stdout, words.open("wb") as stderr:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=folder,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the child
        )
    try:
        with suppress(BrokenPipeError):  # it has died already, and will be told how
            child.stdin.write(given)
            child.stdin.close()
        status, reason, peak = _watch(child, words, **limits)
    finally:
        end(child)
    return Ended(status=status, reason=reason, printed=printed.read_bytes(), peak_bytes=peak)


def begin(command: Sequence[str], folder: Path, words: Path, *, env: dict[str, str]) -> tuple[subprocess.Popen, TextIO]:
    """Starts a process that takes orders on its standard input and goes on until it is ended.

    Args:
        command: What to run; the descriptor on which it has to answer is added as the last argument.
        folder: Where it runs.
        words: What it says on standard error.
        env: Its variables.

    Returns:
        The process and its answers.
    """
    read, write = os.pipe()
    with words.open("wb") as stderr:
        child = subprocess.Popen(
            [*command, str(write)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=env,
            cwd=folder,
            pass_fds=(write,),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the child
        )
    os.close(write)
    return child, os.fdopen(read, "r")


def hold(child: subprocess.Popen) -> None:
    """Holds a process and all that it started still, until `release`.

    Waiting for an order is not enough: pipelines would go on filling their buffers beside whoever is measured.
    """
    os.killpg(child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)


def release(child: subprocess.Popen) -> None:
    """Lets them go on."""
    os.killpg(child.pid, signal.SIGCONT)


def spawn(
    job: Job,
    *,
    timeout: float = 600.0,
    memory_bytes: int | None = None,
    command: Sequence[str] = COMMAND,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Measurement:
    """Measures a job in a fresh process.

    Args:
        job: What to measure.
        timeout: Seconds after which the process is ended: status `timeout`.
        memory_bytes: Resident set at which it is ended: status `oom`. 90 % of what is free, unless given.
        command: What to run; it reads the job from standard input.
        variables: Of its environment, beside those of `environment`.

    Returns:
        The process's own measurement, or, if it gave none, one that says how it died.
    """
    started, start = datetime.now(UTC), perf_counter()
    with room() as folder:
        answer = folder / "measurement.json"
        given = json.dumps({**job.to_json(), "answer": str(answer), "parent": os.getpid()}).encode()
        limits = {"timeout": timeout, "memory_bytes": memory_bytes, "what": "one cell (`--timeout`)"}
        ended = run(command, folder, env={**environment(job.cell), **variables}, given=given, **limits)
        if ended.status == "ok" and answer.exists():
            return Measurement.from_json(json.loads(answer.read_text()))
        status, reason = ended.status, ended.reason
        if status == "ok":
            status, reason = how_it_died(0, 0, 1, folder / "stderr")
    return Measurement(
        cell=job.cell,
        status=status,
        reason=reason,
        started=started.isoformat(timespec="seconds"),
        process_seconds=perf_counter() - start,
        peak_bytes=ended.peak_bytes or None,
        data=_described(job),
        machine=facts.fingerprint(),
        code=facts.code(),
    )


@contextmanager
def room() -> Iterator[Path]:
    """An empty folder for a process, while the block runs."""
    with tempfile.TemporaryDirectory(prefix="flowers-bench-") as folder:
        yield Path(folder)


def _described(job: Job) -> dict:
    """What the job read, as its process would have said; not of a bucket, which may be what it died of."""
    if job.cell.reads and "://" in job.source.photos + job.source.records:
        return {}
    try:
        return job.describe()
    except (InputError, OSError):
        return {}


def _free_bytes() -> int:
    import psutil

    return psutil.virtual_memory().available


def _watch(
    child: subprocess.Popen, words: Path, *, timeout: float, memory_bytes: int | None = None, what: str
) -> tuple[str, str, int]:
    """Waits for the child's end, or ends it at a limit; gives status, reason and the largest resident set seen."""
    import psutil

    deadline, limit, peak = perf_counter() + timeout, memory_bytes or int(MEMORY_SHARE * _free_bytes()), 0
    while child.poll() is None:
        if perf_counter() > deadline:
            return "timeout", f"ended after {timeout:.0f} s, the limit for {what}", peak
        try:
            peak = max(peak, psutil.Process(child.pid).memory_info().rss)
        except psutil.Error:  # it has just ended
            continue
        if peak > limit:
            return "oom", f"ended at its memory limit of {limit:,} bytes (`--memory`)", peak
        sleep(LOOK_SECONDS)
    return *(("ok", "") if child.returncode == 0 else how_it_died(child.returncode, peak, limit, words)), peak


def end(child: subprocess.Popen) -> None:
    """Ends the child and whatever it started, if it still lives."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def how_it_died(code: int, peak: int, limit: int, words: Path) -> tuple[str, str]:
    """Status and reason of a process that ended without an answer."""
    said = [line for line in words.read_text(errors="replace").splitlines() if line.strip()]
    last = f"; it said: {said[-1][:300]}" if said else "; it said nothing"
    if code == 0:
        return "crash", f"the process ended without an answer{last}"
    number = -code if code < 0 else code - 128 if code > 128 else 0  # beyond 128: as a shell reports signals
    if not number:
        return "crash", f"exit code {code}{last}"
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL or peak > NEAR_LIMIT * limit:
        return "oom", f"killed by {name} holding {peak:,} bytes, most likely for want of memory{last}"
    return "crash", f"memory or crash: ended by {name}{last}"
