"""Efficiency, the verdict on losses, and what is said of stand-ins."""

import pytest

from bench.results.cell import Cell
from bench.run.scaling import table
from bench.run.scaling.result import ScalingResult, loss_difference
from flowers_core.errors import InputError

LOSSES = (1.5, 1.25, 1.0)


@pytest.fixture
def scaled():
    """Makes a result: `scaled(2, rate=180)` are two replicas at 180 images/s; other fields as given."""

    def make(replicas=1, rate=100.0, *, round=0, backend="tensorflow", **fields):
        batch = 10 * replicas
        cell = Cell(model="dense", batch_size=batch, backend=backend, xla=backend == "jax")
        measured = {} if fields.get("status") else {"step_seconds": (batch / rate,) * 3, "steady": True}
        values = {"campaign": "c", "cell": cell, "replicas": replicas, "round": round, "losses": LOSSES}
        values |= {"checked_batch": 8, "machine": {"usable_cores": 2}, **measured}
        return ScalingResult(**{**values, **fields})

    return make


def rows(results):
    (shown,) = table.tables(results)
    return shown.records()


def test_efficiency_is_within_a_round(scaled):
    """Speed-up pairs each round with itself; efficiency is its median over the number of replicas."""
    results = [scaled(), scaled(2, 150), scaled(round=1, rate=200), scaled(2, 340, round=1)]
    alone, both = rows(results)

    assert (alone["speed-up"], alone["efficiency"]) == (1.0, 1.0)
    assert (both["speed-up"], both["speed-up_low"], both["speed-up_high"]) == pytest.approx((1.6, 1.5, 1.7))
    assert both["efficiency"] == pytest.approx(0.8)


def test_losses_are_held_against_one_replica(scaled):
    """Losses within the tolerance are equal; beyond it they differ, which fails the command."""
    close = [scaled(), scaled(2, losses=(1.5001, 1.25, 1.0))]
    apart = [scaled(), scaled(2, losses=(1.51, 1.25, 1.0))]

    assert ([row["loss"] for row in rows(close)], table.exit_code(close)) == (["", "equal"], 0)
    assert ([row["loss"] for row in rows(apart)], table.exit_code(apart)) == (["", "differs"], 1)
    assert rows([scaled(), scaled(2, checked_batch=16)])[1]["loss"] == ""


def test_losses_of_nothing_are_compared():
    """Neither a loss of zero nor losses that a damaged line lacks end the table."""
    assert loss_difference((0.5,), (0.0,)) == 0.5
    assert loss_difference((), (1.0,)) == 0.0


@pytest.mark.parametrize("damaged", [{"workers": 0}, {"replicas": -1}, {"step_seconds": (0.0,)}, {"scaling": "wide"}])
def test_damaged_results_are_refused(damaged):
    """What no group can have given is no result."""
    with pytest.raises(InputError):
        ScalingResult(campaign="c", cell=Cell(model="dense"), **damaged)


def test_failures_and_stand_ins_are_said(scaled, terminal):
    """What a reader must know stands below the table, which fits 80 columns."""
    results = [
        *(scaled(), scaled(2, shares_cores=True, foreign_cpu_share=0.5)),
        scaled(4, status="crash", reason="replica 3 of 4 was lost: killed", losses=()),
        *(scaled(backend="jax"), scaled(2, backend="jax")),
    ]
    text = " ".join(terminal(*table.tables(results)).split())

    assert "share the 2 cores of this machine. No speed can be gained" in text
    assert "tensorflow, 1 x 4: crash: replica 3 of 4 was lost: killed" in text
    assert "within 0.1% of that of one replica" in text
    assert "from each replica's own images on tensorflow, from the global batch on JAX" in text
    assert "other programs used more than 10% of the CPU" in text
    assert table.exit_code(results) == 1


def test_last_campaign_is_shown(scaled):
    """Of a group that was measured twice the later counts; other campaigns are left out."""
    old = scaled(campaign="b", started="2026-11-27T03:00:00+00:00")
    lost = scaled(2, status="crash", reason="lost", started="2026-11-27T04:00:00+00:00")
    again = scaled(2, started="2026-11-27T05:00:00+00:00")

    assert table.last([again, old, lost]) == [again]


def test_command_measures_the_campaign_again(scaled):
    """It names what differs from the usual, with the batch as it was asked for."""
    results = [scaled(), scaled(2), scaled(2, backend="jax", workers=2)]

    assert table.command(results) == (
        "python -m bench scaling --model dense --backend tensorflow,jax --replicas 1,2 --workers 1,2 --batch-size 10 "
        "--image-size 192 --device cpu"
    )
