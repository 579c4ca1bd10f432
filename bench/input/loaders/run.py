"""A comparison of loaders: each in a fresh process, one running while all others are held still, round after round.

All loaders are started several times over, for some of the rounds each: processes of one program differ by more than
the blocks of one process do.
"""

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench.input.loaders import scaled
from bench.input.loaders.registry import JOBS, Loader
from bench.input.loaders.task import Task
from bench.machine.own import resources
from bench.results.result import Result, new_mark, stamp
from bench.run import process
from bench.run.data_source import Source
from bench.run.durations import Planned, forecast
from flowers_core.input import decode_pool

ANSWER_SECONDS = 180.0
START_SECONDS = 600.0  # imports of torch from a cold disk on a busy machine, and writing the photos in its own format


@dataclass(frozen=True, kw_only=True)
class LoaderResult(Result):
    """What one loader did in a comparison.

    Attributes:
        comparison: Marks the loaders whose blocks were interleaved.
        loader: Id of a loader.
        rates: Images/s of each block; blocks of the same number were measured side by side.
        cpu_seconds: CPU time per image, of all its processes, of each block.
        processes: How many fresh ones measured these blocks, one after another.
        workers: Threads or processes that it decodes by where their number was asked for; 0 for one a core.
        data: Name of the photos, how many, image and batch size, cores.
    """

    KIND = "loaders"
    FORMAT = 1  # blocks of one loader, machine, code (2026-11)
    KEYS = MappingProxyType({**Result.KEYS, "comparison": "race", "loader": "lane"})

    comparison: str
    loader: str
    rates: tuple[float, ...] = ()
    cpu_seconds: tuple[float, ...] = ()
    processes: int = 1
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class LoaderSetup:
    """A loader with a number of threads or processes that decode; 0 for one a core."""

    loader: Loader
    workers: int = 0


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long a comparison takes.

    Attributes:
        rounds: Blocks of each loader that count.
        seconds: Of each block.
        batch_size: Images per batch.
        processes: Of each loader, one after another; the rounds are shared out among them.
        workers: Numbers of threads or processes that decode, each by itself; empty for one a core.
    """

    rounds: int = 9
    seconds: float = 1.0
    batch_size: int = 32
    processes: int = 3
    workers: tuple[int, ...] = ()

    def setups(self, loaders: Sequence[Loader]) -> list[LoaderSetup]:
        """What takes turns: each loader, with each number of workers that was asked for."""
        return [LoaderSetup(loader=loader, workers=workers) for loader in loaders for workers in self.workers or (0,)]

    @property
    def rounds_by_process(self) -> list[int]:
        """Rounds of each process of a loader: one less in the last ones where they are not a multiple."""
        count = min(self.processes, self.rounds)
        return [len(range(number, self.rounds, count)) for number in range(count)]

    def steps(self, loaders: int) -> int:
        """How many starts and blocks a number of loaders takes, warm-up blocks among them."""
        return loaders * len(self.workers or (0,)) * sum(rounds + 2 for rounds in self.rounds_by_process)

    def forecast(self, loaders: int, *, budget_seconds: float | None = None) -> str:
        """What is done, and how long the blocks of it take; nobody knows how long loaders take to start."""
        contenders, processes = loaders * len(self.workers or (0,)), len(self.rounds_by_process)
        what = f"{contenders} loaders in {self.rounds} rounds of blocks and {processes} fresh processes each"
        blocks = contenders * (self.rounds + processes) * self.seconds
        by = f"and what {contenders * processes} processes take to start"
        return forecast(what, blocks, by=by, budget=budget_seconds)

    def planned(self, budget_seconds: float) -> Planned:
        """For a budget: a process of each loader is a round, of which the first is run whole."""
        turns = range(len(self.rounds_by_process))
        return Planned(what="processes of each loader", rounds=turns, budget_seconds=budget_seconds, is_whole=True)


class Runner:
    """The parent's end of the process of a loader."""

    def __init__(self, setup: LoaderSetup, task: Task, *, python: str):
        loader = setup.loader
        self.setup, self.rates, self.cpu_seconds = setup, [], []
        self.status, self.reason = "ok", ""
        command, env = [python, "-P", "-m", "bench.input.loaders.worker"], process.environment()
        if setup.workers:
            env[decode_pool.WORKERS] = str(setup.workers)
        self._process = process.ChildProcess(command, Path(task.scratch), name=loader.id, env=env)
        try:
            order = {"task": asdict(task), "module": loader.module, "function": loader.function}
            self._ask(order, timeout=START_SECONDS)
        except BaseException:  # Ctrl-C while it starts: nobody else knows of it yet
            self.end()
            raise

    def _ask(self, order: dict, *, timeout: float = ANSWER_SECONDS) -> dict:
        try:
            answer = self._process.ask(order, timeout=timeout)
        except process.Died as died:
            answer = {"error": died.reason}
        if reason := answer.get("absent") or answer.get("error"):
            self.status, self.reason = "n/a" if "absent" in answer else "error", reason
            self._process.end()
        else:
            self._process.hold()
        return answer

    def measure_block(self, seconds: float, *, counts: bool = True) -> None:
        """Lets its processes go on, and holds them still again when batches have been drawn for so long."""
        if self.status != "ok":
            return
        self._process.release()
        before = self._cpu()
        answer = self._ask({"seconds": seconds})
        if counts and self.status == "ok":
            self.rates.append(answer["images"] / answer["seconds"])
            self.cpu_seconds.append((self._cpu() - before) / answer["images"])

    def _cpu(self) -> float:
        """CPU seconds so far of the process and all that it started."""
        import psutil

        own = psutil.Process(self._process.pid)
        spent = 0.0
        for member in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                spent += times.user + times.system
        return spent

    def add_to(self, before: LoaderResult) -> LoaderResult:
        """What its earlier processes gave, and this one."""
        good = self.status == "ok"
        return replace(
            before,
            status=self.status,
            reason=self.reason,
            rates=(*before.rates, *self.rates) if good else (),
            cpu_seconds=(*before.cpu_seconds, *self.cpu_seconds) if good else (),
            processes=before.processes + bool(self.rates),
        )

    def end(self) -> None:
        """Ends the loader and whatever it started."""
        self._process.end()


