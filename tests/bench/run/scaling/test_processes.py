"""A group is watched as a whole: who is lost is named, and how long that takes is stated."""

import pytest

from bench.run.process import Died
from bench.run.scaling import processes
from bench.run.scaling.member import Job
from bench.run.scaling.processes import Limits, LocalHost, Lost, outcome

LIMITS = Limits(timeout_seconds=60, lost_seconds=30)


class Scripted:
    """A member that says what it is told to, and then nothing."""

    def __init__(self, name, *answers):
        self.name, self._answers = name, list(answers)

    def next_answer(self, _):
        if not self._answers:
            return None
        answer = self._answers.pop(0)
        if isinstance(answer, Died):
            raise answer
        return dict(answer)


def says(event, **values):
    return {"event": event, **values}


def watch(*members, limits=LIMITS, now=None):
    clock = iter(range(10_000))
    return outcome(members, limits, at_timing=lambda: None, now=now or (lambda: next(clock)))


def test_outcome_is_that_of_the_first():
    """The member of rank 0 decides when a group is done; signs of life of all are no answers."""
    first = Scripted("worker 0", says("joined"), says("beat"), says("timing"), says("ended", steady=True))

    assert watch(first, Scripted("worker 1", says("joined"), says("beat"))) == {"steady": True}


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([says("joined"), Died("worker 1", "crash", "exit code 3; it said nothing")], "worker 1 was lost: exit code 3"),
        ([says("joined")], "worker 1 was lost: it gave no sign of life for 30.0 s"),
        ([], r"not done within 60.0 s \(`--timeout`\); worker 1 had not joined"),
    ],
    ids=["died", "silent", "never there"],
)
def test_lost_member_is_named(answers, message):
    """Whether a member dies, falls silent or never comes: one sentence names it, and when that is noticed."""
    beats = [says("joined")] + [says("beat")] * 200
    with pytest.raises(Lost, match=message):
        watch(Scripted("worker 0", *beats), Scripted("worker 1", *answers))


def test_cause_is_told_from_its_effects():
    """Where one is killed and the others fail for want of it, the one that was killed is named."""
    failed = says("failed", status="error", reason="connection closed by peer")
    killed = Died("worker 2", "oom", "killed by SIGKILL; it said: no GPU here")
    with pytest.raises(Lost, match=r"worker 2 was lost: killed by SIGKILL$"):
        watch(Scripted("worker 0", failed), Scripted("worker 1"), Scripted("worker 2", killed))


def test_failure_of_a_member_is_its_own(monkeypatch):
    """What a member could not do is the outcome, with its name, when nobody has died."""
    monkeypatch.setattr(processes, "SECOND_LOOK_SECONDS", 0.0)
    failed = says("failed", status="n/a", reason="2 replicas need as many GPUs")

    assert watch(Scripted("replica 0", failed)) == {
        "status": "n/a",
        "reason": "replica 0: 2 replicas need as many GPUs",
    }


def test_processes_share_the_cores(plan):
    """Each of several processes of a machine has its part of the cores' threads, and none has a cluster of others."""
    (cell,) = plan().cells
    job = Job(cell=cell, addresses=("127.0.0.1:1",), rank=0, replicas=1, first_device=0, meet_seconds=1)

    assert processes.environment(job, processes=64)["OMP_NUM_THREADS"] == "1"
    assert "TF_CONFIG" not in processes.environment(job, processes=1)


def test_shared_cores_are_said():
    """Replicas of a CPU stand in for devices where several are on one machine, and nowhere else."""
    here, there = LocalHost("10.0.0.2"), LocalHost("10.0.0.3")

    assert processes.is_shared([here, here], device="cpu", replicas=1)
    assert processes.is_shared([here], device="cpu", replicas=2)
    assert not processes.is_shared([here, there], device="cpu", replicas=1)
    assert not processes.is_shared([here], device="gpu", replicas=2)
