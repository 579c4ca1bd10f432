"""What a user reads of a store: tables in four shapes."""

from pathlib import Path

from bench.machine import facts
from bench.results import store, summary, table
from bench.results.measurement import Measurement
from flowers_core.errors import InputError


def table_text(results: Path, *, everything: bool = False, shape: str = "terminal") -> str:
    """The store as a table.

    Args:
        results: The store.
        everything: Of all machines and all code, not only of this machine and the code as it is now.
        shape: `terminal`, `markdown`, `csv` or `json`.

    Raises:
        InputError: If there is nothing to show.
    """
    measurements = store.load(Measurement, results).results
    chosen = measurements if everything else [one for one in measurements if is_ours(one)]
    if not chosen:
        hint = "; `--all` shows other machines and code" if measurements else ""
        raise InputError(f"{results} holds no measurement of this machine and this code: run `make bench`{hint}")
    summaries = summary.by_cell(chosen)
    if shape == "csv":
        return table.csv(summaries)
    if shape == "json":
        return table.frame(summaries).to_json(orient="records", indent=1) + "\n"
    if shape == "markdown":
        return markdown(summaries)
    return terminal(summaries)


def is_ours(measurement: Measurement) -> bool:
    """Whether it was taken on this machine with the code as it is now."""
    return (measurement.machine.get("id"), measurement.code.get("digest")) == (
        facts.hardware_id(),
        facts.code_digest(),
    )


def terminal(summaries: list[summary.Summary]) -> str:
    """Tables for a terminal, as wide as it is."""
    from rich.console import Console

    console = Console()
    with console.capture() as captured:
        draw(summaries, console)
    return captured.get()


def draw(summaries: list[summary.Summary], console) -> None:
    """Draws tables on a rich console, each machine's name below its own."""
    for place, some in by_place(summaries).items():
        for view in table.views(some):
            table.show(view, console)
        console.print(place, style="dim", highlight=False, markup=False)


def by_place(summaries: list[summary.Summary]) -> dict[str, list[summary.Summary]]:
    """Summaries by machine, code and day, as `table.machine_line` words them; the latest first."""
    places: dict[str, list[summary.Summary]] = {}
    for one in sorted(summaries, key=lambda one: one.measurement.started[:10], reverse=True):
        places.setdefault(table.machine_line(one), []).append(one)
    return places


def markdown(summaries: list[summary.Summary]) -> str:
    """Tables for a pull request or a README, under a line that names the machine."""
    parts = []
    for place, some in by_place(summaries).items():
        parts.append(f"{place}\n")
        parts += [table.markdown(view) for view in table.views(some)]
    return "\n".join(parts)
