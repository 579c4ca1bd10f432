"""A progress bar with count and ETA on standard error, for anything that may take over 2 seconds."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich import progress
    from rich.text import Text

LINE_SECONDS = 60.0  # between two lines where there is no terminal


@contextmanager
def bar(description: str, total: int, *, now: Callable[[], float] = perf_counter) -> Iterator:
    """Shows a bar while the block runs.

    On a terminal the bar moves; elsewhere (a log file, CI) a line a minute says how far it is and what is left, and one
    more is written when it ends.

    Args:
        description: What is being done, e.g. "drawing photos".
        total: How many times the block will call the function it is given.
        now: A clock in seconds.

    Yields:
        `advance(count=1)`, to be called for each thing done.
    """
    from rich import console, progress

    screen = console.Console(stderr=True)
    begun = said = now()
    done = 0

    def advance(count: int = 1) -> None:
        nonlocal done, said
        shown.advance(task, count)
        done += count
        time = now()
        if screen.is_terminal or time - said < LINE_SECONDS or done >= total:
            return
        said = time
        minutes = (said - begun) / done * (total - done) / 60
        line = f"{description}: {done:,} of {total:,}, about {max(1, round(minutes))} min to go"
        screen.print(printable(line), markup=False, highlight=False, soft_wrap=True)

    with progress.Progress(*columns(progress.TimeRemainingColumn), console=screen) as shown:
        task = shown.add_task(description, total=total)
        yield advance


def columns(left: "type[progress.ProgressColumn]") -> "list[progress.ProgressColumn | str]":
    """Bar, count and times, which stay whole, and what runs, cut to what is left of the line.

    Args:
        left: Kind of column that shows the time that is left.
    """
    from rich import progress, table

    class Running(progress.TextColumn):
        """What runs."""

        def render(self, task: "progress.Task") -> "Text":
            """One line, whatever the terminal's width."""
            text = super().render(task)
            text.no_wrap, text.overflow = True, "ellipsis"
            return text

    whole = table.Column(no_wrap=True)
    return [
        progress.BarColumn(20, table_column=whole),
        progress.MofNCompleteColumn(table_column=whole),
        progress.TimeElapsedColumn(table_column=whole),
        "ETA",
        left(table_column=whole),
        Running("{task.description}", markup=False, table_column=table.Column()),
    ]


def track(things: Iterable, description: str, total: int) -> Iterator:
    """Yields `things` one by one behind a bar."""
    with bar(description, total) as advance:
        for thing in things:
            yield thing
            advance()


def printable(text: str) -> str:
    """The text with what would command a terminal, such as escape codes in the name of a file, spelt out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
