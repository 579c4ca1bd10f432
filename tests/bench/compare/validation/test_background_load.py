"""A background load: there while the block runs, gone after it."""

import psutil

from bench.compare.validation import background_load


def processes():
    return [child for child in psutil.Process().children() if background_load.CODE in child.cmdline()]


def test_load_runs_as_long_as_its_block():
    """One process takes CPU while the block runs, and none is left behind."""
    with background_load.load(0.5):
        (child,) = processes()
        before = child.cpu_times().user
        while child.cpu_times().user == before:
            psutil.cpu_percent(interval=0.1)

    assert processes() == []


def test_no_load_is_no_process():
    """A share of nothing starts nothing."""
    with background_load.load(0.0):
        assert processes() == []
