"""A load beside: there while the block runs, gone after it."""

import psutil

from bench.compare.validation import background_load


def loads():
    return [child for child in psutil.Process().children() if background_load.CODE in child.cmdline()]


def test_a_load_lives_as_long_as_its_block():
    """One process takes CPU while the block runs, and none is left behind."""
    with background_load.beside(0.5):
        (child,) = loads()
        before = child.cpu_times().user
        while child.cpu_times().user == before:
            psutil.cpu_percent(interval=0.1)

    assert loads() == []


def test_no_load_is_no_process():
    """A share of nothing starts nothing."""
    with background_load.beside(0.0):
        assert loads() == []
