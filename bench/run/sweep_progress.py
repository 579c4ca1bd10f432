"""Shows a sweep while it runs: a line for each cell that ends, a bar with the time that is left."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from bench.results import format, store, summary, summary_table
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.result import DONE, FAILED, NOTHING_MEASURED
from bench.results.table import printable, say
from bench.run import sweep, trace_table
from bench.run.durations import UNKNOWN_SECONDS, Durations, alike, forecast
from flowers_core.progress import columns

if TYPE_CHECKING:
    from rich import progress
    from rich.console import Console


def run(
    planned: sweep.Sweep,
    results: Path,
    *,
    limits: sweep.Limits,
    as_json: bool = False,
    show: Callable[[list[Measurement], object], None] | None = None,
) -> int:
    """Runs a sweep and prints its table, or each measurement as a line of JSON.

    Args:
        planned: What to run.
        results: The store.
        limits: On time and memory.
        as_json: Whether lines of JSON are printed instead of a table.
        show: Draws what was measured on a rich console, instead of the usual tables.

    Returns:
        Exit code: 0 done (n/a is a result), 1 some cell failed, 3 nothing was measured.
    """
    from rich import console

    earlier = store.load(Measurement, results).results
    pending = sweep.pending(planned, earlier)
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    if not pending:
        say(err, "Every cell of this sweep is measured already; without `--resume` a new one starts.")
    mine = [measurement for measurement in earlier if planned.id and measurement.sweep == planned.id]
    left_out, durations = 0, Durations(earlier)
    if pending:
        say(err, _forecast(pending, durations, budget=limits.budget_seconds), whole=True)
    with _bar(err) as bar:
        task = bar.add_task("", total=len(pending), ends=0.0)
        _update_estimate(bar, task, pending, durations)
        for number, (cell, done) in enumerate(sweep.run(planned, results, limits=limits), 1):
            say(bar.console, f"{number:3}/{len(pending)} {line(cell, done)}")
            if done is None:
                left_out += 1
            else:
                mine.append(done)
                durations.add(done)
                if as_json:
                    out.file.write(json.dumps(done.to_json()) + "\n")
            bar.advance(task)
            _update_estimate(bar, task, pending[number:], durations)
    if not as_json:
        (show or partial(_show, results=results))(mine, out)
    if left_out:
        again = f"python -m bench sweep --resume{store.option(results)}"
        say(err, f"{left_out} left out: no time for them in the budget; `{again}` goes on")
    return exit_code(mine)


def _show(measurements: list[Measurement], console: "Console", *, results: Path) -> None:
    """Draws the tables of a sweep, that of its traces last."""
    figures = summary.by_cell(measurements)
    summary_table.draw(figures, console, known=summary_table.ceilings(figures, results))
    traces = trace_table.of_measurements(measurements)
    if traces:
        trace_table.steps(traces, into=store.option(results)).draw(console)
        trace_table.draw_paths(traces, console)


def _bar(console: "Console") -> "progress.Progress":
    """A bar that names the running cell and counts down to the end, as earlier durations suggest it."""
    from rich import progress

    class Left(progress.ProgressColumn):
        """Time that is left."""

        def render(self, task: "progress.Task") -> str:
            """Counts down between the ends of cells, too."""
            return format.duration(round(max(0.0, task.fields["ends"] - monotonic())))

    return progress.Progress(*columns(Left), console=console)


def _update_estimate(
    bar: "progress.Progress",
    task: "progress.TaskID",
    pending: list[tuple[int, Cell]],
    durations: Durations,
) -> None:
    """Names the next cell, and estimates the end anew from what has been measured since."""
    seconds = sum(durations.expected_seconds(cell) for _, cell in pending)
    bar.update(task, description=printable(pending[0][1].id) if pending else "done", ends=monotonic() + seconds)


def line(cell: Cell, done: Measurement | None) -> str:
    """What became of a cell, in one line."""
    if done is None:
        return f"{cell.id}  left out: no time for it in the budget"
    if done.status != "ok":
        return f"{cell.id}  {done.status}: {done.reason}"
    said = summary.summarise([done])
    return f"{cell.id}  {format.duration(said.batch_seconds)} a batch  {format.rate(said.images_per_second)} images/s"


def exit_code(measurements: list[Measurement]) -> int:
    """How a sweep went."""
    statuses = {measurement.status for measurement in measurements}
    if not statuses & {"ok"}:
        return NOTHING_MEASURED if statuses <= {"n/a"} else FAILED
    return FAILED if statuses - {"ok", "n/a"} else DONE


def print_plan(planned: sweep.Sweep, results: Path, *, as_json: bool = False) -> None:
    """Prints the cells that a sweep has left to measure, and how long each and all should take here.

    Args:
        planned: The sweep.
        results: The store, whose earlier measurements say how long a cell takes.
        as_json: Whether to print a JSON object a cell, with its `cell_id`, `round` and `expected_seconds`.
    """
    from rich import console

    earlier = store.load(Measurement, results).results
    pending = sweep.pending(planned, earlier)
    out = console.Console(soft_wrap=True, highlight=False)
    durations = Durations(earlier)
    costs = [durations.expected_seconds(cell) for _, cell in pending]
    if as_json:
        for (number, cell), seconds in zip(pending, costs, strict=True):
            out.file.write(json.dumps({"cell_id": cell.id, "round": number, "expected_seconds": seconds}) + "\n")
        return
    for (_, cell), seconds in zip(pending, costs, strict=True):
        say(out, f"{cell.id}  {format.duration(seconds)}")
    say(out, _forecast(pending, durations), whole=True)


def _forecast(pending: list[tuple[int, Cell]], durations: Durations, *, budget: float | None = None) -> str:
    """How many processes there are, how long they should take, and how that is known."""
    cells = [cell for _, cell in pending]
    unknown = sum(durations.expected(alike(cell)) is None for cell in cells)
    by = {"by": f"{UNKNOWN_SECONDS:.0f} s for each of {unknown} like none that was measured here"} if unknown else {}
    what = f"{len(cells)} fresh process{'es' * (len(cells) > 1)}"
    return forecast(what, sum(map(durations.expected_seconds, cells)), budget=budget, **by)