def run(
    loaders: Sequence[Loader],
    source: Source,
    effort: Effort,
    *,
    keep: Callable[[LoaderResult], object],
    advance: Callable[[int], object] = lambda _: None,
    has_time: Callable[[], bool] = lambda: True,
    python: str = "",
) -> str:
    """Compares loaders.

    Args:
        loaders: All that take part.
        source: Photos and records.
        effort: How long.
        keep: Is given what each loader did, also if the comparison is interrupted.
        advance: Is called with how many starts and blocks are over.
        has_time: Asked when a process of each loader has ended: whether there is time for the next ones.
        python: Interpreter of the peers; ours if not given.

    Returns:
        The id of the comparison.
    """
    written, started = source.manifest(), datetime.now(UTC)
    data = {"image_size": written.image_size, "batch_size": effort.batch_size, "cores": resources.usable_cores()}
    about = {job: {**source.describe(job), **source.folders("photos", "records"), **data} for job in JOBS}
    for size in sorted({loader.decode for loader in loaders} - {""}):
        paths = source.load_photos().paths
        about["photos"][size] = scaled.decibels(paths, image_size=written.image_size, size=size)
    common: dict[str, Any] = {"comparison": new_mark(started), **stamp(started)}
    setups = effort.setups(loaders)
    results = {
        setup: LoaderResult(
            loader=setup.loader.id,
            workers=setup.workers,
            data=about[setup.loader.job],
            processes=0,
            **common,
        )
        for setup in setups
    }
    with process.scratch() as scratch:
        files = {"photos": source.photos, "records": str(_unpack(source, scratch / "files"))}

        start = partial(_start, files=files, source=source, shape=data, python=python)
        order = random.Random(0)
        try:
            for process_number, rounds in enumerate(effort.rounds_by_process):
                able = [setup for setup in setups if results[setup].status == "ok"]
                advance((len(setups) - len(able)) * (rounds + 2))
                starts = [
                    partial(start, setup, scratch / f"{process_number}-{number}") for number, setup in enumerate(able)
                ]
                _run_rounds(starts, results, rounds=rounds, seconds=effort.seconds, order=order, advance=advance)
                if not has_time():
                    break
        finally:
            for result in results.values():
                if result.rates or result.status != "ok":
                    keep(result)
    return common["comparison"]


def _start(
    setup: LoaderSetup, folder: Path, *, files: dict[str, str], source: Source, shape: dict[str, Any], python: str
) -> Runner:
    """Starts a loader in a folder of its own; one of another library by `python`, if given."""
    folder.mkdir(parents=True)
    loader = setup.loader
    task = Task(
        job=loader.job,
        variant=loader.variant,
        decode=loader.decode,
        files=files[loader.job],
        source=asdict(source),
        scratch=str(folder),
        **shape | ({"cores": setup.workers} if setup.workers else {}),
    )
    return Runner(setup, task, python=python if loader.kind == "peer" and python else sys.executable)


def _run_rounds(
    starts: Sequence[Callable[[], Runner]],
    results: dict[LoaderSetup, LoaderResult],
    *,
    rounds: int,
    seconds: float,
    order: random.Random,
    advance: Callable[[int], object],
) -> None:
    """Starts loaders, which run in a new random order in each round; the first round is the warm-up, and thrown away.

    What they did is added to `results`, also if they are interrupted.
    """
    runners: list[Runner] = []
    with ExitStack() as stack:
        try:
            for start in starts:
                runners.append(start())
                stack.callback(runners[-1].end)
                advance(1)
            for number in range(rounds + 1):
                for runner in order.sample(runners, len(runners)):
                    runner.measure_block(seconds, counts=number > 0)
                    advance(1)
        finally:
            for runner in runners:
                results[runner.setup] = runner.add_to(results[runner.setup])


def _unpack(source: Source, folder: Path) -> Path:
    """Writes the images of records as files, byte for byte, into class folders."""
    import tensorflow as tf

    from flowers_core.data import manifest, tfrecords

    written = source.manifest()
    shards = manifest.paths(source.records, written)
    records = tf.data.TFRecordDataset(list(shards)).batch(64)
    number = 0
    for batch in records:
        jpegs, labels = tfrecords.parse_batch(batch, shards.features)
        for jpeg, label in zip(jpegs.numpy(), labels.numpy(), strict=True):
            path = folder / written.classes[int(label)] / f"{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg)
            number += 1
    return folder
