"""Numbers of workers in turns: what is read when, stored as it ends."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from bench.input.data_service import campaign
from bench.input.data_service.campaign import Plan
from bench.input.data_service.result import DataServiceResult
from bench.results import store
from bench.run.data_source import Source
from flowers_core.errors import InputError


@pytest.fixture
def asked(monkeypatch, served):
    """What a campaign asks to be read: (job, facts), in order; nothing is."""
    jobs = []

    def read(job, **facts):
        facts = {name: value for name, value in facts.items() if name not in ("timeout", "expected")}
        jobs.append((job, facts))
        return [served(task=task, **facts) for task in job.tasks]

    @contextmanager
    def cluster(workers):
        pids = {"dispatcher": [1], "workers": [2] * workers}
        yield SimpleNamespace(address=f"grpc://127.0.0.1:{workers}", pids=pids)

    monkeypatch.setattr(campaign.result, "read", read)
    monkeypatch.setattr(campaign.cluster, "cluster", cluster)
    return jobs


def plan(**fields):
    return Plan(**{"source": Source(records="/records"), "workers": (1, 2), "rounds": 2, "seconds": 1.0, **fields})


def test_schedule_begins_each_round_with_another_number():
    """No service, one worker, two; then one, two, none."""
    assert plan(workers=(2, 1, 2)).schedule == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 0)]


def test_run_times_every_round_and_reads_epochs_in_the_first(asked, tmp_path):
    """Each result is stored when it is given, and as many come as were announced; both shardings need workers."""
    results = []
    for result in campaign.run(plan(), tmp_path):
        results.append(result)
        assert store.load(DataServiceResult, tmp_path).results == tuple(results)

    assert len(results) == len(campaign.planned(plan(), tmp_path).rounds)
    assert len({result.campaign for result in results}) == 1
    assert [sum(task.seconds > 0 for task in job.tasks) for job, _ in asked] == [2] * 6
    assert [sum(task.seconds == 0 for task in job.tasks) for job, _ in asked] == [2, 4, 4, 0, 0, 0]
    assert [job.dispatcher for job, _ in asked[:3]] == ["", "grpc://127.0.0.1:1", "grpc://127.0.0.1:2"]
    assert asked[2][0].pids == {"dispatcher": [1], "workers": [2, 2]}


def test_a_dispatcher_that_is_given_is_measured_beside_none(asked, tmp_path, monkeypatch):
    """Static sharding, which it may not be set up for, is left out."""
    monkeypatch.setattr(campaign.data_service, "reach", lambda _: None)
    given = plan(dispatcher="grpc://far:5050", rounds=1)
    results = list(campaign.run(given, tmp_path))

    assert [(job.dispatcher, facts["workers"]) for job, facts in asked] == [("", 0), ("grpc://far:5050", None)]
    assert {result.task.sharding for result in results} == {"dynamic"}
    assert len(results) == len(campaign.planned(given, tmp_path).rounds)


def test_a_dispatcher_that_does_not_answer_is_reported(tmp_path):
    """Before anything is read."""
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1"):
        next(campaign.run(plan(dispatcher="127.0.0.1:1"), tmp_path))


@pytest.mark.parametrize("fields", [{"workers": (0,)}, {"workers": ()}, {"pipelines": ("photos_parallel",)}])
def test_plan_refuses_what_cannot_be_read(fields):
    """No worker at all, or a pipeline that reads no records."""
    with pytest.raises(InputError):
        plan(**fields)
