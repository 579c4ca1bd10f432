"""What is trained in which order, what is stored of it, and how a run that lost a worker goes on."""

from dataclasses import replace

import pytest

from bench.machine import facts
from bench.results import store
from bench.run.product import InputError
from bench.run.scaling import campaign, table
from bench.run.scaling.result import STRONG, ScalingResult


def test_one_replica_is_always_measured(plan):
    """Efficiency is held against one replica, asked for or not."""
    assert plan(replicas=(2, 4), workers=(2,)).shapes == [(1, 1), (2, 2), (2, 4)]


def test_batch_grows_with_replicas_unless_scaling_is_strong(plan):
    """Weak scaling gives each replica the batch, strong scaling splits it."""
    for scaling, batches in (("weak", [4, 8, 16]), (STRONG, [4, 4, 4])):
        made = plan(replicas=(1, 2, 4), scaling=scaling)
        assert [made.cell(*entry[1:]).batch_size for entry in made.schedule()] == batches


def test_uneven_batch_is_refused(plan):
    """Replicas have equally many images; a batch that cannot be split is a sentence."""
    with pytest.raises(InputError, match="multiple of its 3 replicas"):
        plan(replicas=(3,), scaling=STRONG)


def test_losses_are_compared_on_one_batch(plan):
    """All numbers of replicas can split the batch of which losses are compared."""
    assert plan(replicas=(1, 2, 3), workers=(1, 2)).checked_batch == 12


def test_group_is_timed_and_checked(plan, members, tmp_path):
    """Each result holds step times, losses and whether cores were shared, and is stored as it ends."""
    members()
    alone, both = campaign.run(plan(workers=(1, 2), replicas=(1,)), tmp_path)

    assert [alone.shares_cores, both.shares_cores] == [False, True]
    assert (both.images_per_second, both.losses, both.cell.batch_size) == (80.0, (1.5, 1.25, 1.0), 8)
    assert store.load(ScalingResult, tmp_path).results == (alone, both)


@pytest.mark.usefixtures("killed")
def test_lost_worker_ends_a_run_which_goes_on(plan, members, tmp_path):
    """A worker that is killed is named and stored, nothing more is measured, and `--resume` takes up from there."""
    planned = plan(workers=(1, 2, 4), replicas=(1,))
    alone, lost = campaign.run(planned, tmp_path)

    assert lost.status == "crash"
    assert lost.reason.startswith("worker 1 of 2 (process ")
    assert "killed by SIGKILL" in lost.reason

    members()
    earlier = campaign.unfinished(planned, tmp_path)
    resumed = list(campaign.run(planned, tmp_path, earlier=earlier))
    assert [result.workers for result in resumed] == [2, 4]
    assert {result.campaign for result in resumed} == {alone.campaign}
    assert [result.status for result in table.last(store.load(ScalingResult, tmp_path).results)] == ["ok"] * 3


def test_resuming_needs_the_same_campaign(plan, members, tmp_path):
    """There must be a campaign in the store, of this code, that measured some of this."""
    members()
    with pytest.raises(InputError, match="no campaign to resume"):
        campaign.unfinished(plan(), tmp_path)
    (measured,) = campaign.run(plan(replicas=(1,), check=False), tmp_path)
    other = plan(replicas=(1,), cells=(replace(measured.cell, image_size=32),))
    with pytest.raises(InputError, match="other models or replicas"):
        campaign.unfinished(other, tmp_path)
    store.append(replace(measured, campaign="9", code={"digest": "of another day"}), tmp_path)
    with pytest.raises(InputError, match="has changed"):
        campaign.unfinished(plan(replicas=(1,)), tmp_path)


@pytest.mark.parametrize(
    ("backend", "shape", "names"),
    [
        ("tensorflow", (1, 1), ["the process that trains"]),
        ("tensorflow", (1, 2), ["replica 0 of 2"]),
        ("torch", (1, 2), ["replica 0 of 2", "replica 1 of 2"]),
        ("jax", (2, 1), ["worker 0 of 2", "worker 1 of 2"]),
        ("torch", (2, 2), [f"replica {number} of worker {worker} of 2" for worker in (0, 1) for number in (0, 1)]),
    ],
)
def test_processes_are_named_by_what_they_are(backend, shape, names, plan):
    """A message says which worker of how many it means; torch has a process for each replica."""
    workers, replicas = shape
    cell = replace(plan().cells[0], backend=backend, xla=backend == "jax", batch_size=4)
    result = ScalingResult(campaign="c", cell=cell, workers=workers, replicas=replicas)
    hosts = [campaign.LocalHost() for _ in range(workers)]
    jobs = campaign.make_jobs(result, hosts, plan(), check=False)

    assert [
        campaign.member_name(host, job.rank, result) for host, row in zip(hosts, jobs, strict=True) for job in row
    ] == names


def test_planned_takes_as_long_as_groups_like_it_and_steps_of_the_same_batch(plan, measured, tmp_path):
    """Of groups nobody knows anything at first; a group of the first round compares losses as well."""
    chosen = plan(replicas=(1, 2), rounds=2)
    assert campaign.planned(chosen, tmp_path).seconds is None

    here = {"id": facts.hardware_id()}
    for number, minute in enumerate((0, 1, 5, 6)):
        cell, shape = chosen.cell(*chosen.schedule()[number][1:]), chosen.schedule()[number][2:]
        started = f"2026-11-27T09:0{minute}:00+00:00"
        done = {"workers": shape[0], "replicas": shape[1], "round": number // 2, "started": started, "machine": here}
        store.append(ScalingResult(campaign="1", cell=cell, **done), tmp_path)
    assert campaign.planned(chosen, tmp_path).seconds is None  # nothing tells of the last one
    last = chosen.cell(*chosen.schedule()[3][1:])
    store.append(replace(measured(machine=here), cell=last, process_seconds=30.0), tmp_path)

    planned = campaign.planned(chosen, tmp_path, budget_seconds=600.0)
    assert (planned.rounds, planned.seconds, planned.budget_seconds) == ([0, 0, 1, 1], 60 + 240 + 60 + 30, 600.0)
