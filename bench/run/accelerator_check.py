"""Tries an accelerator from start to end, on a machine that has Python and torch or JAX, and no network.

`python -m bench accelerator-check FOLDER` puts this file, wheels and records into a folder; there it is run by the
Python of that machine, which is why it imports the standard library alone. Each part has a limit of time of its own,
and what a part leaves over goes to those after it: the whole ends in time with what it has.
"""

import argparse
import json
import os
import signal
import site
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

HERE = Path(__file__).resolve().parent
RECORDS, WHEELS, COMMIT, OURS = "records-192", "wheels", "commit", "flowers-bench"
BACKENDS = ("torch", "jax")  # in the order of preference for what is tried on one of them

# All that the package needs to measure, with what those need, but for torch, JAX and what comes with them.
NEEDED = (
    *("absl-py", "click", "google-crc32c", "h5py", "keras", "markdown-it-py", "mdurl", "ml-dtypes", "msgspec", "namex"),
    *("nvidia-ml-py", "optree", "packaging", "pillow", "protobuf", "psutil", "pygments", "rich", "simplejpeg"),
    "typing-extensions",
)

ENDING_SECONDS = 15.0  # of the whole, for tables and packing
GRACE_SECONDS = 5.0  # after Ctrl-C, for a part to keep what it has
LEAST_SECONDS = 5.0  # a part with less than this left is not begun
DONE = {0: "ok", 1: "some failed", 2: "wrong use", 3: "n/a", 130: "out of time"}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that is tried.

    Attributes:
        name: What it is called.
        words: Arguments of Python.
        seconds: How long it may take; what those before it leave over comes on top.
        most: A limit that nothing comes on top of.
    """

    name: str
    words: tuple[str, ...]
    seconds: float
    most: float = 10**6


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a part."""

    name: str
    status: str
    seconds: float
    said: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is tried."""

    cells: tuple[str, ...] = ()  # filters of the profile `accelerator`
    peak: tuple[str, ...] = ()
    model: str = "squeezenet"  # that is fed, traced, searched and trained
    batch: int = 128
    most_batch: int = 65536
    seconds: float = 1.0
    epochs: int = 35
    peers: tuple[tuple[str, int, int], ...] = (  # with batch and image size of our own in the profile
        ("timm:resnet50", 256, 192),
        ("timm:xception", 64, 331),
        ("timm:mobilenetv2_100", 256, 192),
    )
    peer_options: tuple[str, ...] = ("--torch-compile", "on")


FULL = Sizes()
SMALL = Sizes(
    cells=("--filter", "model=dense", "--filter", "batch_size=32"),
    peak=("--seconds", "0.2"),
    model="dense_single",
    batch=8,
    most_batch=16,
    seconds=0.2,
    epochs=1,
    peers=(("timm:test_resnet", 8, 64),),
    peer_options=(),
)


def plan(device: str, backends: Sequence[str], sizes: Sizes, *, records: Path, store: Path) -> list[Part]:
    """The parts in their order: what is short or matters most comes first, steps take all that is left.

    Args:
        device: `gpu`, or `cpu` to try this file itself.
        backends: Those of `BACKENDS` whose framework is installed.
        sizes: How much is tried.
        records: Folder of records of 192 pixels.
        store: Where results go.
    """
    first, places = backends[0], ("--device", device)
    kept = ("--results", str(store))
    read = ("--records", str(records), *kept)
    timed, brief = ("--seconds", f"{sizes.seconds:g}"), ("--seconds", "0.5")
    preferred = (*places, "--backend", first)
    model = ("--model", sizes.model, "--batch-size", str(sizes.batch), "--precision", "mixed_bfloat16")
    sweep = ("-m", "bench", "sweep", "--profile", "accelerator", *places, "--backend", ",".join(backends), *timed)
    measure = ("-m", "bench", "measure", *timed, *kept, *places, "--backend", "torch", *sizes.peer_options)
    measure += ("--precision", "mixed_bfloat16")
    train = ("--records", str(records), "--output", str(store / "training" / "check"), "--epochs", str(sizes.epochs))
    return [
        Part(
            name="peak",
            words=("-m", "bench", "peak", *places, "--backend", ",".join(backends), *sizes.peak, *kept),
            seconds=45,
        ),
        Part(name="steps", words=(*sweep, *sizes.cells, *kept, "--budget", "BUDGET"), seconds=110, most=110),
        Part(
            name="stall",
            words=("-m", "bench", "stall", *model, "--pipeline", "records_turbo", *preferred, *timed, *read),
            seconds=40,
        ),
        Part(
            name="trace",  # on JAX, whose traces XProf reads
            words=("-m", "bench", "trace", *model, *places, "--backend", backends[-1], *timed, *kept),
            seconds=25,
        ),
        Part(
            name="largest batch",
            words=("-m", "bench", "batch", *model, "--most", f"{sizes.most_batch}", *preferred, *brief, *kept),
            seconds=60,
        ),
        Part(
            name="training",
            words=("-m", "flowers_core", "train", sizes.model, *train, *preferred, "--precision", "mixed_bfloat16"),
            seconds=50,
        ),
        *(
            Part(
                name=f"peer {peer}",
                words=(*measure, "--model", peer, "--batch-size", f"{size}", "--image-size", f"{pixels}"),
                seconds=35,  # most of which compiles
            )
            for peer, size, pixels in (sizes.peers if "torch" in backends else ())
        ),
        Part(
            name="more steps",
            words=("-m", "bench", "sweep", "--resume", *timed, *kept, "--budget", "BUDGET"),
            seconds=10,
        ),
    ]


def install(folder: Path, place: Path, *, seconds: float) -> Path:
    """Makes an environment that has all packages of this Python, ours, and from the wheels whatever it lacks.

    Args:
        folder: Holds the wheels.
        place: Where the environment is made.
        seconds: Limit.

    Returns:
        Its Python.

    Raises:
        SystemExit: If pip is missing or fails, with what it said.
    """
    venv.EnvBuilder(with_pip=False, symlinks=True, clear=True).create(place)
    python = place / "bin" / "python"
    packages = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    # Not `system_site_packages`: where this Python is that of an environment itself, those would be the base's.
    (packages / "parent.pth").write_text("\n".join([*site.getsitepackages(), site.getusersitepackages()]) + "\n")
    chosen = [name for name in NEEDED if not _is_installed(name)]
    words = ["install", "--quiet", "--no-index", "--no-deps", "--find-links", str(folder / WHEELS)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment["PIP_CONFIG_FILE"] = os.devnull  # a machine's own settings may name an index
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--python", str(python), *words, "--force-reinstall", OURS, *chosen],
            capture_output=True, text=True, timeout=seconds, check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        sys.exit(f"pip did not end within {seconds:.0f} s")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["nothing"]
        sys.exit(f"pip could not install from {folder / WHEELS}; it said: {said[-1]}")
    return python


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def run(
    parts: Sequence[Part],
    python: Path,
    *,
    folder: Path,
    environment: Mapping[str, str],
    seconds: float,
    keep: Callable[[list[Outcome]], None],
    now: Callable[[], float] = perf_counter,
) -> list[Outcome]:
    """Runs parts one after another, each with its share of the time.

    Args:
        parts: What to run.
        python: The environment's.
        folder: Where they run, and their output is kept.
        environment: Variables.
        seconds: For all of them.
        keep: Called after each part with the outcomes so far.
        now: A clock.
    """
    begun, planned, outcomes = now(), sum(part.seconds for part in parts), list[Outcome]()
    for part in parts:
        left = seconds - (now() - begun)
        later = planned - part.seconds
        planned -= part.seconds
        limit = min(part.most, max(part.seconds, left - later), left)
        if limit < LEAST_SECONDS:
            outcomes.append(Outcome(name=part.name, status="out of time", seconds=0.0, said="not begun", command=""))
            continue
        outcomes.append(_run_part(part, python, folder=folder, environment=environment, seconds=limit))
        keep(outcomes)
    return outcomes


def _run_part(part: Part, python: Path, *, folder: Path, environment: Mapping[str, str], seconds: float) -> Outcome:
    """Runs one part until it ends or its time is over: then it hears Ctrl-C first, and keeps what it has."""
    budget = f"{max(1.0, 0.9 * seconds - 2 * GRACE_SECONDS):.0f}s"  # to start, to draw its tables, to end by itself
    words = [budget if word == "BUDGET" else word for word in part.words]
    log = folder / f"{part.name.replace(' ', '-').replace(':', '-')}.log"
    start = perf_counter()
    print(f"{part.name}: at most {seconds:.0f} s", flush=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env=dict(environment), cwd=folder, start_new_session=True,
        )  # fmt: skip
        code = _wait(process, seconds - GRACE_SECONDS)
        if code is None:
            process.send_signal(signal.SIGINT)
            _wait(process, GRACE_SECONDS)
            code = 130
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # whatever it left behind would run beside the next
    process.wait()
    took, lines = perf_counter() - start, log.read_text(errors="replace").strip().splitlines()
    status = DONE.get(code, f"exit code {code}")
    print(f"{part.name}: {status} after {took:.0f} s", flush=True)
    said = lines[-1][:300] if lines else ""
    return Outcome(name=part.name, status=status, seconds=took, said=said, command=" ".join(("python", *words)))


def _wait(process: subprocess.Popen, seconds: float) -> int | None:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(max(0.0, seconds))
    return None


def write(outcomes: Sequence[Outcome], folder: Path, output: Path, *, tables: str) -> None:
    """Writes what there is: a page of Markdown, the outcomes as JSON, and store and logs as one archive."""
    rows = "\n".join(
        f"| {outcome.name} | {outcome.status} | {outcome.seconds:.0f} | {outcome.said.replace('|', '/')} |"
        for outcome in outcomes
    )
    head = f"# Accelerator check\n\n| part | status | seconds | last line |\n|---|---|---:|---|\n{rows}\n"
    (output / "accelerator_check.md").write_text(f"{head}\n{tables}")
    (output / "parts.json").write_text(json.dumps([vars(outcome) for outcome in outcomes], indent=1) + "\n")
    unfinished = output / "results.tar.gz.part"
    with tarfile.open(unfinished, "w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname="check")
    unfinished.replace(output / "results.tar.gz")


def options(words: Sequence[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path(os.environ.get("OUT", "accelerator-check-results")),
                        help="Folder of the results. [$OUT, or accelerator-check-results]")  # fmt: skip
    parser.add_argument("--device", choices=("gpu", "cpu", "tpu"), default="gpu")
    parser.add_argument("--minutes", type=float, default=8.0, help="For the whole. [8]")
    parser.add_argument("--small", action="store_true", help="Shrunken sizes, to try this on a CPU.")
    parser.add_argument("--filter", action="append", default=[], metavar="FIELD=VALUE",
                        help="Only such cells of the steps, e.g. backend=jax; repeatable.")  # fmt: skip
    parser.add_argument("--only", default="", help="Parts whose names begin so, by commas.")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Runs the whole; gives the exit code: 0 all parts ended, 1 some did not, 2 it could not begin."""
    begun, chosen = perf_counter(), options(words)
    there = [name for name in BACKENDS if find_spec(name)]
    if not there:
        print(f"{' or '.join(BACKENDS)} must be installed for {sys.executable}. Received: neither", file=sys.stderr)
        return 2
    chosen.output.mkdir(parents=True, exist_ok=True)
    print(f"checks {chosen.device} by {' and '.join(there)}: at most {chosen.minutes:g} min (--minutes)", flush=True)
    with tempfile.TemporaryDirectory(prefix="accelerator-check-") as scratch:
        folder, store = Path(scratch) / "run", Path(scratch) / "run" / "results"
        folder.mkdir()
        python = install(HERE, Path(scratch) / "environment", seconds=90)
        installed = perf_counter() - begun
        print(f"installed after {installed:.0f} s", flush=True)
        environment = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "PYTHONPATH")}
        with suppress(OSError):
            environment["ASV_COMMIT"] = (HERE / COMMIT).read_text().strip()  # a package does not say of which it is
        environment |= {"OMP_WAIT_POLICY": "passive", "PYTHONUNBUFFERED": "1", "COLUMNS": "140"}
        sizes = SMALL if chosen.small else FULL
        sizes = replace(sizes, cells=(*sizes.cells, *(f"--filter={text}" for text in chosen.filter)))
        parts = plan(chosen.device, there, sizes, records=HERE / RECORDS, store=store)
        names = tuple(filter(None, chosen.only.split(",")))
        parts = [part for part in parts if not names or part.name.startswith(names)]
        ready = Outcome(name="install", status="ok", seconds=installed, said="", command="")

        def keep(outcomes: Sequence[Outcome]) -> None:
            write([ready, *outcomes], folder, chosen.output, tables="")

        left = 60 * chosen.minutes - installed - ENDING_SECONDS
        outcomes = run(parts, python, folder=folder, environment=environment, seconds=left, keep=keep)
        tables = _tables(python, store, folder, environment)
        write([ready, *outcomes], folder, chosen.output, tables=tables)
    print(f"results: {chosen.output}, after {perf_counter() - begun:.0f} s", flush=True)
    return int(any(outcome.status not in ("ok", "n/a") for outcome in outcomes))


def _tables(python: Path, store: Path, folder: Path, environment: Mapping[str, str]) -> str:
    """The tables of all that was measured, as Markdown; the reason where there are none."""
    words = [python, "-m", "bench", "table", "--all", "--format", "markdown", "--results", store]
    where = {"env": dict(environment), "cwd": folder, "timeout": ENDING_SECONDS}
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, **where)
    except subprocess.TimeoutExpired:
        return f"No tables: they were not drawn within {ENDING_SECONDS:.0f} s\n"
    return done.stdout or f"No tables: {done.stderr.strip()}\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
