"""Fresh processes with limits on time and memory; the only place that makes measuring processes.

It also chooses their environment: backend, visible devices, what the frameworks print.
"""

import errno
import json
import os
import random
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import IO, cast

from bench.machine import facts
from bench.machine.own import durable, resources
from bench.results import format
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.run import child, death, product
from bench.run.death import Died
from bench.run.measure import Job
from bench.run.product import InputError

MEASURE = (sys.executable, "-m", "bench.run.measure")

scratch = durable.scratch_folder  # in which a process runs

SHARED_NAMES = ("sem.mp-", "psm_", "torch_")
SHARED_MAPPING = re.compile(r" (\d+) +/dev/shm/")  # by inode: a semaphore keeps the name that it had while it was made

FAMILY_SECONDS = 1.0  # how often it looks for what a process has started, which takes milliseconds of a core
LOOK_SECONDS = 0.2  # how often the parent looks; it sleeps in between, for a busy wait would take a core
MEMORY_SHARE = 0.9  # of what the machine has free when the process starts

MOST_TEMPORARY = 60  # characters of a path to which Python's multiprocessing adds its sockets, which may have 107

PADDING, MOST_PADDING = "BENCH_ENVIRONMENT_PADDING", 4096


def environment(cell: Cell | None = None, *, path: str = "") -> dict[str, str]:
    """Variables for a process that measures a cell, or runs TensorFlow on the CPU, with the harness from `path`."""
    chosen = {**os.environ, "KERAS_BACKEND": cell.backend if cell else "tensorflow"}
    chosen["PYTHONPATH"] = path or str(facts.harness_folder())
    chosen.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of them would compile TensorFlow anew: 10 s, not 3
    product.configure_client(chosen)
    resources.limit_threads(chosen)
    chosen.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings stay: they may be the reason of a crash
    if cell is None or cell.device == "cpu":
        chosen["JAX_PLATFORMS"] = "cpu"
        chosen["CUDA_VISIBLE_DEVICES"] = "-1"
    return chosen


def padding(draw: random.Random) -> dict[str, str]:
    """A variable of random length, up to a page of memory, for one process.

    Where a process' stack begins depends on the size of its environment, and by luck of that a program may be some
    percent slower in all runs from one shell. With a random one luck is noise, which a test knows how to treat.
    """
    return {PADDING: "x" * draw.randrange(MOST_PADDING)}


