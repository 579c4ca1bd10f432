"""`tune` as a user starts it, with a stand-in for pairs of processes."""

import json

import pytest

from bench.compare import pair, tune
from bench.compare.pair_result import PairResult, Sample
from flowers_core.train import tuned


@pytest.fixture
def halved(monkeypatch):
    """Every candidate takes half the time of the recipe's way, with the same losses."""

    def record(*_, **__):
        def sampled(seconds):
            return tuple(Sample(steps=1, wall_seconds=seconds, cpu_seconds=seconds, delay_seconds=0.0) for _ in "abcd")

        common = {"comparison": "", "pair": "", "cell": "", "base": {}, "candidate": {}, "machine": {}}
        return [PairResult(**common, base_samples=sampled(1.0), candidate_samples=sampled(0.5))]

    monkeypatch.setattr(pair, "record", record)
    monkeypatch.setattr(tune.LossCheck, "_losses_of", lambda *_: [1.6, 1.5, 1.4])


@pytest.mark.usefixtures("halved")
def test_tune_keeps_what_train_reads(tmp_path, command_line):
    """One file, and as JSON what was found with every way that was tried."""
    options = ("--budget", "60s", "--device", "cpu", "--backend", "tensorflow", "--results", tmp_path, "--json")
    done = command_line("bench", "tune", "convnet_gap", *options)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    (kept,) = tuned.load(tmp_path / "tuned.json")
    assert (kept.model, kept.ratio) == ("convnet_gap", 0.5)
    assert found["way"] == vars(kept.way)
    assert [way["word"] for way in found["ways"]].count("fastest") == 1
    assert f"FLOWERS_TUNED={tmp_path / 'tuned.json'} python -m flowers_core train" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("convnet_gab",), "convnet_gap"),
        (("convnet_gap", "--budget", "3s"), "must allow one pair of processes, about 20 s"),
        (("convnet_gap", "--image-size", "4"), "image_size"),
        (("keras.applications:VGG16",), "must be one of dense_single"),
    ],
)
def test_tune_refuses_in_a_sentence(arguments, said, tmp_path, command_line):
    """An unknown model, a budget for no candidate, images that vanish, a model that no recipe trains."""
    done = command_line("bench", "tune", *arguments, "--device", "cpu", "--results", tmp_path)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "tuned.json").exists()
