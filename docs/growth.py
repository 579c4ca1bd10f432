"""How the time and memory of each command grow with what it reads: `python docs/growth.py [AXIS …]`.

`python docs/growth.py --markdown > results/tables/reference-growth.md` on a quiet machine makes the reference table.
Makes stores, histories and folders of several sizes, runs each command on each of them in a process of its own, and
prints seconds, CPU seconds and peak memory with the exponent of the growth: 1 is linear. The CPU seconds of the
smallest size are taken off first, for they are the start of Python; the exponent is that of the two largest sizes.
"""

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.machine import facts
from bench.machine.cpu_time import ForeignLoad
from bench.results import store
from bench.results.cell import Cell
from bench.results.result import Result, stamp
from bench.results.table import Column, Table, page
from flowers_core.cli import quiet

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "results" / "reference" / "measurements" / "full.jsonl"  # a sweep of 96 cells
COMMITS = 210  # of a store of 96 lines each: 20,160 in all
STEP = "step_time.StepTime.track_step_seconds"
LEAST_SECONDS = 0.1  # CPU seconds that a size must add to have an exponent
GOALS = "goals at 20,160 lines: table 1.5 s, report 5 s and 500 MB; no exponent far above 1"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One command on one size.

    Attributes:
        axis: What grew.
        command: What ran.
        size: How many of them there were.
        seconds: Wall seconds.
        cpu_seconds: CPU seconds of the process and its children.
        peak_bytes: Largest resident set of any of them.
        code: Exit code.
    """

    axis: str
    command: str
    size: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    code: int


def measure(axis: str, command: str, size: int, words: list[str], *, folder: Path = ROOT) -> Run:
    """Runs a command in a process of its own; its output is thrown away, its errors are shown."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    quiet.variables(environment)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):  # 1: a comparison or a check that found something
            errors.seek(0)
            sys.stderr.write(f"{command}, {size:,} {axis}: {errors.read().decode(errors='replace')[-600:]}\n")
    return Run(
        axis=axis,
        command=command,
        size=size,
        seconds=time.perf_counter() - begin,
        cpu_seconds=used.ru_utime + used.ru_stime,
        peak_bytes=used.ru_maxrss * 1024,
        code=process.returncode,
    )


