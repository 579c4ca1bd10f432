"""On every backend replicas and workers train as one replica does: the same losses from the same weights and batch."""

import json
import os

import pytest

from bench.results.cell import Cell
from bench.run import product
from bench.run.data_source import Source
from bench.run.scaling import campaign, member
from bench.run.scaling.processes import Limits, LocalHost
from bench.run.scaling.result import LOSS_TOLERANCE, ScalingResult, loss_difference
from bench.run.timing import Effort
from flowers_core import backends, user_code

LIMITS = Limits(timeout_seconds=550, lost_seconds=300)  # on a busy machine, too
REPLICAS, WORKERS = {"replicas": 2}, {"workers": 2}
# Two replicas of JAX on one host are trained in tests/without_tensorflow; torch's are as many workers.
GROUPS = [("tensorflow", REPLICAS), ("tensorflow", WORKERS), ("jax", WORKERS), ("torch", WORKERS)]
CELL = {"model": "dense", "image_size": 16, "batch_size": 4}


@pytest.fixture(scope="module")
def losses():
    """Losses of a group: `losses("jax", workers=2)`; each group is trained once."""
    known = {}
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads of torch that spin would take the others' cores

    def train(backend, *, workers=1, replicas=1):
        key = backend, workers, replicas
        if key not in known:
            cell = Cell(**CELL, backend=backend, xla=backend == "jax")
            result = ScalingResult(campaign="c", cell=cell, workers=workers, replicas=replicas)
            hosts = [LocalHost(sharing=workers) for _ in range(workers)]
            planned = campaign.Plan(cells=(cell,), replicas=(1,), limits=LIMITS)
            trained = campaign.train(result, hosts, planned, check=True)
            assert trained.status == "ok", trained.reason
            known[key] = trained.losses
        return known[key]

    return train


@pytest.mark.parametrize(("backend", "shape"), GROUPS)
def test_losses_are_those_of_one_replica(backend, shape, losses):
    """Whether two replicas share a process or each has a host of its own."""
    if not backends.is_installed(backend):
        pytest.skip(f"{backend} is not installed")
    assert loss_difference(losses(backend, **shape), losses(backend)) <= LOSS_TOLERANCE


def test_what_differs_by_replica_is_left_out():
    """For the check nothing is dropped and batch normalisation takes its moving statistics: whoever splits a batch."""
    import numpy as np

    model = product.build_model("squeezenet", image_size=32, classes=5, from_uint8=False)
    images = np.random.default_rng(0).random((4, 32, 32, 3), dtype=np.float32)
    member.make_comparable(model)
    whole, halves = (np.concatenate([model(part, training=True) for part in np.split(images, n)]) for n in (1, 2))

    np.testing.assert_allclose(whole, halves, rtol=1e-4)


OWN = """
import keras
import numpy as np


def build(image_size, classes):
    layers = [keras.Input((image_size, image_size, 3)), keras.layers.GlobalAveragePooling2D()]
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])


def batches(source, image_size, batch_size):
    assert (source.rank, source.workers, batch_size) == (0, 1, 4)
    while True:
        yield np.zeros((batch_size, image_size, image_size, 3), "uint8"), np.arange(batch_size) % 5
"""


@pytest.mark.parametrize("check", [True, False])
def test_own_model_is_fed_by_own_loader(check, tmp_path):
    """A user's model trains on a user's batches, each process on its share; losses are of noise."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    found = {
        kind: user_code.locate(f"{path}:{name}", parameters)
        for kind, name, parameters in (
            ("model", "build", user_code.MODEL),
            ("pipeline", "batches", user_code.LOADER),
        )
    }
    backend = backends.default()
    cell = Cell(
        **{kind: function.name for kind, function in found.items()},
        image_size=16,
        batch_size=4,
        backend=backend,
        xla=backends.BACKENDS[backend].always_compiled,
    )
    job = member.Job(
        cell=cell,
        addresses=("127.0.0.1:0",),
        rank=0,
        replicas=1,
        first_device=0,
        meet_seconds=1.0,
        effort=Effort(seconds=0.05, least_steps=2),
        check=check,
        source=Source(files=tuple((function.name, function.option) for function in found.values())),
    )
    answer = member.run(member.job_from_json(json.loads(json.dumps(job.to_json()))), lambda _: None)

    assert len(answer["losses" if check else "step_seconds"]) >= 2
