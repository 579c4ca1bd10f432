"""What a machine could do at most."""

import pytest

from bench.run import peak
from bench.run.product import Unsuitable

FORMATS = ["float32", "mixed_bfloat16", "copy"]  # that a CPU has


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_each_backend_measures_its_limits(backend):
    """On a CPU products in float32 and bfloat16, and copies: a median within lowest and highest."""
    pytest.importorskip(backend)
    limits = peak.measure_here(backend, "cpu", size=64, copied=2**20)

    assert list(limits) == FORMATS
    for limit in limits.values():
        assert 0 < limit.low <= limit.value <= limit.high
        assert limit.rounds == peak.ROUNDS


def test_device_that_is_absent_has_no_limits():
    """No figure of the CPU is passed off as that of a GPU."""
    with pytest.raises(Unsuitable, match="GPU"):
        peak.measure_here("tensorflow", "gpu")


def test_limit_is_amount_by_time(monkeypatch):
    """10 GFLOP in 2 s are 5 GFLOP/s; what takes long is repeated less."""
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(peak, "perf_counter", lambda: next(clock))

    assert peak.limit(lambda: None, 10.0, "GFLOP/s") == peak.Limit(
        value=5.0, low=5.0, high=5.0, rounds=peak.LEAST_ROUNDS, unit="GFLOP/s"
    )


def test_matrices_are_as_large_as_time_allows(monkeypatch):
    """A format in which the device is slow is measured by smaller ones, not for minutes."""
    monkeypatch.setattr(peak.timing, "median_seconds", lambda rows, **_: (rows / 512) ** 3 * 0.2)

    assert peak._affordable(lambda rows: rows, 512, 4096, 5.0) == 1024
    assert peak._affordable(lambda rows: rows, 256, 256, 5.0) == 256
