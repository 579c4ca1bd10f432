"""Shows a sweep while it runs: a line for each cell that ends, a bar with the time that is left."""

import json
from pathlib import Path

from bench.lab.cell import Cell
from bench.lab.measurement import Measurement
from bench.ledger import figures, store, summary, sweep, table

DONE, SOME_FAILED, NOTHING_MEASURED = 0, 1, 3


def run(planned: sweep.Sweep, results: Path, *, limits: sweep.Limits, as_json: bool = False) -> int:
    """Runs a sweep and prints its table, or each measurement as a line of JSON.

    Returns:
        Exit code: 0 done (n/a is a result), 1 some cell failed, 3 nothing was measured.
    """
    from rich import console, progress

    before = store.load(results).measurements
    turns = sweep.pending(planned, before)
    expected = {cell: sweep.expected_seconds(cell, before) for _, cell in turns}
    out, err = console.Console(), console.Console(stderr=True, soft_wrap=True)
    if not turns:
        err.print("Every cell of this sweep is measured already; without `--resume` a new one starts.")
    columns = ("{task.description}", progress.BarColumn(), "{task.percentage:>3.0f} %", progress.TimeElapsedColumn(),
               "ETA {task.fields[eta]}")  # fmt: skip
    left_out = 0
    with progress.Progress(*columns, console=err) as bar:
        total = sum(expected[cell] for _, cell in turns)
        task = bar.add_task("measuring", total=total, eta=figures.duration(total))
        for number, (cell, done) in enumerate(sweep.run(planned, results, limits=limits), 1):
            left_out += done is None
            total -= expected[cell]
            bar.update(task, advance=expected[cell], eta=figures.duration(max(0.0, total)))
            bar.console.print(f"{number:3}/{len(turns)} {line(cell, done)}", highlight=False, markup=False)
            if as_json and done:
                out.file.write(json.dumps(done.to_json()) + "\n")
    mine = [one for one in store.load(results).measurements if one.sweep == planned.id]
    if not as_json:
        show(mine, out)
    if left_out:
        err.print(
            f"{left_out} cells left out: no time for them in the budget. Go on with `python -m bench sweep --resume`"
        )
    return exit_code(mine)


def line(cell: Cell, done: Measurement | None) -> str:
    """What became of a cell, in one line."""
    if done is None:
        return f"{cell.id}  left out: no time for it in the budget"
    if done.status != "ok":
        return f"{cell.id}  {done.status}: {done.reason}"
    said = summary.summarise([done])
    return f"{cell.id}  {figures.duration(said.batch_seconds)} a batch  {figures.rate(said.images_per_second)} images/s"


def show(measurements: list[Measurement], console) -> None:
    """Prints the tables of some measurements, and the machine below."""
    summaries = summary.by_cell(measurements)
    for view in table.views(summaries):
        table.show(view, console)
    if summaries:
        console.print(table.machine_line(summaries[-1]), style="dim", highlight=False, markup=False)


def exit_code(measurements: list[Measurement]) -> int:
    """How a sweep went."""
    statuses = {one.status for one in measurements}
    if not statuses & {"ok"}:
        return NOTHING_MEASURED if statuses <= {"n/a"} else SOME_FAILED
    return SOME_FAILED if statuses - {"ok", "n/a"} else DONE


def print_plan(cells: list[Cell], *, rounds: int, results: Path) -> None:
    """Prints the cells that a sweep would measure, and how long each and all should take here."""
    from rich import console

    earlier = store.load(results).measurements
    out = console.Console(soft_wrap=True, highlight=False)
    costs = [sweep.expected_seconds(cell, earlier) for cell in cells]
    for cell, seconds in zip(cells, costs, strict=True):
        out.print(f"{cell.id}  {figures.duration(seconds)}", markup=False)
    total = figures.duration(rounds * sum(costs))
    out.print(f"{rounds * len(cells)} processes, about {total}")