class ChildProcess:
    """A process that answers in JSON lines, with all that it starts; it ends with this process, however that ends.

    Ctrl-C reaches the parent alone, which then ends the child. The kernel ends the child with the *thread* that started
    it: start it in one that lives as long.

    Attributes:
        name: What it is, for messages.
        pid: Its process id, that of its process group as well.
        peak_bytes: The most memory that it and what it started were seen to hold while its memory was limited.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, name: str, env: Mapping[str, str], answers: bool = True
    ):
        """Starts it.

        Args:
            command: What to run; the descriptor on which it answers is added as the last argument, see `child.connect`.
            folder: Where it runs, and where `stderr` is kept, and `stdout` if it gives no answers.
            name: What it is, for messages.
            env: Its variables.
            answers: Whether it answers at all.
        """
        self.name, self.peak_bytes = name, 0
        self._words, self._unread, self._limit = folder / "stderr", b"", 1
        self._family, self._family_seen, self._noted = [], 0.0, set[str]()
        self._before = _shared_names()  # nothing of its own
        if len(str(folder)) <= MOST_TEMPORARY:
            env = {**env, "TMPDIR": str(folder)}  # TensorFlow leaves generated code there, more so when it is killed
        answers_end, write = os.pipe()
        self._answers, self._is_open = answers_end, True
        with self._words.open("wb") as stderr, (Path(os.devnull) if answers else folder / "stdout").open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-IS", child.__file__, str(os.getpid()), *command, *([str(write)] if answers else [])],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=stderr,
                env=env,
                cwd=folder,
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        self._orders = cast("IO[bytes]", self._process.stdin)
        self.pid = self._process.pid

    def __enter__(self) -> "ChildProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def tell(self, order: dict) -> None:
        """Gives an order and does not wait for the answer."""
        with suppress(BrokenPipeError):  # it has died, which `answer` will say
            self._orders.write(json.dumps(order).encode() + b"\n")
            self._orders.flush()

    def answer(self, *, timeout: float, memory_bytes: int | None = None) -> dict:
        """Waits for its next answer.

        Args:
            timeout: Seconds to wait.
            memory_bytes: Resident set at which it is ended; None watches nothing, lest looking disturb what it does.

        Raises:
            Died: If it ended without one, or reached a limit.
        """
        answer = self.answer_or_end(timeout=timeout, memory_bytes=memory_bytes)
        if answer is None:
            said = death.quote(self._words.read_bytes())
            raise Died(self.name, "crash", f"the process ended without an answer{said}")
        return answer

    def answer_or_end(self, *, timeout: float, memory_bytes: int | None = None) -> dict | None:
        """The same of a process that may be done: None if it ended well."""
        deadline = perf_counter() + timeout
        while b"\n" not in self._unread:
            left = max(0.0, deadline - perf_counter())
            ready, _, _ = select.select([self._answers], [], [], min(left, LOOK_SECONDS) if memory_bytes else left)
            received = os.read(self._answers, 2**16) if ready else b""
            self._unread += received
            if not received and (ready or not self.is_alive):
                self.wait(timeout=left, memory_bytes=memory_bytes)
                return None
            if not ready:
                self._check(deadline, f"no answer within {timeout:.0f} s", memory_bytes)
        line, self._unread = self._unread.split(b"\n", 1)
        return json.loads(line)

    def ask(self, order: dict, *, timeout: float, memory_bytes: int | None = None) -> dict:
        """Gives an order and waits for the answer.

        Raises:
            Died: If it ended without one, or reached a limit.
        """
        self.tell(order)
        return self.answer(timeout=timeout, memory_bytes=memory_bytes)

    def wait(
        self,
        *,
        timeout: float,
        memory_bytes: int | None = None,
        accepted: Collection[int] = (),
        listen: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Waits until it has ended.

        Args:
            timeout: Seconds to wait.
            memory_bytes: Resident set at which it is ended; None watches nothing.
            accepted: Exit codes other than 0 that are no failure.
            listen: Called with each line that it prints to standard error, soon after.

        Raises:
            Died: If it ended with an exit code other than 0 and those accepted, or reached a limit.
        """
        deadline = perf_counter() + timeout
        with self._words.open(encoding="utf-8", errors="replace") as words:
            said = ""
            while self.is_alive:
                self._check(deadline, f"it did not end within {timeout:.0f} s", memory_bytes)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(LOOK_SECONDS)
                *lines, said = (said + words.read()).split("\n")
                for line in lines:
                    listen(line)
        if self._process.returncode and self._process.returncode not in accepted:
            held = {"held_bytes": self.peak_bytes, "limit_bytes": self._limit}
            raise Died(self.name, *death.explain(self._process.returncode, self._words.read_bytes(), **held))

    def hold(self) -> None:
        """Holds it and all that it started still, until `release`.

        Waiting for an order is not enough: pipelines would go on filling their buffers beside whoever is measured.
        """
        os.killpg(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._note_shared()

    def release(self) -> None:
        """Lets them go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Ends it and whatever it started, and removes what these would have left in /dev/shm."""
        left = _shared_files(self.pid)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for path in left:
            with suppress(OSError):
                path.unlink()
        if self._is_open:
            with suppress(BrokenPipeError):
                self._orders.close()
            os.close(self._answers)
            self._is_open = False

    def _check(self, deadline: float, late: str, memory_bytes: int | None) -> None:
        """Looks at the limits."""
        if perf_counter() > deadline:
            raise Died(self.name, "timeout", late)
        if memory_bytes is None:
            return
        import psutil

        self._limit = memory_bytes
        with suppress(psutil.Error):  # it has just ended
            self.peak_bytes = max(self.peak_bytes, self._held_bytes())
        if self.peak_bytes > memory_bytes:
            raise Died(self.name, "oom", f"ended at its memory limit of {format.size(memory_bytes)} (`--memory`)")

    def _held_bytes(self) -> int:
        """Its resident set, and what processes that it started, such as decode workers, share with no other."""
        import psutil

        process = psutil.Process(self.pid)
        if perf_counter() > self._family_seen + FAMILY_SECONDS:
            self._family, self._family_seen = process.children(recursive=True), perf_counter()
            self._note_shared()
        held = process.memory_info().rss
        for member in self._family:
            with suppress(psutil.Error):
                held += member.memory_full_info().uss
        return held

    def _note_shared(self) -> None:
        """Notes what it holds in /dev/shm for whoever prunes its folder, should all processes of this run be killed."""
        if (names := _shared_names() - self._before) == self._noted:
            return
        held = {path.name: inode for path, inode in _shared_files(self.pid, names).items()} if names else {}
        self._noted = names
        with suppress(OSError):  # a disk that is full must not end a measurement
            self._words.with_name(f"{durable.SHARED_NOTE}{self.pid}").write_text(json.dumps(held), encoding="utf-8")


def _shared_names() -> set[str]:
    return {path.name for path in durable.SHARED.glob("*") if path.name.startswith(SHARED_NAMES)}


def _shared_files(group: int, young: Collection[str] = ()) -> dict[Path, int]:
    """Inodes of files in /dev/shm, of Python's multiprocessing or of torch, that a process group alone holds.

    The process that would remove them at its end, multiprocessing's resource tracker, is of that group: loaders keep
    batches of megabytes there. Of files younger than the group, if given, nobody else is asked: that is fast.
    """
    files = dict[Path, int]()
    for name in young or _shared_names():
        with suppress(OSError):  # removed just now
            files[durable.SHARED / name] = (durable.SHARED / name).stat().st_ino
    held, others = set[str](), set[str]()
    for folder in Path("/proc").glob("[0-9]*") if files else ():
        with suppress(OSError):  # it has just ended, or is another user's
            is_member = os.getpgid(int(folder.name)) == group
            if is_member or not young:
                maps = (folder / "maps").read_text(encoding="utf-8", errors="replace")
                (held if is_member else others).update(SHARED_MAPPING.findall(maps))
    return {path: inode for path, inode in files.items() if str(inode) in held - others}


def answers(module: str, job: dict, *, timeout: float) -> Iterator[dict]:
    """Runs a module of the harness in a fresh process that sees no accelerator; gives each answer as it comes.

    Args:
        module: Its `__main__` part calls `child.connect`.
        job: Plain values.
        timeout: Seconds for all answers, after which it is ended.

    Raises:
        Died: If it dies, takes too long or takes nearly all memory.
    """
    limits = _Limits(timeout)
    command, name = [sys.executable, "-m", module], f"The process that measures ({module})"
    with scratch() as folder, ChildProcess(command, folder, name=name, env=environment()) as process:
        process.tell(job)
        while (answer := process.answer_or_end(**limits.left())) is not None:
            yield answer


def ask(module: str, job: dict, *, timeout: float, cell: Cell | None = None) -> dict:
    """The first answer of `answers`; whatever the process does then is ended.

    Args:
        module: Its `__main__` part calls `child.connect`.
        job: Plain values.
        timeout: Seconds for the answer.
        cell: Whose backend and device the process has, if any.

    Raises:
        Died: If it gives none.
    """
    command, name = [sys.executable, "-m", module], f"The process that measures ({module})"
    with scratch() as folder, ChildProcess(command, folder, name=name, env=environment(cell)) as process:
        return process.ask(job, **_Limits(timeout).left())


def printed_by(
    command: Sequence[str],
    folder: Path,
    *,
    name: str,
    timeout: float,
    accepted: Collection[int] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
    listen: Callable[[str], object] = lambda _: None,
) -> bytes:
    """Runs a command that is not of the harness in a folder, until it has ended well; gives what it printed.

    Args:
        command: What to run.
        folder: Where it runs.
        name: What it is, for messages.
        timeout: Seconds after which it is ended.
        accepted: Exit codes other than 0 that are no failure.
        variables: Of its environment, beside those of `environment`.
        listen: Called with each line that it prints to standard error.

    Raises:
        Died: If it dies, takes too long or takes nearly all memory.
    """
    env = {**environment(), **variables}
    with ChildProcess(command, folder, name=name, env=env, answers=False) as process:
        process.wait(**_Limits(timeout).left(), accepted=accepted, listen=listen)
    return (folder / "stdout").read_bytes()


def spawn(
    job: Job,
    *,
    timeout: float = 600.0,
    memory_bytes: int | None = None,
    command: Sequence[str] = MEASURE,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Measurement:
    """Measures a job in a fresh process.

    Args:
        job: What to measure.
        timeout: Seconds after which the process is ended: status `timeout`.
        memory_bytes: Resident set at which it is ended: status `oom`. 90 % of what is free, unless given.
        command: What to run; it reads the job from standard input.
        variables: Of its environment, beside those of `environment`.
    """
    started, start = datetime.now(UTC), perf_counter()
    env, limits = {**environment(job.cell), **variables}, _Limits(timeout, memory_bytes)
    with scratch() as folder, ChildProcess(command, folder, name=job.cell.id, env=env) as process:
        try:
            return Measurement.from_json(process.ask(job.to_json(), **limits.left()))
        except Died as error:
            died = error
    return Measurement(
        cell=job.cell,
        status=died.status,
        reason=f"{died.reason} (`--timeout`)" if died.status == "timeout" else died.reason,
        started=started.isoformat(timespec="seconds"),
        process_seconds=perf_counter() - start,
        peak_bytes=process.peak_bytes or None,
        data=described(job),
        machine=facts.fingerprint(),
        code=facts.code(),
    )


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A command that ran from start to end.

    Attributes:
        wall_seconds: From before it was started until the kernel said that it had ended.
        cpu_seconds: User and system, its own and those of all processes that it waited for.
        printed: What it wrote to standard output.
    """

    wall_seconds: float
    cpu_seconds: float
    printed: bytes


def run_to_end(command: Sequence[str], *, env: Mapping[str, str], timeout: float) -> Finished:
    """Runs any command in the current folder, without a shell and without input, and takes its times.

    Why not `ChildProcess`: it starts an interpreter first, whose 10 ms and CPU time would be the command's; and it
    learns of the end by looking every now and then, where the kernel's own word comes at once.

    Raises:
        Died: If it cannot be started, does not end with exit code 0, or takes longer than `timeout` seconds.
    """
    name, parent = shlex.join(command), os.getpid()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=env,
                start_new_session=True,
                preexec_fn=partial(child.die_with_parent, parent),
            )
        except OSError as error:
            # A folder of PATH that may not be read, or is none, would be the reason of a program that is nowhere.
            is_absent = "/" not in command[0] and not shutil.which(command[0], path=env.get("PATH"))
            reason = os.strerror(errno.ENOENT) if is_absent else error.strerror
            raise Died(name, "crash", f"it cannot be started: {reason}") from error
        try:
            ended = os.pidfd_open(process.pid)
            try:
                if not select.select([ended], [], [], timeout)[0]:
                    raise Died(name, "timeout", f"it did not end within {timeout:.0f} s")
                wall_seconds = perf_counter() - start
            finally:
                os.close(ended)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever it left behind would run beside the next
            if process.returncode is None:
                process.wait()
        if process.returncode:
            ending = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
            raise Died(name, "crash", f"it ended with {ending}{death.quote(_content(err))}")
        return Finished(wall_seconds=wall_seconds, cpu_seconds=usage.ru_utime + usage.ru_stime, printed=_content(out))


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


class _Limits:
    """What a whole process may take: seconds from now on, and 90 % of the free memory unless another limit is given."""

    def __init__(self, timeout: float, memory_bytes: int | None = None):
        self._end = perf_counter() + timeout
        self._memory_bytes = memory_bytes or int(MEMORY_SHARE * resources.available_memory())

    def left(self) -> dict:
        """Arguments of `ChildProcess.answer` and `wait`."""
        return {"timeout": self._end - perf_counter(), "memory_bytes": self._memory_bytes}


def described(job: Job) -> dict:
    """What a job reads, as its process would say; nothing of a bucket, which may be what it died of."""
    if job.cell.reads and "://" in job.source.photos + job.source.records:
        return {}
    try:
        return job.describe()
    except (InputError, OSError):
        return {}
