"""Which trainings are run, in which order, and that each is kept."""

import json

import pytest

from bench.results import store
from bench.training import campaign
from bench.training.run import TrainingRun


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


def test_a_model_counts_with_the_code_that_trained_it_last(trained, tmp_path):
    """What older code trained anew, or another machine, is left out; of an empty store there is none."""
    assert campaign.latest(tmp_path) == []
    older, newer = {"digest": "old"}, {"digest": "new"}
    for number, (model, code) in enumerate((("convnet", older), ("convnet", newer), ("squeezenet", older))):
        one = trained(model, code=code, campaign=str(number), started=f"2026-11-2{5 + number}T12:00:00+00:00")
        store.append(one, tmp_path)
    store.append(trained("xception", code=newer, machine={"host": "lab", "id": "other"}), tmp_path)

    assert [(one.model, one.code) for one in campaign.latest(tmp_path)] == [("convnet", newer), ("squeezenet", older)]


def test_lines_of_a_newer_program_are_left_out(trained, tmp_path):
    """They are not misread."""
    path = store.append(trained(), tmp_path)
    line = json.loads(path.read_text())
    path.write_text(json.dumps({**line, "format": 99}) + "\n" + json.dumps(line) + "\n{\n")

    assert len(store.load(TrainingRun, tmp_path).results) == 1


def test_a_seed_counts_once(trained, tmp_path):
    """A campaign that is run again replaces its trainings: the same seeds twice would make intervals too narrow."""
    for campaign_name, day in (("first", 24), ("second", 25)):
        for seed in (1, 2):
            one = trained(seed=seed, campaign=campaign_name, started=f"2026-11-{day}T12:00:00+00:00")
            store.append(one, tmp_path)

    assert [(one.campaign, one.seed) for one in campaign.latest(tmp_path)] == [("second", 1), ("second", 2)]
