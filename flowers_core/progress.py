"""A progress bar with count and ETA on standard error, for anything that may take over 2 seconds."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(description: str, total: int) -> Iterator:
    """Shows a bar while the block runs.

    On a terminal the bar moves; elsewhere (a log file, CI) one line is written when it ends.

    Args:
        description: What is being done, e.g. "drawing photos".
        total: How many times the block will call the function it is given.

    Yields:
        `advance(count=1)`, to be called for each thing done.
    """
    from rich import console, progress

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        "ETA",
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console.Console(stderr=True)) as shown:
        task = shown.add_task(description, total=total)
        yield lambda count=1: shown.advance(task, count)


def track(things: Iterable, description: str, total: int) -> Iterator:
    """Yields `things` one by one behind a bar."""
    with bar(description, total) as advance:
        for thing in things:
            yield thing
            advance()
