"""A race: every lane in a fresh process of its own, one running while all others are held still, round after round.

A lap is a start of all lanes and some rounds. There are several, as processes of one program differ by more than
their turns do.
"""

import json
import os
import random
import select
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bench.input.loaders.registry import Lane
from bench.input.loaders.result import LoaderResult
from bench.input.loaders.task import Task
from bench.machine import facts
from bench.results.cell import Cell
from bench.run import process
from bench.run.data_source import Source

ANSWER_SECONDS = 180.0


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a race takes: rounds that count, seconds of each turn, images a batch.

    Attributes:
        processes: Of each lane, one after another; the rounds are shared out among them.
    """

    rounds: int = 9
    seconds: float = 1.0
    batch_size: int = 32
    processes: int = 3

    @property
    def laps(self) -> list[int]:
        """Rounds of each lap: one less in the last ones where they are not a multiple."""
        count = min(self.processes, self.rounds)
        return [len(range(number, self.rounds, count)) for number in range(count)]

    def calls(self, lanes: int) -> int:
        """How many starts and turns so many lanes take, those that do not count among them."""
        return lanes * sum(rounds + 2 for rounds in self.laps)


class Runner:
    """The parent's end of one lane."""

    def __init__(self, lane: Lane, task: Task, *, python: str):
        self.lane, self.rates, self.cpu_seconds = lane, [], []
        self.status, self.reason = "ok", ""
        self._words = Path(task.scratch) / "stderr"
        command, env = [python, "-P", "-m", "bench.input.loaders.worker"], process.environment(Cell(model="dense"))
        self._process, self._answers = process.begin(command, Path(task.scratch), self._words, env=env)
        try:
            self._tell({"task": asdict(task), "module": lane.module, "parent": os.getpid()})
            self._heard(self._answer())
        except BaseException:  # Ctrl-C while it starts: nobody else knows of it yet
            self.end()
            raise

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
        return {"error": process.how_it_died(self._process.wait(), 0, 1, self._words)[1]}

    def _heard(self, answer: dict) -> dict:
        if reason := answer.get("absent") or answer.get("error"):
            self.status, self.reason = "n/a" if "absent" in answer else "error", reason
            process.end(self._process)
        else:
            process.hold(self._process)
        return answer

    def turn(self, seconds: float, *, counts: bool = True) -> None:
        """Lets all its processes go on, and holds them still again when batches have been drawn."""
        if self.status != "ok":
            return
        process.release(self._process)
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

    def added(self, turns: LoaderResult) -> LoaderResult:
        """What its lane has done, with this process."""
        good = self.status == "ok"
        return replace(
            turns,
            status=self.status,
            reason=self.reason,
            rates=(*turns.rates, *self.rates) if good else (),
            cpu_seconds=(*turns.cpu_seconds, *self.cpu_seconds) if good else (),
            processes=turns.processes + bool(self.rates),
        )

    def end(self) -> None:
        """Ends the lane and whatever it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._answers.close()


def run(
    lanes: Sequence[Lane], source: Source, effort: Effort, *, keep, advance=lambda _: None, python: str = ""
) -> str:
    """Runs a race.

    Args:
        lanes: Who runs.
        source: Photos and records.
        effort: How long.
        keep: Is given what each lane did, also if the race is interrupted.
        advance: Called with how many starts and turns are over.
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
        "machine": facts.fingerprint(),
        "code": facts.code(),
    }
    done = {lane.id: LoaderResult(lane=lane.id, processes=0, **common) for lane in lanes}
    with tempfile.TemporaryDirectory(prefix="flowers-bench-") as scratch:
        files = {"photos": source.photos, "records": str(_unpacked(source, Path(scratch) / "files"))}

        def start(lane: Lane, room: Path) -> Runner:
            room.mkdir(parents=True)
            folders = {"files": files[lane.job], "photos": source.photos, "records": source.records}
            task = Task(job=lane.job, way=lane.way, scratch=str(room), **folders, **data)
            return Runner(lane, task, python=python if lane.side == "peer" and python else sys.executable)

        draw = random.Random(0)
        try:
            for lap, rounds in enumerate(effort.laps):
                fit = [lane for lane in lanes if done[lane.id].status == "ok"]
                advance((len(lanes) - len(fit)) * (rounds + 2))
                starts = [partial(start, lane, Path(scratch) / f"{lap}-{place}") for place, lane in enumerate(fit)]
                _lap(starts, done, rounds=rounds, seconds=effort.seconds, draw=draw, advance=advance)
        finally:
            for one in done.values():
                if one.rates or one.status != "ok":
                    keep(one)
    return common["race"]


def _lap(
    starts: Sequence[Callable[[], Runner]], done: dict[str, LoaderResult], *, rounds, seconds, draw, advance
) -> None:
    """Starts lanes, which take turns in an order drawn anew each round; the first round is thrown away.

    What they did is added to what was done before, also if the lap is interrupted.
    """
    running: list[Runner] = []
    with ExitStack() as stack:
        try:
            for start in starts:
                running.append(start())
                stack.callback(running[-1].end)
                advance(1)
            for number in range(rounds + 1):
                for one in draw.sample(running, len(running)):
                    one.turn(seconds, counts=number > 0)
                    advance(1)
        finally:
            for one in running:
                done[one.lane.id] = one.added(done[one.lane.id])


def _unpacked(source: Source, folder: Path) -> Path:
    """Writes the images of records as files, byte for byte, into class folders."""
    import tensorflow as tf

    from flowers_core.data import manifest, tfrecords

    written = source.manifest()
    data = tf.data.TFRecordDataset(list(manifest.paths(source.records, written))).batch(64)
    number = 0
    for some in data:
        for jpeg, label in zip(*tfrecords.parse_batch(some), strict=True):
            path = folder / written.classes[int(label)] / f"{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg.numpy())
            number += 1
    return folder
