"""CPU time of decode workers and of others."""

import sys
from types import SimpleNamespace

import pytest

from bench.machine.cpu_time import DECODE_POOLS, ForeignLoad, cpu_seconds, worker_ids


@pytest.mark.parametrize(("ours", "share"), [(0.0, 0.5), (30.0, 0.35), (100.0, 0.0)])
def test_foreign_load_is_what_others_used(ours, share, monkeypatch):
    """Of 200 s that the cores had, 100 were busy: what was not our own work was others'."""
    readings = iter([(10.0, 1000.0, 5.0), (110.0, 1200.0, 5.0 + ours)])
    monkeypatch.setattr(ForeignLoad, "_read", staticmethod(lambda: next(readings)))

    assert ForeignLoad().share() == share


def test_foreign_load_is_read_from_this_machine():
    """The readings are seconds: busy ones among all there were, our own among the busy ones."""
    busy, total, own = ForeignLoad()._read()

    assert 0 < own < busy < total


@pytest.mark.parametrize("name", DECODE_POOLS)
def test_decode_workers_are_found_under_either_name(name, monkeypatch):
    """The pool of a commit from before the tree was rebuilt counts as well; without a pool there are none."""
    for pool in DECODE_POOLS:
        monkeypatch.delitem(sys.modules, pool, raising=False)
    before = cpu_seconds()
    assert worker_ids() == ()

    monkeypatch.setitem(sys.modules, name, SimpleNamespace(cpu_seconds=lambda: 1000.0, living=lambda: (7, 8)))

    assert worker_ids() == (7, 8)
    assert cpu_seconds() >= before + 1000
