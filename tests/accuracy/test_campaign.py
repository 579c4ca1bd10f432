"""Which trainings are run, in which order, and that each is kept."""

import json

import pytest

from bench.accuracy import campaign
from bench.ledger import store


def plan(**asked):
    given = {"models": ("dense", "convnet"), "ways": ("ours", "plain"), "seeds": 2, "records": "r", "epochs": None}
    return campaign.plan(**{**given, "weights": {}, **asked})


def test_ways_take_turns():
    """Seed after seed, model after model; who comes first changes with the seed."""
    assert [(job.seed, job.model, job.way) for job in plan()] == [
        (1, "dense", "ours"),
        (1, "dense", "plain"),
        (1, "convnet", "ours"),
        (1, "convnet", "plain"),
        (2, "dense", "plain"),
        (2, "dense", "ours"),
        (2, "convnet", "plain"),
        (2, "convnet", "ours"),
    ]


def test_weights_go_to_their_model():
    """The others begin with random ones."""
    jobs = plan(models=("mobilenetv2", "dense"), weights={"mobilenetv2": "w.h5"})

    assert {job.model: job.weights for job in jobs} == {"mobilenetv2": "w.h5", "dense": ""}


def test_each_training_is_kept_as_it_ends(trained, tmp_path):
    """What was stored comes back, also when the next one is interrupted."""
    jobs = plan(seeds=1)

    def train(job, *, timeout):
        assert timeout == 9.0
        if job.model == "convnet":
            raise KeyboardInterrupt
        return trained(job.model, job.way, seed=job.seed, campaign=job.campaign)

    with pytest.raises(KeyboardInterrupt):
        list(campaign.run(jobs, tmp_path, timeout=9.0, train=train))
    kept = campaign.stored(tmp_path, jobs[0].campaign)

    assert [(one.model, one.way) for one in kept] == [("dense", "ours"), ("dense", "plain")]
    assert kept[0] == trained("dense", "ours", campaign=jobs[0].campaign)


def test_the_last_campaign_is_the_newest(trained, tmp_path):
    """Of a store with two; of an empty one there is none."""
    assert campaign.last(tmp_path) == []
    for name, model in (("20261124T120000Z", "dense"), ("20261125T120000Z", "convnet")):
        store.append_training(trained(model, campaign=name), tmp_path)

    assert [one.model for one in campaign.last(tmp_path)] == ["convnet"]


def test_lines_of_a_newer_program_are_left_out(trained, tmp_path):
    """They are not misread."""
    path = store.append_training(trained(), tmp_path)
    line = json.loads(path.read_text())
    path.write_text(json.dumps({**line, "format": 99}) + "\n" + json.dumps(line) + "\n{\n")

    assert len(store.load_trainings(tmp_path)) == 1
