"""A race: every lane in a fresh process of its own, one running while all others are held still, round after round."""

import json
import os
import random
import select
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.lab import machine, spawn
from bench.lab.cell import Cell
from bench.lab.source import Source
from bench.lab.turns import Turns
from bench.peers.lanes import Lane
from bench.peers.task import Task

ANSWER_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a race takes: rounds that count, seconds of each turn, images a batch."""

    rounds: int = 9
    seconds: float = 1.0
    batch_size: int = 32


class Runner:
    """The parent's end of one lane."""

    def __init__(self, lane: Lane, task: Task, *, python: str):
        self.lane, self.rates, self.cpu_seconds = lane, [], []
        self.status, self.reason = "ok", ""
        self._words = Path(task.scratch) / "stderr"
        command, env = [python, "-P", "-m", "bench.peers.lane"], spawn.environment(Cell(model="dense"))
        self._process, self._answers = spawn.begin(command, Path(task.scratch), self._words, env=env)
        self._tell({"task": asdict(task), "module": lane.module, "parent": os.getpid()})
        self._heard(self._answer())

    def _tell(self, order: dict) -> None:
        with suppress(BrokenPipeError):  # it has died, which the answer will say
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def _answer(self) -> dict:
        ready, _, _ = select.select([self._answers], [], [], ANSWER_SECONDS)
        line = self._answers.readline() if ready else None
        if line:
            return json.loads(line)
        if line is None:
            return {"error": f"no answer within {ANSWER_SECONDS:.0f} s"}
        return {"error": spawn.how_it_died(self._process.wait(), 0, 1, self._words)[1]}

    def _heard(self, answer: dict) -> dict:
        if reason := answer.get("absent") or answer.get("error"):
            self.status, self.reason = "n/a" if "absent" in answer else "error", reason
            spawn.end(self._process)
        else:
            spawn.hold(self._process)
        return answer

    def turn(self, seconds: float, *, counts: bool = True) -> None:
        """Lets all its processes go on, and holds them still again when batches have been drawn."""
        if self.status != "ok":
            return
        spawn.release(self._process)
        before = self._cpu()
        self._tell({"seconds": seconds})
        answer = self._heard(self._answer())
        if counts and self.status == "ok":
            self.rates.append(answer["images"] / answer["seconds"])
            self.cpu_seconds.append((self._cpu() - before) / answer["images"])

    def _cpu(self) -> float:
        """CPU seconds so far of the process and all that it started."""
        import psutil

        own = psutil.Process(self._process.pid)
        spent = 0.0
        for each in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                spent += times.user + times.system
        return spent

    def did(self, common: dict) -> Turns:
        """What it has done so far."""
        good = self.status == "ok"
        return Turns(
            lane=self.lane.id,
            status=self.status,
            reason=self.reason,
            rates=tuple(self.rates) if good else (),
            cpu_seconds=tuple(self.cpu_seconds) if good else (),
            **common,
        )

    def end(self) -> None:
        """Ends the lane and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._answers.close()


def run(lanes: Sequence[Lane], source: Source, effort: Effort, *, keep, advance=lambda: None, python: str = "") -> str:
    """Runs a race.

    Args:
        lanes: Who runs.
        source: Photos and records.
        effort: How long.
        keep: Is given what each lane did, also if the race is interrupted.
        advance: Called after each start and turn.
        python: Interpreter of the peers; ours if not given.

    Returns:
        What marks the race.
    """
    written, started = source.manifest(), datetime.now(UTC)
    data = {"image_size": written.image_size, "batch_size": effort.batch_size, "cores": len(os.sched_getaffinity(0))}
    common = {
        "race": started.strftime("%Y%m%dT%H%M%SZ"),
        "data": {**source.describe("records"), **data},
        "started": started.isoformat(timespec="seconds"),
        "machine": machine.fingerprint(),
        "code": machine.code(),
    }
    running: list[Runner] = []
    with tempfile.TemporaryDirectory(prefix="flowers-bench-") as scratch, ExitStack() as stack:
        files = {"photos": source.photos, "records": str(_unpacked(source, Path(scratch) / "files"))}
        try:
            for number, lane in enumerate(lanes):
                room = Path(scratch) / f"{number}"
                room.mkdir()
                folders = {"files": files[lane.job], "photos": source.photos, "records": source.records}
                task = Task(job=lane.job, way=lane.way, scratch=str(room), **folders, **data)
                one = Runner(lane, task, python=python if lane.side == "peer" and python else sys.executable)
                stack.callback(one.end)
                running.append(one)
                advance()
            _take_turns(running, effort, advance)
        finally:
            for one in running:
                if one.rates or one.status != "ok":
                    keep(one.did(common))
    return common["race"]


def _take_turns(running: list[Runner], effort: Effort, advance) -> None:
    """Round after round, in an order drawn anew; the first round is thrown away."""
    for number in range(effort.rounds + 1):
        for one in random.Random(number).sample(running, len(running)):
            one.turn(effort.seconds, counts=number > 0)
            advance()


def _unpacked(source: Source, folder: Path) -> Path:
    """Writes the images of records as files, byte for byte, into class folders."""
    import tensorflow as tf

    from flowers_core import manifest, records

    written = source.manifest()
    data = tf.data.TFRecordDataset(list(manifest.paths(source.records, written))).batch(64)
    number = 0
    for some in data:
        for jpeg, label in zip(*records.parse_batch(some), strict=True):
            path = folder / written.classes[int(label)] / f"{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg.numpy())
            number += 1
    return folder
