"""The clock, driven by a fake one: every figure here is exact."""

import pytest

from bench.run.timing import MOST_STEPS, MOST_WARMUP_STEPS, Effort, clock_steps, is_steady, least_warmup, means


class FakeTime:
    """A machine whose steps last as long as they are told; its CPU clock runs twice as fast."""

    def __init__(self, durations):
        self.now = 0.0
        self._durations = iter(durations)

    def step(self):
        self.now += next(self._durations)

    def wall(self):
        return self.now

    def cpu(self):
        return 2 * self.now


def timed(durations, effort=None):
    fake = FakeTime(durations)
    return clock_steps(fake.step, effort or Effort(seconds=3, least_steps=5), wall=fake.wall, cpu=fake.cpu)


def endless(first, then):
    yield from first
    while True:
        yield then


def test_of_one_step_divides_the_time_of_calls():
    """On both clocks; the first call, which compiles, stays whole."""
    calls = timed(endless([20.0], 0.5))

    assert set(calls.of_one_step(5).step_seconds) == {0.1}
    assert set(calls.of_one_step(5).step_cpu_seconds) == {0.2}
    assert calls.of_one_step(5).first_step_seconds == 20.0
    assert calls.of_one_step(1) is calls


def test_clock_steps_keeps_the_first_apart():
    """Compilation is reported as the first step and is in no sample."""
    timing = timed(endless([20.0], 0.5))

    assert timing.first_step_seconds == 20.0
    assert max(timing.step_seconds) == 0.5


def test_warm_up_ends_when_steady():
    """Steps that still become faster are thrown away until two windows agree."""
    timing = timed(endless([9.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4], 0.25))

    assert timing.steady
    assert max(timing.step_seconds) == pytest.approx(0.25)


def test_warm_up_of_an_unsteady_step_ends_all_the_same():
    """A step that never settles is measured, and marked."""
    pattern = [1.0] + [0.001 * 2**number for number in range(3, 10)] * 100
    timing = timed(pattern, Effort(seconds=0.5, least_steps=5))

    assert not timing.steady
    assert timing.warmup_steps <= 1 + MOST_WARMUP_STEPS


def test_clock_steps_uses_both_clocks():
    """Each step has a wall and a CPU time."""
    timing = timed(endless([1.0], 0.5))

    assert len(timing.step_seconds) == len(timing.step_cpu_seconds)
    assert timing.step_cpu_seconds == pytest.approx([2 * seconds for seconds in timing.step_seconds])


def test_clock_steps_lasts_as_long_as_asked():
    """Steps are timed until they add up to the seconds asked for."""
    timing = timed(endless([1.0], 0.25), Effort(seconds=3, least_steps=5))

    assert sum(timing.step_seconds) == 3.0


def test_clock_steps_takes_few_slow_steps():
    """A step longer than the effort is still timed the least number of times."""
    timing = timed(endless([30.0], 10.0), Effort(seconds=3, least_steps=5))

    assert timing.step_seconds == (10.0,) * 5
    assert timing.warmup_steps == 3


def test_clock_steps_limits_quick_steps():
    """There is a most number of samples."""
    timing = timed(endless([1.0], 0.001))

    assert len(timing.step_seconds) == MOST_STEPS


@pytest.mark.parametrize(("seconds", "steps"), [(0.001, 8), (0.1, 3), (5.0, 1)])
def test_least_warmup(seconds, steps):
    """Quick steps need more of them, slow ones fewer."""
    assert least_warmup(seconds) == steps


@pytest.mark.parametrize(
    ("seconds", "steady"),
    [
        ([0.1] * 5, False),
        ([0.1] * 6, True),
        ([0.2] * 3 + [0.1] * 3, False),
        ([0.104] * 3 + [0.1] * 3, True),
        ([2.0], False),
        ([2.0, 1.5], False),
        ([2.0, 1.9], True),
    ],
)
def test_is_steady(seconds, steady):
    """Steady means that the last window is on the level of the one before."""
    assert is_steady(seconds) is steady


BURSTS = (0.001, 0.001, 0.001, 0.013) * 6


@pytest.mark.parametrize("phase", range(4))
def test_means_hold_whole_bursts(phase):
    """A median of single steps would say 1 ms; four in a row take 16 ms, from any of them on."""
    assert means(BURSTS[phase:], 4) == pytest.approx((0.004,) * (5 if phase else 6))


def test_means_of_fewer_steps_are_one():
    """What is left over is not counted where there is a whole one; and one at once is no burst."""
    assert means(BURSTS[:3], 4) == pytest.approx((0.001,))
    assert means(BURSTS[:7], 4) == pytest.approx((0.004,))
    assert means(BURSTS, 1) == BURSTS
    assert means((), 4) == ()


def test_averaged_over_keeps_clocks_together():
    """CPU seconds stand beside wall seconds, step by step."""
    timing = timed(endless([1.0], 0.1), Effort(seconds=3, least_steps=5)).averaged_over(4)

    assert len(timing.step_seconds) == len(timing.step_cpu_seconds) >= 5
    assert timing.step_seconds == pytest.approx([0.1] * len(timing.step_seconds))
    assert timing.step_cpu_seconds == pytest.approx([0.2] * len(timing.step_seconds))


def test_clock_steps_leaves_out_what_follows_the_first():
    """Between the step that compiles and the next there is room for whoever has to use up what was made ready."""
    fake = FakeTime(endless([1.0], 0.1))
    timing = clock_steps(fake.step, Effort(), after_first=fake.step, wall=fake.wall, cpu=fake.cpu)

    assert timing.first_step_seconds == 1.0
    assert max(timing.step_seconds) == pytest.approx(0.1)
