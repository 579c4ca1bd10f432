"""Which trainings are run, in which order, and that each is kept."""

from types import SimpleNamespace

import pytest

from bench.machine import facts
from bench.results import store
from bench.run.data_source import Source
from bench.training import campaign
from bench.training.run import TrainingRun


def plan(**changes):
    given = {
        "models": ("dense", "convnet"),
        "variants": ("ours", "plain"),
        "seeds": 2,
        "source": Source(records="r"),
        "epochs": None,
    }
    return campaign.plan(**{**given, "weights": {}, **changes})


def test_plan_alternates_variants():
    """Seed after seed, model after model; the order of the variants changes with the seed."""
    assert [(job.seed, job.model, job.variant) for job in plan()] == [
        (1, "dense", "ours"),
        (1, "dense", "plain"),
        (1, "convnet", "ours"),
        (1, "convnet", "plain"),
        (2, "dense", "plain"),
        (2, "dense", "ours"),
        (2, "convnet", "plain"),
        (2, "convnet", "ours"),
    ]


def test_plan_gives_weights_to_their_model():
    """The others begin with random ones."""
    jobs = plan(models=("mobilenetv2", "dense"), weights={"mobilenetv2": "w.h5"})

    assert {job.model: job.weights for job in jobs} == {"mobilenetv2": "w.h5", "dense": ""}


@pytest.mark.parametrize("asked", [None, "jax"])
def test_variables_say_what_was_tuned(monkeypatch, tmp_path, asked):
    """In the file beside the results; the backend is the user's, if any, else that of the file."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if asked:
        monkeypatch.setenv("KERAS_BACKEND", asked)

    expected = {"FLOWERS_TUNED": str(tmp_path / "tuned.json"), "KERAS_BACKEND": asked or ""}
    assert campaign.variables(tmp_path) == expected


def test_each_training_is_stored_as_it_ends(trained, tmp_path, monkeypatch):
    """What was stored comes back under its keys on disk, also when the next training is interrupted."""
    jobs = plan(seeds=1)

    def train(job, *, timeout, variables, tell):
        assert (timeout, variables["FLOWERS_TUNED"]) == (9.0, str(tmp_path / "tuned.json"))
        tell(f"{job.model} trains")
        if job.model == "convnet":
            raise KeyboardInterrupt
        return trained(job.model, job.variant, seed=job.seed, campaign=job.campaign)

    monkeypatch.setattr(campaign.run, "train", train)
    said = []
    with pytest.raises(KeyboardInterrupt):
        list(campaign.run_all(jobs, tmp_path, timeout=9.0, tell=said.append))
    assert said == ["dense trains", "dense trains", "convnet trains"]
    ended = campaign.load(tmp_path, jobs[0].campaign)

    assert [(training.model, training.variant) for training in ended] == [("dense", "ours"), ("dense", "plain")]
    assert ended[0] == trained("dense", "ours", campaign=jobs[0].campaign)
    assert '"way": "ours"' in next(tmp_path.rglob("*.jsonl")).read_text()


def test_load_latest_takes_the_latest_code_of_each_model(trained, tmp_path):
    """What older code trained anew, or another machine, is left out; of an empty store there is none."""
    assert campaign.load_latest(tmp_path) == []
    older, newer = {"digest": "old"}, {"digest": "new"}
    for day, (model, code) in enumerate((("convnet", older), ("convnet", newer), ("squeezenet", older)), start=25):
        started = f"2026-11-{day}T12:00:00+00:00"
        store.append(trained(model, code=code, campaign=str(day), started=started), tmp_path)
    store.append(trained("xception", code=newer, machine={"host": "lab", "id": "other"}), tmp_path)

    latest = campaign.load_latest(tmp_path)

    assert [(training.model, training.code) for training in latest] == [("convnet", newer), ("squeezenet", older)]


def test_load_latest_leaves_out_what_asv_trained(trained, tmp_path):
    """It stops at its target, after fewer epochs: no seed of an experiment that trains to the end."""
    store.append(trained(seed=1), tmp_path)
    store.append(trained(seed=2, campaign="", accuracies=(0.9,), started="2026-11-26T12:00:00+00:00"), tmp_path)

    assert [training.seed for training in campaign.load_latest(tmp_path)] == [1]


def test_load_latest_takes_seeds_that_began_with_the_same_weights(trained, tmp_path):
    """A file of weights that was replaced is another experiment, though its name is the same."""
    for seed, digest in ((1, "a"), (2, "b"), (3, "b")):
        started, data = f"2026-11-2{seed}T12:00:00+00:00", {"photos": "synthetic", "images": 300, "weights": digest}
        store.append(trained(seed=seed, data=data, started=started, settings={"weights": "w.h5"}), tmp_path)

    assert [training.seed for training in campaign.load_latest(tmp_path)] == [2, 3]


def test_campaigns_of_one_second_are_two():
    """Trainings of two shells in one store are not taken for seeds of one."""
    assert plan()[0].campaign != plan()[0].campaign


def test_load_latest_prefers_todays_code(trained, tmp_path):
    """Asv trains old commits after new ones: the last training is not the one to show."""
    for day, digest in ((24, facts.code_digest()), (25, "old")):
        store.append(trained(code={"digest": digest}, started=f"2026-11-{day}T12:00:00+00:00"), tmp_path)

    assert [training.code["digest"] for training in campaign.load_latest(tmp_path)] == [facts.code_digest()]


@pytest.mark.parametrize("other", [{"machine": {"usable_cores": 0.5}}, {"data": {"digest": "others"}}])
def test_load_latest_pools_no_settings_and_no_data(trained, tmp_path, other):
    """Seeds that trained under a quota, or on other photos of the same name, are no seeds of this experiment."""
    store.append(trained(seed=1, **other), tmp_path)
    store.append(trained(seed=2, started="2026-11-25T12:00:00+00:00"), tmp_path)

    assert [training.seed for training in campaign.load_latest(tmp_path)] == [2]


def test_load_latest_keeps_ways_apart_and_counts_the_dead(trained, tmp_path):
    """Of two ways to compute steps the last one's; a seed that died says none, and counts wherever it comes."""
    torch = {"backend": "torch", "precision": "mixed_bfloat16", "torch_compile": True}
    for seed, (status, way) in enumerate((("ok", {}), ("crash", {}), ("ok", torch), ("ok", torch), ("timeout", {})), 1):
        history = {} if status == "ok" else {"history": ()}
        started = f"2026-11-2{seed}T12:00:00+00:00"
        store.append(trained(seed=seed, status=status, settings=way, started=started, **history), tmp_path)

    assert [training.seed for training in campaign.load_latest(tmp_path)] == [2, 3, 4, 5]


