"""Tests of `flowers_core.backends.malloc`."""

import os
import subprocess
import sys

import pytest

from flowers_core.backends import malloc

# Page faults of a second round of large blocks, when those of a first have been freed.
FAULTS = """
import resource
import numpy as np
from flowers_core.backends import malloc
{first}
def round():
    for _ in range(5):
        np.ones(20_000_000)
round()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
round()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str, **variables: str) -> int:
    """Page faults in a fresh process that begins with a statement and has these variables."""
    command, env = [sys.executable, "-c", FAULTS.format(first=first)], os.environ | variables
    return int(subprocess.run(command, env=env, capture_output=True, check=True).stdout)


def test_keep_freed_saves_page_faults():
    """Freed memory is used again without a page fault, where the C library can keep it."""
    plain = faults("")
    if not max(faults("assert malloc.keep_freed()"), faults("", **malloc.variables())) < plain / 10:
        pytest.fail("large blocks were mapped afresh")


def test_variables_keep_a_users_own_choice(monkeypatch):
    """A user's own choice reaches the processes that are started."""
    monkeypatch.setenv("MALLOC_MMAP_MAX_", "65536")
    assert malloc.variables()["MALLOC_MMAP_MAX_"] == "65536"


def test_keep_freed_leaves_other_c_libraries_alone(monkeypatch):
    """Without mallopt nothing is done and the answer is no."""
    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda _: object())
    assert malloc.keep_freed() is False
