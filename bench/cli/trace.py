"""Commands that measure one cell, measure and trace, with what they share with sweep; and tensorboard."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import options
from bench.cli.options import Data, InputOptions, Output, Place
from bench.results import store
from bench.results.cell import COMPILERS, MODES, NO_MODEL, RESIDENT, Cell
from flowers_core import models
from flowers_core.backends.precision import PRECISIONS
from flowers_core.cli import entry
from flowers_core.errors import InputError, near
from flowers_core.input.registry import PIPELINES

if TYPE_CHECKING:
    from bench.run.sweep import Sweep

PIPELINE_SIZE = 192  # pixels of a pipeline that is measured alone


@dataclass(frozen=True, kw_only=True)
class CellOptions(InputOptions):
    """One cell but for its place, or one for each choice of its pipeline and number of steps a call."""

    model: str | None
    pipeline: str
    batch_size: int
    image_size: int | None
    mode: str
    precision: str
    xla: str | None
    torch_compile: str | None
    steps_per_execution: tuple[int, ...]

    def cell(self, place: Place) -> Cell:
        """The one cell that the options name.

        Raises:
            InputError: As of `cells`, or if they name several.
        """
        cells = self.cells(place)
        if len(cells) > 1:
            raise InputError(f"One cell is expected: give each option one value. Received: {len(cells)} cells")
        return cells[0]

    def cells(self, place: Place) -> list[Cell]:
        """The cell that the options name, with every choice of its pipeline and every number of steps a call.

        Raises:
            InputError: If neither a model nor a pipeline is named, the fields exclude each other, or the pipeline does
                not take what is chosen.
        """
        steps = dict.fromkeys(self.steps_per_execution)
        cell = self._without_choices(place)
        return self.vary(replace(cell, steps_per_execution=number) for number in steps)

    def _without_choices(self, place: Place) -> Cell:
        model = self.model or (NO_MODEL if self.pipeline != RESIDENT else None)
        if model is None:
            raise InputError(f"Name a model: --model {', '.join(models.MODELS)}, or a --pipeline to measure it alone")
        fields = {"model": model, "pipeline": self.pipeline, "batch_size": self.batch_size, "mode": self.mode}
        fields["precision"] = self.precision
        if model == NO_MODEL:
            return Cell(image_size=self.image_size or PIPELINE_SIZE, **fields)
        step = place.step_fields()
        step |= {name: getattr(self, name) == "on" for name in COMPILERS if getattr(self, name) is not None}
        return Cell(image_size=self.image_size or models.image_size(model), **fields, **step)


CELL = options.group(
    "chosen",
    CellOptions,
    click.option("--model", type=options.Named("model", [*models.MODELS, NO_MODEL]), metavar="NAME",
                 help=f"{', '.join(models.MODELS)}; keras.applications:NAME; timm:NAME, or torch:NAME for ours "
                 "in plain torch.nn, both on torch; your own, path/to/file.py:function; or "
                 f"`{NO_MODEL}` for the pipeline alone, as without it."),
    click.option("--pipeline", type=options.Named("pipeline", [*PIPELINES, RESIDENT]), default=RESIDENT, metavar="NAME",
                 show_default=True,
                 help=f"{', '.join(PIPELINES)}; your own, path/to/file.py:function; or `{RESIDENT}`, one batch of "
                 "noise kept on the device."),
    click.option("--batch-size", default=32, show_default=True, type=click.IntRange(1), help="Over all replicas."),
    click.option("--image-size", type=click.IntRange(1), help="Side in pixels. [what the model was designed for]"),
    click.option("--mode", type=options.Choice(MODES), default="train", show_default=True),
    click.option("--precision", type=options.Choice(PRECISIONS), default="float32", show_default=True),
    click.option("--xla", type=options.Choice(["on", "off"]), help="[off; on JAX always on]"),
    click.option("--torch-compile", type=options.Choice(["on", "off"]), help="On torch, which has no XLA. [off]"),
    *options.INPUT,
    options.STEPS_PER_EXECUTION,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """How cells are measured."""

    rounds: int
    seconds: float
    timeout: float
    trace: bool
    detail: bool
    memory: float | None

    def sweep(self, cells: Sequence[Cell], data: Data) -> "Sweep":
        """The processes that measure some cells.

        Raises:
            InputError: If parts are asked for, and no cell has any.
        """
        from bench.run.step_parts import why_whole
        from bench.run.sweep import Sweep
        from bench.run.timing import Effort

        reasons = list(map(why_whole, cells))
        if self.detail and all(reasons):
            raise InputError(f"`--detail` must be left out: {reasons[0]}. Received: {cells[0].id}")
        return Sweep(
            cells=tuple(cells),
            rounds=self.rounds,
            effort=Effort(seconds=self.seconds),
            source=data.source(),
            traced=self.trace,
            detailed=self.detail,
        )

    def run(self, planned: "Sweep", output: Output, *, budget: float | None = None) -> None:
        """Measures, and ends the command with the exit code that says how it went."""
        from bench.run import sweep, sweep_progress

        memory = int(self.memory) if self.memory else None
        limits = sweep.Limits(budget_seconds=budget, timeout_seconds=self.timeout, memory_bytes=memory)
        options.leave(sweep_progress.run(planned, output.results, limits=limits, as_json=output.json))


MEASURING = options.group(
    "measuring",
    Measuring,
    click.option("--rounds", default=1, show_default=True, type=click.IntRange(1), help="Fresh processes a cell."),
    options.SECONDS,
    options.TIMEOUT,
    click.option("--trace", is_flag=True, help="Then take a profiler trace of further steps."),
    click.option("--detail", is_flag=True,
                 help="Then time forward, backward and optimizer of a training step on a resident batch apart."),
    options.MEMORY_LIMIT,
)  # fmt: skip


@click.command()
@CELL
@options.DATA
@options.PLACE
@MEASURING
@options.OUTPUT
def measure(chosen: CellOptions, data: Data, place: Place, measuring: Measuring, output: Output) -> None:
    """Measure one cell in fresh processes and store it.

    Of several values of an option of the pipeline each is a cell, as is each number of steps a call, whose figures are
    those of one step. With --detail a second table says what forward, backward and optimizer take.

    Example: python -m bench measure --model squeezenet --batch-size 32 --precision mixed_bfloat16

    Example: python -m bench measure --model squeezenet --detail

    Example: python -m bench measure --model dense_single --batch-size 8 --steps-per-execution 1,8

    Example: python -m bench measure --pipeline records_parallel --parallel-calls 1,2,4 --prefetch 0,1,4
    """
    from bench.run import sweep

    planned = measuring.sweep(chosen.cells(place), data)
    sweep.check(planned.cells, planned.source, tell=options.tell)
    output.check_writable()
    measuring.run(planned, output)


@click.command()
@click.option(
    "--diff",
    metavar="A",
    help="Two traces side by side: A, and B or the one of its cell before it; by the "
    "numbers of the list, `latest`, or paths.",
)
@click.argument("other", metavar="[B]", required=False)
@CELL
@options.DATA
@options.PLACE
@MEASURING
@options.OUTPUT
def trace(
    diff: str | None,
    other: str | None,
    chosen: CellOptions,
    data: Data,
    place: Place,
    measuring: Measuring,
    output: Output,
) -> None:
    """Measure one cell, then trace further steps.

    Without a model or pipeline it lists the traces there are, with numbers. XProf reads the trace at once, or this
    command itself that of torch's profiler: its step time stands beside ours, with waiting for input and the longest
    operations; what limits the step and what to try first is said in a sentence.

    Example: python -m bench trace --model squeezenet --batch-size 8

    Example: python -m bench trace --diff 1 2

    Example: python -m bench trace --diff latest
    """
    from bench.run import sweep

    if diff is None and other is not None:
        raise InputError(f"A second trace needs a first: `--diff A B`. Received: {other!r} without `--diff`")
    if diff is not None:
        _show_difference(diff, other, output)
    elif chosen.model is None and chosen.pipeline == RESIDENT:
        _show_all(output)
    else:
        planned = replace(measuring, trace=True).sweep(chosen.cells(place), data)
        sweep.check(planned.cells, planned.source, tell=options.tell)
        output.check_writable()
        measuring.run(planned, output)


def _show_all(output: Output) -> None:
    """Prints all traces there are.

    Raises:
        InputError: If there is none.
    """
    from bench.results.measurement import Measurement
    from bench.run import trace_table

    results, folders = output.results, store.traces(output.results)
    if not folders:
        raise InputError(
            f"There is no trace in {results}: take one with "
            f"`python -m bench trace --model dense{store.option(results)}`"
        )
    traces = trace_table.of_folders(folders, store.load(Measurement, results).results)
    rows = ({"number": number, "name": of.name, **asdict(of.trace)} for number, of in enumerate(traces, 1))
    table = trace_table.steps(traces, numbered=True, into=store.option(results))
    options.show(rows, [table.draw, partial(trace_table.draw_paths, traces)], json=output.json)


def _show_difference(first: str, second: str | None, output: Output) -> None:
    """Prints two traces side by side, given by number, as `latest`, by path or as a folder below `results/traces`.

    Raises:
        InputError: If one is not there, or it cannot be read.
    """
    from bench.run import profiler_trace, trace_table

    results, later = output.results, _folder(first, output.results)
    pair = (_before(later, results), later) if second is None else (later, _folder(second, results))
    left, right = (profiler_trace.read(folder) for folder in pair)
    for read in (left, right):
        if read.problem:
            raise InputError(f"{read.folder} must be a trace that can be read. Received: {read.problem}")
    output.show([{"a": asdict(left), "b": asdict(right)}], [trace_table.difference(left, right)])


def _folder(name: str, results: Path) -> Path:
    """The log directory of a trace."""
    folders = store.traces(results)
    if name == "latest" and folders:
        return folders[-1]
    if name.isdecimal() and 1 <= int(name) <= len(folders):
        return folders[int(name) - 1]
    for folder in (Path(name), results / "traces" / name):
        if folder.is_dir():
            return folder
    raise InputError(
        f"`--diff` takes numbers or folders of traces, as `python -m bench trace{store.option(results)}` lists them, "
        f"or `latest`. Received: {name!r}, and there are {len(folders)} traces{near(name, ['latest'])}"
    )


def _before(folder: Path, results: Path) -> Path:
    """The trace of the same cell before one, else the one before it."""
    earlier = [other for other in store.traces(results) if other.name < folder.name]
    if not earlier:
        raise InputError(f"There is no trace before {folder.name}: give two, `--diff A B`")
    return next((other for other in reversed(earlier) if other.parent.name == folder.parent.name), earlier[-1])


@click.command()
@click.option("--port", default=6006, show_default=True, type=click.IntRange(1, 65535))
@options.RESULTS
def tensorboard(port: int, results: Path) -> None:
    """Open TensorBoard over traces, sweeps and trainings.

    It answers on this machine alone, and only to the printed address with its token. A sweep is shown as a
    table (HParams), a training as curves.

    Example: python -m bench tensorboard
    """
    entry.load("tensorflow")
    from bench.report import access_token, tensorboard

    folder, token = tensorboard.write(results), access_token.new()
    address = f"http://{tensorboard.HOST}:{port}/?{access_token.PARAMETER}={token}"
    options.tell(f"{address} shows {folder}, in a moment; Ctrl-C ends it")
    options.leave(tensorboard.serve(folder, port=port, token=token))


COMMANDS = (measure, trace, tensorboard)
