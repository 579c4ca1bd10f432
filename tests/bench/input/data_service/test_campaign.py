"""Numbers of workers in turns: what is drawn when, stored as it ends."""

from contextlib import contextmanager

import pytest

from bench.input.data_service import campaign
from bench.input.data_service.campaign import Plan
from bench.input.data_service.result import DataServiceResult
from bench.results import store
from flowers_core.errors import InputError


class Servers:
    """Stands for a cluster."""

    def __init__(self, workers):
        self.address, self.pids = f"grpc://127.0.0.1:{workers}", {"dispatcher": [1], "workers": [2] * workers}
        self.mended = 0

    @contextmanager
    def minded(self):
        yield

    def mend(self):
        self.mended += 1


@pytest.fixture
def drawn(monkeypatch, served):
    """What a campaign asks to be drawn: (job, facts), in order; nothing is."""
    asked = []

    def read(job, **facts):
        facts = {name: value for name, value in facts.items() if name not in ("timeout", "expected")}
        asked.append((job, facts))
        return [served(task=task, **facts) for task in job.tasks]

    @contextmanager
    def cluster(workers):
        yield Servers(workers)

    monkeypatch.setattr(campaign.result, "read", read)
    monkeypatch.setattr(campaign.cluster, "cluster", cluster)
    return asked


def plan(**fields):
    return Plan(**{"records": "/records", "workers": (1, 2), "rounds": 2, "seconds": 1.0, **fields})


def test_numbers_of_workers_take_turns():
    """No service, one, two; each round begins with another."""
    assert plan(workers=(2, 1, 2)).turns == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (1, 0)]


@pytest.mark.usefixtures("drawn")
def test_all_is_stored_as_it_ends(tmp_path):
    """As many as were announced; each lies in the store when it is given."""
    asked = plan()
    found = []
    for one in campaign.run(asked, tmp_path):
        found.append(one)
        assert store.load(DataServiceResult, tmp_path).results == tuple(found)

    assert len(found) == campaign.count(asked)
    assert len({one.campaign for one in found}) == 1


def test_rates_come_in_every_round_and_epochs_in_the_first(drawn, tmp_path):
    """Both pipelines are timed in each turn; whole epochs of both shardings once, without a service of one kind."""
    list(campaign.run(plan(kills=False), tmp_path))
    timed = [sum(task.seconds > 0 for task in job.tasks) for job, _ in drawn]
    epochs = [sum(task.seconds == 0 for task in job.tasks) for job, _ in drawn]

    assert timed == [2] * 6
    assert epochs == [2, 4, 4, 0, 0, 0]
    assert [job.dispatcher for job, _ in drawn[:3]] == ["", "grpc://127.0.0.1:1", "grpc://127.0.0.1:2"]
    assert drawn[2][0].pids == {"dispatcher": [1], "workers": [2, 2]}


def test_servers_are_killed_at_last_with_most_workers(drawn, tmp_path):
    """A worker that is started again under either sharding, one that is not, and the dispatcher."""
    list(campaign.run(plan(), tmp_path))
    killed = [(facts, task) for job, facts in drawn for task in job.tasks if task.kills]

    assert [(task.kills, task.sharding, facts.get("restarted", False)) for facts, task in killed] == [
        ("worker", "dynamic", True),
        ("worker", "static", True),
        ("worker", "dynamic", False),
        ("dispatcher", "dynamic", False),
    ]
    assert {(facts["workers"], facts["round"]) for facts, _ in killed} == {(2, 1)}


def test_a_dispatcher_that_is_given_is_measured_beside_none(drawn, tmp_path, monkeypatch):
    """Nothing of it is killed, and static sharding, which it may not be set up for, is left out."""
    monkeypatch.setattr(campaign.data_service, "reach", lambda _: None)
    found = list(campaign.run(plan(dispatcher="grpc://far:5050", rounds=1), tmp_path))

    assert [(job.dispatcher, facts["workers"]) for job, facts in drawn] == [("", 0), ("grpc://far:5050", None)]
    assert not any(one.task.kills or one.task.sharding == "static" for one in found)
    assert len(found) == campaign.count(plan(dispatcher="grpc://far:5050", rounds=1))


def test_a_dispatcher_that_does_not_answer_is_told(tmp_path):
    """Before anything is drawn."""
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1"):
        next(campaign.run(plan(dispatcher="127.0.0.1:1"), tmp_path))


@pytest.mark.parametrize("fields", [{"workers": (0,)}, {"workers": ()}, {"pipelines": ("photos_parallel",)}])
def test_what_cannot_be_planned_is_told(fields):
    """No worker at all, or a pipeline that reads no records."""
    with pytest.raises(InputError):
        plan(**fields)
