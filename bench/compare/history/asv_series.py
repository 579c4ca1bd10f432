"""Reads asv's stored results as series: seconds of one benchmark over the commits of a branch."""

import ast
import itertools
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import revision
from bench.machine.facts import WORK_DIR
from bench.results import store
from bench.results.cell import Cell
from flowers_core.errors import InputError

if TYPE_CHECKING:
    from asv.results import Results

ASV = store.RESULTS / "asv"
SHORT = 8  # digits of a commit in tables, as in names of asv's files
AXES = ("FLOWERS_DEVICE", "FLOWERS_PRECISION", "KERAS_BACKEND")  # that environments of asv have or had
# Once axes of every environment: with these values a series goes on in the environment without them.
FORMER_DEFAULTS = ("-FLOWERS_DEVICEcpu", "-FLOWERS_PRECISIONfloat32")
# What a paired run times; of the other figures of a cell (first step, stall, memory) it says nothing.
PAIRED = ("track_step_seconds", "track_fed_step_seconds", "track_image_seconds")


@dataclass(frozen=True, kw_only=True)
class Point:
    """What asv measured of one commit.

    Attributes:
        commit: 40 digits.
        value_seconds: Median of the fresh processes.
        low: Their lower quartile in seconds, None where asv kept none; asv's own 99 % interval is endless for fewer
            than 8 processes.
        high: Their upper quartile.
    """

    commit: str
    value_seconds: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """One benchmark with one choice of parameters, on one machine and in one environment, over commits.

    Attributes:
        benchmark: asv's name, e.g. `step_time.StepTime.track_step_seconds`.
        params: Its parameters in their order, e.g. `("squeezenet", 32)`.
        machine: asv's name of the machine.
        environment: asv's name of the environment.
        points: In the order of the branch; commits without a figure are left out.
        version: asv's version of the benchmark, which holds the harness version: a new one begins a new series.
        variables: Environment variables of the measured processes, as asv set them.
    """

    benchmark: str
    params: tuple
    machine: str
    environment: str
    points: tuple[Point, ...]
    version: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Names the series among all: `step_time.StepTime.track_step_seconds(dense, 8) lab virtualenv-py3.11 1`."""
        return f"{self.benchmark}({self.label}) {self.machine} {self.environment} {self.version}".rstrip()

    @property
    def label(self) -> str:
        """Names the series among those of its benchmark: `squeezenet, 32`."""
        return ", ".join(map(str, self.params))


def branch_commits(repository: Path = WORK_DIR) -> dict[str, str]:
    """Lists the first-parent line of HEAD: what the branch pointed at, one after the other; the oldest first.

    Commits of merged branches are no part of it: between two of them the code does not change step by step.

    Returns:
        Subject line by commit (40 digits).

    Raises:
        InputError: If there is no such repository.
    """
    log = revision.git(repository, "log", "--first-parent", "--reverse", "--format=%H%x09%s")
    return dict(row.split("\t", 1) for row in log.split("\n") if row)


def short(commit: str) -> str:
    """A commit as tables show it."""
    return commit[:SHORT]


def read(results: Path = ASV, *, commits: Mapping[str, str]) -> tuple[Series, ...]:
    """Reads what asv stored.

    Args:
        results: asv's `results_dir`.
        commits: Those of the branch in their order, see `branch_commits`. What asv measured of others is left out.

    Raises:
        InputError: If asv measured no commit of the branch.
    """
    from asv.results import iter_results

    order = {commit: number for number, commit in enumerate(commits)}
    measured = [stored for stored in iter_results(str(results)) if stored.commit_hash in order]
    if not measured:
        raise InputError(
            f"{results} holds no figure of a commit of this branch. Expected what `asv run` stores: "
            "run `asv run HEAD~11..HEAD` first"
        )
    points: dict[tuple, list[Point]] = {}
    variables = {}
    for stored in sorted(measured, key=lambda stored: order[stored.commit_hash]):
        variables[_environment_name(stored)] = dict(stored.env_vars)
        for key, point in _figures(stored):
            points.setdefault(key, []).append(point)
    names = ("benchmark", "params", "machine", "environment", "version")
    return tuple(
        Series(**dict(zip(names, key, strict=True)), points=tuple(series_points), variables=variables[key[3]])
        for key, series_points in sorted(points.items(), key=lambda item: (item[0][0], *map(str, item[0][2:])))
    )


def _figures(stored: "Results") -> Iterator[tuple[tuple, Point]]:
    """Every figure in a file of asv with the key of its series."""
    for name in stored.get_all_result_keys():
        if name.endswith("_bytes"):  # tables of history are of times
            continue
        axes = stored.get_result_params(name) or []
        values, stats = stored.get_result_value(name, axes), stored.get_result_stats(name, axes)
        for texts, value, spread in zip(itertools.product(*axes), values, stats, strict=True):
            if value is None or not math.isfinite(value) or value <= 0:  # failed, n/a, or no time at all
                continue
            version = str(stored.benchmark_version.get(name) or "")
            key = (name, tuple(map(_plain, texts)), stored.params["machine"], _environment_name(stored), version)
            spread = spread or {}
            yield (
                key,
                Point(commit=stored.commit_hash, value_seconds=value, low=spread.get("q_25"), high=spread.get("q_75")),
            )


def _environment_name(stored: "Results") -> str:
    """The name that asv gives the environment, without variables that name what is usual now."""
    name = stored.env_name
    for part in FORMER_DEFAULTS:
        name = name.replace(part, "")
    return name


def _plain(text: str) -> object:
    """A parameter from its `repr`, which is how asv keeps it."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def cell_of(series: Series) -> Cell | None:
    """The cell that a series measured, as its suite would make it in the environment of the series.

    The name of a benchmark leads to its class, as it does for asv, so no suite is named here. An environment of
    `--python=same` states no variables: its axes are the defaults then.

    Args:
        series: What asv measured.

    Returns:
        The cell; None for what a paired run does not time, such as an import or memory, or where the suite is gone.

    Raises:
        InputError: If the cell can no longer be measured, such as one of a model that is gone.
    """
    module, _, rest = series.benchmark.partition(".")
    try:
        suite = getattr(import_module(f"bench.{module}"), rest.split(".")[0], None)
    except ModuleNotFoundError:
        return None
    if suite is None or not hasattr(suite, "cell") or rest.rpartition(".")[2] not in PAIRED:
        return None
    with _environment(series.variables):
        return suite().cell(*series.params)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Lets the axes of asv's environments be these for a moment, those not named unset."""
    before = {name: os.environ.pop(name, None) for name in AXES}
    os.environ.update({name: variables[name] for name in AXES if name in variables})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
