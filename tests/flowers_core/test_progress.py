"""What is shown while something runs, on a terminal and elsewhere."""

import io

from rich.console import Console
from rich.progress import Progress, TimeRemainingColumn

from flowers_core import progress


def test_bar_says_each_minute_what_is_left(capsys):
    """One line a minute in a log, beside the bar at the end; none after the last."""
    clock = iter([0.0, 10.0, 61.0, 90.0, 125.0, 190.0])
    with progress.bar("groups [1]", 5, now=lambda: next(clock)) as advance:
        for _ in range(5):
            advance()

    said = [line for line in capsys.readouterr().err.splitlines() if "to go" in line]
    assert said == ["groups [1]: 2 of 5, about 2 min to go", "groups [1]: 4 of 5, about 1 min to go"]


def test_bar_of_seconds_says_nothing_before_its_end(capsys):
    """As most do."""
    assert list(progress.track("abc", "letters", 3)) == ["a", "b", "c"]
    assert "to go" not in capsys.readouterr().err


def test_columns_cut_what_runs_at_80_columns():
    """A long description leaves count and times whole, on one line."""
    shown = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with Progress(*progress.columns(TimeRemainingColumn), console=shown) as bar:
        bar.add_task("TFRecords of the photos in a folder whose name is long, written", total=100_000, completed=3000)
        bar.refresh()

    last = shown.file.getvalue().rpartition("\x1b[2K")[2].splitlines()[0]
    assert "3000/100000 0:00:00 ETA" in last
    assert "TFRecords of the photos" in last
    assert "…" in last
