"""What a machine could do at most."""

from bench.run import peak


def test_limits_have_a_rate():
    """A median within lowest and highest; a larger product does not take less time."""
    import tensorflow as tf

    for limit in (peak.matrix_products(tf.float32, size=256), peak.memory_copies(size=2**20)):
        assert 0 < limit.low <= limit.value <= limit.high
        assert limit.rounds == peak.ROUNDS


def test_limit_is_amount_by_time(monkeypatch):
    """10 GFLOP in 2 s are 5 GFLOP/s."""
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(peak, "perf_counter", lambda: next(clock))

    assert peak._limit(lambda: None, 10.0, "GFLOP/s") == peak.Limit(
        value=5.0, low=5.0, high=5.0, rounds=peak.ROUNDS, unit="GFLOP/s"
    )