def write_lines(folder: Path, lines: int, *, seed: int = 0) -> Path:
    """Writes a store of so many lines, 96 a commit, the last of today's code, as sweeps of this machine write them.

    Returns:
        The file of the measurements.
    """
    draw, templates = random.Random(seed), [json.loads(line) for line in TEMPLATE.read_text("utf-8").splitlines()]
    machine, code, commits = facts.fingerprint(), facts.code(), -(-lines // len(templates))
    known = subprocess.run(["git", "rev-list", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    hashes = dict(enumerate(known.stdout.split()[:commits]))
    path = folder / "measurements" / "growth.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        for number in range(lines):
            age = commits - 1 - number // len(templates)
            started = datetime(2026, 11, 1, tzinfo=UTC) - timedelta(hours=6 * age) + timedelta(seconds=number % 96)
            values = templates[number % len(templates)]
            factor = draw.lognormvariate(0, 0.02)
            times = {name: [factor * time for time in values[name]] for name in ("step_seconds", "step_cpu_seconds")}
            digest = code["digest"] if not age else f"{age:012x}"
            line = {
                **values,
                **times,
                "started": started.isoformat(timespec="seconds"),
                "foreign_cpu_share": 0.01,
                "machine": {**machine, "load_before": draw.random()},
                "code": {"commit": hashes.get(age, f"{age:040x}"), "dirty": False, "digest": digest},
                "sweep": f"{started:%Y%m%d}T{age:06d}Z" if values["sweep"] else "",
                "ruler": "2",
            }
            file.write(json.dumps(line) + "\n")
    return path


def _write_plan(results: Path, cells: Iterable[Cell], rounds: int) -> None:
    """The plan of a sweep that `--resume` goes on with."""
    from bench.run.sweep import Sweep

    planned = Sweep(cells=tuple(cells), id="20261101T000000Z", rounds=rounds, code=facts.code_digest())
    store.save_plan(asdict(planned), results)


BENCH = [sys.executable, "-m", "bench"]
CORE = [sys.executable, "-m", "flowers_core"]


def grow_lines(folder: Path, sizes: Iterable[int]) -> Iterable[Run]:
    """Commands that read the store, over its lines."""
    from bench.run import matrix

    for size in sizes:
        results = folder / f"lines-{size}"
        path = write_lines(results, size)
        _write_plan(results, matrix.full(), 1)
        halves = [folder / f"{side}-{size}.jsonl" for side in "ab"]
        with path.open("rb") as lines, halves[0].open("wb") as one, halves[1].open("wb") as other:
            for number, line in enumerate(lines):  # the commits in turn; never all at once: a child begins as large
                (other if number // 96 % 2 else one).write(line)
        place = ["--results", str(results)]
        written = (
            f"import pathlib; from bench.report import tensorboard; tensorboard.write(pathlib.Path({str(results)!r}))"
        )
        commands = {
            "table": [*BENCH, "table", *place],
            "table --all": [*BENCH, "table", "--all", *place],
            "table --all --format csv": [*BENCH, "table", "--all", "--format", "csv", *place],
            "report": [*BENCH, "report", *place],
            "report --markdown": [*BENCH, "report", "--markdown", *place],
            "report A B": [*BENCH, "report", *map(str, halves), *place],
            "compare A B": [*BENCH, "compare", *map(str, halves), "--allow-mismatch", *place],
            "tensorboard (what it writes)": [sys.executable, "-c", written],
            "sweep --resume --dry-run": [*BENCH, "sweep", "--resume", "--dry-run", *place],
        }
        for name, words in commands.items():
            yield measure("store lines", name, size, words)


def grow_cells(folder: Path, sizes: Iterable[int]) -> Iterable[Run]:
    """The plan of a sweep, over its processes: cells times rounds; the store has 960 lines."""
    from bench.run import matrix

    write_lines(folder / "cells", 960)
    cells = matrix.full()
    for size in sizes:
        _write_plan(folder / "cells", cells, max(1, size // len(cells)))
        words = [*BENCH, "sweep", "--resume", "--dry-run", "--results", str(folder / "cells")]
        yield measure("sweep processes", "sweep --resume --dry-run", size, words)


def write_history(folder: Path, commits: int, *, seed: int = 0) -> Path:
    """Copies the project to a repository of so many commits, each measured by asv; gives its folder."""
    for name in ("bench", "flowers_core"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("asv.conf.json", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    begin = 1_700_000_000
    stream = [
        f"commit refs/heads/main\ncommitter lab <lab@localhost> {begin + 3600 * number} +0000\n"
        f"data <<END\ncommit {number}\nEND\n"
        for number in range(commits)
    ]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=folder, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], input="\n".join(stream), text=True, cwd=folder, check=True)
    listed = subprocess.run(
        ["git", "rev-list", "--reverse", "main"], cwd=folder, capture_output=True, text=True, check=True
    )
    _write_asv(folder / "results" / "asv", listed.stdout.split(), random.Random(seed))
    return folder


def _write_asv(folder: Path, hashes: list[str], draw: random.Random) -> None:
    """What asv stores of each commit: two benchmarks of ten models, five processes each."""
    from asv.results import Results
    from asv.runner import BenchmarkResult

    from flowers_core.models import MODELS

    (folder / "lab").mkdir(parents=True)
    machine = {"machine": "lab", "version": 1, "arch": "x86_64", "cpu": "lab", "num_cpu": "2", "os": "", "ram": ""}
    (folder / "lab" / "machine.json").write_text(json.dumps(machine), encoding="utf-8")
    models = list(MODELS)[:10]
    listed = {"version": 2}
    for name in (STEP, "step_time.StepTime.track_peak_bytes"):
        params = [[repr(model) for model in models], ["8"]]
        listed[name] = {"name": name, "version": "1-ruler2", "params": params, "param_names": ["model", "batch"],
                        "type": "track", "unit": "seconds", "pretty_name": name, "code": "", "timeout": 60}  # fmt: skip
    (folder / "benchmarks.json").write_text(json.dumps(listed), encoding="utf-8")
    for number, commit in enumerate(hashes):
        date = 1000 * (1_700_000_000 + 3600 * number)
        stored = Results({"machine": "lab"}, {}, commit, date, "3.11", "virtualenv-py3.11-uv", {})
        for name in (STEP, "step_time.StepTime.track_peak_bytes"):
            samples = [[0.2 * draw.lognormvariate(0, 0.02) for _ in range(5)] for _ in models]
            values = [sorted(processes)[2] for processes in samples]
            result = BenchmarkResult(values, samples, [1] * len(models), 0, "", None)
            stored.add_result(listed[name], result)
        stored.save(str(folder))


def grow_commits(folder: Path, sizes: Iterable[int]) -> Iterable[Run]:
    """Commands that read the history, over the commits that asv measured."""
    for size in sizes:
        place = folder / f"commits-{size}"
        place.mkdir()
        copy = write_history(place, size)
        for name, words in {
            "regressions": ["regressions"],
            "regressions --format json": ["regressions", "--format", "json"],
            "report": ["report"],
            "publish": ["publish"],
        }.items():
            yield measure("commits", name, size, [*BENCH, *words], folder=copy)


def write_photos(folder: Path, count: int) -> Path:
    """Links so many photos of five classes to 20 that are drawn; gives their folder."""
    from flowers_core.synthetic import dataset

    drawn = folder / "drawn"
    if not drawn.exists():
        dataset.draw(drawn, count=20)
    files = sorted(drawn.glob("*/*.jpg"))
    place = folder / f"photos-{count}"
    for number in range(count):
        source = files[number % len(files)]
        link = place / source.parent.name / f"{number:06d}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(source)
    return place


def grow_photos(folder: Path, sizes: Iterable[int]) -> Iterable[Run]:
    """Commands that list and identify photos, over how many there are; records of 192 px are written of a tenth."""
    for size in sizes:
        photos = write_photos(folder, size)
        plan = [
            "sweep",
            "--dry-run",
            "--filter",
            "model=none",
            "--photos",
            str(photos),
            "--results",
            str(folder / "no"),
        ]
        yield measure("photos", "sweep --dry-run", size, [*BENCH, *plan])
        described = f"from bench.run.data_source import Source; Source(photos={str(photos)!r}).describe('photos')"
        yield measure("photos", "identify (in each measured process)", size, [sys.executable, "-c", described])
        few = write_photos(folder, size // 10)
        records = ["records", str(few), str(folder / f"records-{size}"), "--image-size", "192"]
        yield measure("photos", "records of a tenth", size, [*CORE, *records])


def grow_shards(folder: Path, sizes: Iterable[int]) -> Iterable[Run]:
    """Commands that read and write records, over their shards, of 2,048 photos of 192 px."""
    photos = write_photos(folder, 2048)
    for size in sizes:
        records = folder / f"records-{size}-shards"
        words = ["records", str(photos), str(records), "--image-size", "192", "--shards", str(size)]
        yield measure("shards", "records", size, [*CORE, *words])
        plan = ["sweep", "--dry-run", "--filter", "pipeline=records_parallel", "--records", str(records)]
        yield measure("shards", "sweep --dry-run", size, [*BENCH, *plan, "--results", str(folder / "no")])
        described = f"from bench.run.data_source import Source; Source(records={str(records)!r}).describe('records')"
        yield measure("shards", "identify (in each measured process)", size, [sys.executable, "-c", described])


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What grows: how it is measured, and up to which sizes."""

    grow: Callable[[Path, Iterable[int]], Iterable[Run]]
    sizes: tuple[int, ...]


AXES = {
    "lines": Axis(grow=grow_lines, sizes=(192, 2_016, 6_720, 20_160)),
    "cells": Axis(grow=grow_cells, sizes=(300, 3_000, 12_000)),
    "commits": Axis(grow=grow_commits, sizes=(10, 250, 1_000)),
    "photos": Axis(grow=grow_photos, sizes=(1_000, 25_000, 100_000)),
    "shards": Axis(grow=grow_shards, sizes=(4, 256, 1_024)),
}


NOTES = (
    "time, CPU and MB (largest resident set) of the whole process with its children, its start included",
    "exponent: of CPU seconds between the two largest sizes, the smallest one's taken off; 1 is linear, flat: none",
    f"n/a: the second largest size adds less than {LEAST_SECONDS} s to the smallest",
)


def exponent(runs: list[Run]) -> float | None:
    """The growth between the two largest of at least three sizes, less the smallest one's CPU seconds; 1 is linear.

    None where the largest adds less than `LEAST_SECONDS`: what hardly grows has no exponent. NaN where the second
    largest adds less: it would be that of its noise.
    """
    first, *_, middle, last = sorted(runs, key=lambda run: run.size)
    small, large = (run.cpu_seconds - first.cpu_seconds for run in (middle, last))
    if large < LEAST_SECONDS:
        return None
    if small < LEAST_SECONDS:
        return math.nan
    return math.log(large / small) / math.log((last.size - first.size) / (middle.size - first.size))


def table(runs: list[Run]) -> Table:
    """A row for each command and size."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.command, []).append(run)
    rows = []
    for group in groups.values():
        grown = exponent(group) if len(group) >= 3 else None
        for run in group:
            last = run is group[-1]
            said = "flat" if grown is None else "n/a" if math.isnan(grown) else f"{grown:.2f}"
            text = said if last and len(group) >= 3 else ""
            failed = f" (exit code {run.code})" if run.code else ""
            rows.append((run.command + failed, run.size, run.seconds, run.cpu_seconds, run.peak_bytes, text))
    columns = (Column("command"), Column("size", "count"), Column("time", "time"), Column("CPU", "time"),
               Column("MB", "bytes"), Column("exponent"))  # fmt: skip
    return Table(title=f"Over {runs[0].axis}", columns=columns, rows=tuple(rows))


def markdown(tables: list[Table], busy: float, axes: list[str]) -> str:
    """The reference table: what grew, on which machine, with what else on it, and the command."""
    origin = Result(**stamp()).origin
    lines = (*NOTES, GOALS, f"{origin}; others used {busy:.0%} of the CPU meanwhile")
    return page("Growth", tables, *lines, command=" ".join(["python docs/growth.py --markdown", *axes]))


def main() -> None:
    """Measures the axes asked for, all unless any is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("axis", nargs="*", choices=[[], *AXES], default=[], help="Which; all unless named.")
    parser.add_argument("--sizes", help="In place of the usual ones, e.g. 96,960,4800.")
    parser.add_argument("--markdown", action="store_true", help="Print Markdown.")
    given = parser.parse_args()
    tables, load = [], ForeignLoad()
    for name in given.axis or AXES:
        runs: list[Run] = []
        axis = AXES[name]
        if given.sizes:
            axis = replace(axis, sizes=tuple(map(int, given.sizes.split(","))))
        with tempfile.TemporaryDirectory() as folder:
            for run in axis.grow(Path(folder), axis.sizes):
                print(f"{run.command}, {run.size:,} {run.axis}: {run.seconds:.2f} s", file=sys.stderr, flush=True)
                runs.append(run)
        tables.append(table(runs))
    if given.markdown:
        print(markdown(tables, load.share(), given.axis))
        return
    from rich.console import Console

    for grown in tables:
        grown.draw(Console())
    for note in NOTES:
        print(note)


if __name__ == "__main__":
    main()