def test_load_latest_counts_a_seed_once(trained, tmp_path):
    """A campaign that is run again replaces its trainings: the same seeds twice would make intervals too narrow."""
    for name, day in (("first", 24), ("second", 25)):
        for seed in (1, 2):
            store.append(trained(seed=seed, campaign=name, started=f"2026-11-{day}T12:00:00+00:00"), tmp_path)

    latest = campaign.load_latest(tmp_path)

    assert [(training.campaign, training.seed) for training in latest] == [("second", 1), ("second", 2)]
    assert len(store.load(TrainingRun, tmp_path).results) == 4


def test_planned_takes_as_long_as_earlier_trainings_or_their_steps(trained, measured, tmp_path, monkeypatch):
    """A training like it tells most; else the steps of its epochs, of which a frozen base takes one; else nothing."""
    monkeypatch.setattr(Source, "manifest", lambda _: SimpleNamespace(images=1000))
    jobs, here = plan(models=("dense", "mobilenetv2"), seeds=1, epochs=4), {"id": facts.hardware_id()}
    assert campaign.planned(jobs, tmp_path).seconds is None

    given = {
        "settings": {"epochs": 4},
        "data": {"photos": "p", "images": 1000},
        "machine": here,
        "process_seconds": 50.0,
    }
    store.append(trained("dense", "ours", **given), tmp_path)
    for model in ("dense", "mobilenetv2"):
        store.append(measured(model=model, batch_size=10, machine=here), tmp_path)  # 100 images/s

    planned = campaign.planned(jobs, tmp_path)
    assert (planned.rounds, planned.seconds) == ([1] * 4, pytest.approx(50 + 4 * 10 + 10 + 4 * 10))
    assert "4 trainings of 4 epochs: about 140 s, as earlier ones and steps alone took here" in f"{planned}"
    assert (
        "8 trainings of 10 to 20 epochs in 2 rounds: about "
        in f"{campaign.planned(plan(models=('dense', 'mobilenetv2')), tmp_path)}"
    )
