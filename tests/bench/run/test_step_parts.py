"""Parts of a step, timed by a clock that is told what each program takes."""

import random
from dataclasses import replace
from statistics import median

import keras
import pytest

from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import PROGRAMS
from bench.run import step_parts, step_under_test
from bench.run.measure import Job, measure
from bench.run.product import Unsuitable
from bench.run.timing import Effort
from flowers_core.backends.devices import Device

CELL = Cell(model="dense_single", image_size=16, batch_size=4)
SHORT = Effort(seconds=0.05, least_steps=2)


class Machine:
    """A clock, and programs that take their time on it and keep the order in which they ran."""

    def __init__(self, **seconds):
        self.now, self.ran = 0.0, []
        self.programs = {name: self._program(name, seconds[name]) for name in PROGRAMS}

    def _program(self, name, seconds):
        def run():
            self.now += seconds
            self.ran.append(name)

        return run

    def measure(self, seconds=3.0):
        effort = Effort(seconds=seconds)
        return step_parts.measure(self.programs, effort, draw=random.Random(1), wall=lambda: self.now)


def test_measure_takes_programs_in_turn():
    """Each as often as the others, in an order that changes, for three times the effort."""
    machine = Machine(forward=0.2, gradients=0.5, step=0.6)
    found = machine.measure(4.0)
    order = machine.ran[-3 * 8 :]
    rounds = [tuple(order[start : start + 3]) for start in range(0, len(order), 3)]

    assert found["forward_seconds"] == pytest.approx(0.2)
    assert found["backward_seconds"] == pytest.approx(0.3)
    assert found["optimizer_seconds"] == pytest.approx(0.1)
    assert found["below_noise"] == []
    assert {len(seconds) for seconds in found["rounds"].values()} == {9}  # of 1.3 s each, the first twice as long
    assert all(set(names) == set(PROGRAMS) for names in rounds)
    assert len(set(rounds)) > 1


def test_measure_has_enough_rounds_of_slow_steps():
    """For an interval there are six; short calls are made twice, the first untimed, and end at a limit."""
    slow, quick = Machine(forward=5, gradients=9, step=10), Machine(forward=0.001, gradients=0.002, step=0.003)

    assert len(slow.measure()["rounds"]["step"]) == step_parts.LEAST_ROUNDS
    assert len(quick.measure()["rounds"]["step"]) == 200
    assert quick.ran.count("step") == 400
    assert slow.ran.count("step") == step_parts.LEAST_ROUNDS + 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mode": "predict"}, "training step"),
        ({"pipeline": "records_parallel"}, "resident batch"),
        ({"steps_per_execution": 8}, "single step"),
        ({}, ""),
    ],
)
def test_why_whole_says_which_steps_have_parts(change, said):
    """Those of training on a resident batch, one a call."""
    assert said in step_parts.why_whole(replace(CELL, **change))
    assert bool(said) == bool(step_parts.why_whole(replace(CELL, **change)))
    assert step_parts.why_whole(Cell(model=NO_MODEL, pipeline="records_parallel"))


def test_measure_times_the_parts_of_a_real_step():
    """In the process of the step itself, after its own figure; the line of the store holds them."""
    done = measure(Job(cell=CELL, effort=SHORT, detail=True))

    assert (done.status, done.reason) == ("ok", "")
    assert {len(done.detail["rounds"][name]) for name in PROGRAMS} == {len(done.detail["rounds"]["step"])}
    assert done.detail["forward_seconds"] > 0
    assert done.loss_finite
    assert type(done).from_json(done.to_json()) == done


class OwnStep(keras.Model):
    """A model that trains in a way of its own."""

    def train_step(self, data):
        return super().train_step(data)


def test_step_of_its_own_is_not_taken_apart(monkeypatch):
    """Its figure is there, and in place of parts the reason; so is that of several replicas."""
    inputs = keras.Input((16, 16, 3))
    outputs = keras.layers.Dense(5, activation="softmax")(keras.layers.Flatten()(inputs))
    monkeypatch.setattr(step_under_test.product, "build_model", lambda *_, **__: OwnStep(inputs, outputs))
    done = measure(Job(cell=CELL, effort=SHORT, detail=True))
    replicas = Device(kind="gpu", name="two", replicas=2, scope=None)

    assert (done.status, done.detail) == ("ok", {"reason": done.detail.get("reason")})
    assert "`train_step` of its own" in done.detail["reason"]
    with pytest.raises(Unsuitable, match="one replica"):
        step_under_test.parts_of(None, CELL, [], replicas)


def test_several_steps_a_call_need_a_loop_on_the_device():
    """Torch has none: n/a with the reason, before anything is loaded; elsewhere figures are of one step."""
    with pytest.raises(Unsuitable, match="one step on torch"):
        step_under_test.find_device(replace(CELL, backend="torch", steps_per_execution=8))
    here = measure(Job(cell=replace(CELL, steps_per_execution=8), effort=SHORT))

    assert (here.status, here.reason) == ("ok", "")
    assert here.images_per_step == CELL.batch_size
    assert here.images_per_second == pytest.approx(CELL.batch_size / median(here.step_seconds))
