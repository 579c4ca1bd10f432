"""Consumers that sleep."""

import itertools

import pytest

from bench.input.stall import emulate
from bench.input.stall.emulate import Consumer
from bench.run.data_source import Source
from flowers_core.errors import InputError


def consumer(**fields):
    values = dict(
        accelerator="TPU v2-8", model="dense", batch_size=4, image_size=192, step_seconds=(0.01,), origin="published",
        source="a test",
    )  # fmt: skip
    return Consumer(**{**values, **fields})


class World:
    """A clock that moves only when somebody waits."""

    def __init__(self, draw_seconds):
        self.time, self.draws = 0.0, itertools.cycle(draw_seconds)

    def now(self):
        return self.time

    def rest(self, seconds):
        self.time += seconds

    def __iter__(self):
        return self

    def __next__(self):
        self.time += next(self.draws)


def consumed(draw_seconds, step_seconds):
    world = World(draw_seconds)
    return emulate.consume(world, step_seconds, seconds=10, now=world.now, rest=world.rest)


def test_a_pipeline_that_never_keeps_it_waiting_gives_full_utilisation():
    """Without waiting, compute time is all the time there is."""
    found = consumed([0.0], [0.5])

    assert found["compute_seconds"] == pytest.approx(found["total_seconds"])
    assert set(found["wait_seconds"]) == {0.0}


def test_utilisation_is_compute_time_over_total_time():
    """A quarter of the time waited leaves three quarters."""
    found = consumed([0.1], [0.3])
    one = emulate.Emulated(consumer=consumer(), pipeline="records_parallel", status="ok", **found)

    assert one.utilisation == pytest.approx(0.75)
    assert len(found["wait_seconds"]) >= 10 / 0.4


def test_steps_are_replayed_in_turn():
    """Uneven steps of another machine are taken as they were, again and again."""
    found = consumed([0.0], [0.2, 0.6])

    assert found["compute_seconds"] / len(found["wait_seconds"]) == pytest.approx(0.4, rel=0.05)


def test_real_pipelines_feed_it(synthetic_photos, synthetic_records):
    """In a fresh process each job gives a record that survives JSON; what cannot be had is n/a with the reason."""
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    jobs = [(consumer(), "records_parallel"), (consumer(image_size=331), "records_parallel")]
    fed, absent = emulate.run(jobs, source, seconds=0.2, campaign="c", timeout=120)

    assert fed.status == "ok"
    assert 0 < fed.utilisation <= 1
    assert emulate.Emulated.from_json(fed.to_json()) == fed
    assert absent.status == "n/a"
    assert "331" in absent.reason


@pytest.mark.parametrize("fields", [dict(origin="guessed"), dict(step_seconds=()), dict(step_seconds=(0.0,))])
def test_a_consumer_needs_a_source_and_a_step(fields):
    """Neither unnamed origins nor steps of no time are emulated."""
    with pytest.raises(InputError):
        consumer(**fields)
