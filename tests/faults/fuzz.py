"""Fuzzes the readers: `python -m tests.faults.fuzz --minutes 10` damages what they read, again and again.

Only an InputError may come of it: no other exception, no crash, no end by memory or time. Inputs are read in a child
process, and depend on the seed and their number alone.
"""

import argparse
import contextlib
import io
import logging
import os
import random
import resource
import selectors
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults import readers

ROOT = Path(__file__).parents[2]
SECONDS = 60  # for one input; a machine may be busy
GROWTH = 600 << 20  # bytes that one input may add to the most that the process has held
ADDRESS_SPACE = 24 << 30


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not take well, and what came of it."""

    reader: str
    number: int
    says: str


def _tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def reader_of(name: str) -> "readers.Reader":
    """A reader by its name; `faulty` is the control."""
    from tests.faults import readers

    return readers.CONTROL if name == "faulty" else readers.READERS[name]


def make(name: str, seed: int, number: int, inputs: list[bytes]) -> bytes:
    """The input of a number; the first ones are whole."""
    if number < len(inputs):
        return inputs[number]
    chance = random.Random(f"{seed} {name} {number}")
    return reader_of(name).damage(chance.choice(inputs), chance)


def work(names: list[str], seed: int, first: int, last: int) -> None:
    """Reads inputs by their numbers; says on standard output which is read, and what came of it."""
    from flowers_core.errors import InputError

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not any(reader_of(name).needs_tensorflow for name in names):
        _do_without_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            inputs = reader_of(name).inputs()
            for number in range(first, last):
                content = make(name, seed, number, inputs)
                _tell("reads", number, name)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                try:
                    with contextlib.redirect_stderr(io.StringIO()):
                        reader_of(name).read(content, Path(folder))
                except InputError:
                    pass
                except BaseException as error:
                    _tell("found", number, name, repr(_says(error)))
                grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
                if grown > GROWTH and number >= len(inputs):
                    _tell("found", number, name, repr(f"{grown >> 20} MiB of memory"))
                for left in Path(folder).iterdir():
                    if left.is_file():
                        left.unlink()
            _tell("done", last, name)


def _says(error: BaseException) -> str:
    """The error and where it came from, without what differs from input to input."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(str(ROOT)) and "/.venv" not in frame.filename]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-3:], frames[-1])]
    return f"{type(error).__name__} at {', '.join(dict.fromkeys(places))}: {str(error)[:200]}"


def _do_without_tensorflow() -> None:
    """Takes for damaged what libjpeg-turbo refuses: else TensorFlow would be asked, which takes seconds to load."""
    from flowers_core.errors import InputError
    from flowers_core.input import fast_decode

    def refuse(_: bytes) -> None:
        raise InputError("damaged")

    fast_decode._decode_by_tensorflow = refuse


def fuzz(names: list[str], *, seed: int, first: int, last: int) -> list[Finding]:
    """Reads inputs in child processes; one that dies or hangs is a finding, and another goes on after it."""
    findings = []
    waiting = [(name, first) for name in names]
    while waiting:
        chosen, begin = [name for name, _ in waiting], waiting[0][1]
        # a child reads all that is left; after a death the reader that it died of goes on alone
        if begin != first:
            chosen = chosen[:1]
        found, done, died = _run(chosen, seed, begin, last)
        findings += found
        waiting = [(name, start) for name, start in waiting if name not in done]
        if died:
            findings.append(died)
            waiting = [(name, died.number + 1 if name == died.reader else start) for name, start in waiting]
            waiting = [(name, start) for name, start in waiting if start < last]
    return findings


def _run(names: list[str], seed: int, first: int, last: int) -> tuple[list[Finding], set[str], Finding | None]:
    """What a child found, which readers it has done, and what it died of."""
    command = [sys.executable, "-m", "tests.faults.fuzz", "--work", *names]
    command += ["--seed", str(seed), "--first", str(first), "--last", str(last)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    findings, done, reads = [], set(), (names[0], first)
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, env=environment) as child,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(child.stdout, selectors.EVENT_READ)
        rest, hung = b"", False
        while True:
            if not selector.select(SECONDS + 60 * (reads[1] == first)):
                hung = True
                child.kill()
                break
            block = os.read(child.stdout.fileno(), 1 << 16)
            if not block:
                break
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                what, number, name = line.decode().split(" ", 2)
                if what == "done":
                    done.add(name)
                elif what == "found":
                    name = next(known for known in sorted(names, key=len, reverse=True) if name.startswith(known + " "))
                    findings.append(Finding(name, int(number), line.decode().split(f" {name} ", 1)[1]))
                else:
                    reads = name, int(number)
        code = child.wait()
        errors.seek(0)
        says = f"no answer in {SECONDS} s" if hung else f"ended with {code}: {errors.read()[-600:]}"
    return findings, done, Finding(*reads, says) if code else None


def main() -> int:
    """Fuzzes until the time is over; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--readers", nargs="*")
    parser.add_argument("--at-once", type=int, default=100, help="inputs of each reader in one round")
    for hidden in ("--first", "--last"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.seed, given.first, given.last)
        return 0
    from tests.faults.readers import READERS

    names = given.readers or list(READERS)
    begun, first, seen = monotonic(), 0, {}
    folder = Path(tempfile.mkdtemp(prefix="flowers-fuzz-"))
    while (monotonic() - begun) < given.minutes * 60:
        for name in names:
            for finding in fuzz([name], seed=given.seed, first=first, last=first + given.at_once):
                what = finding.says.split(": ")[0]
                if (name, what) not in seen:
                    seen[name, what] = path = folder / f"{name.replace(' ', '-')}-{finding.number}"
                    path.write_bytes(make(name, given.seed, finding.number, reader_of(name).inputs()))
                    _tell(f"\nFOUND {name} {finding.number}: {finding.says}\n  input: {path}")
            spent = (monotonic() - begun) / 60
            _tell(
                f"{name}: {first + given.at_once:,} inputs; {len(seen)} findings in all, {spent:.1f} min, "
                f"{max(0.0, given.minutes - spent):.1f} min left; seed {given.seed}"
            )
            if spent > given.minutes:
                break
        first += given.at_once
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
