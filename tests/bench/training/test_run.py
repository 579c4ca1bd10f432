"""One training in a fresh process: what it gave, or how it ended."""

import json
from unittest.mock import Mock

import pytest

from bench.run import process
from bench.run.data_source import Source
from bench.training import run
from bench.training.run import Job
from flowers_core.data import photos, tfrecords
from flowers_core.errors import InputError
from flowers_core.synthetic import dataset


def job(records="/no/such", **fields):
    given = {
        "model": "dense_single",
        "variant": "plain",
        "seed": 1,
        "source": Source(records=str(records)),
        "epochs": 2,
    }
    return Job(**{**given, **fields})


def test_real_training_gives_its_history(tmp_path):
    """A row an epoch, the settings that decided it, the machine."""
    dataset.draw(tmp_path / "synthetic", count=60)
    tfrecords.write(photos.find(tmp_path / "synthetic"), tmp_path / "records", shards=4)
    training = run.train(job(tmp_path / "records"), timeout=300)

    assert training.status == "ok", training.reason
    assert [row["epoch"] for row in training.history] == [1, 2]
    settings = training.settings
    assert (settings["seed"], settings["precision"], settings["xla"]) == (1, "float32", False)
    assert training.images == 32
    assert training.data.pop("digest")
    assert training.data.pop("folders") == {"records": str(tmp_path / "records")}
    assert training.data == {"photos": "synthetic", "images": 60, "classes": 5}
    assert training.process_seconds > training.history[-1]["elapsed_seconds"]
    assert 0 <= training.foreign_cpu_share <= 1
    assert training.machine["id"]
    assert run.TrainingRun.from_json(json.loads(json.dumps(training.to_json()))) == training


@pytest.mark.parametrize("status", ["crash", "timeout"])
def test_failed_training_keeps_its_reason(synthetic_records, monkeypatch, status):
    """Status and reason are those of the process; settings and data are what was asked for."""
    limits = []

    def fail(*_, timeout, **__):
        limits.append(timeout)
        raise process.Died("The training", status, "15 photos make no batch")

    monkeypatch.setattr(run.process, "printed_by", fail)
    training = run.train(job(synthetic_records, weights="w.h5"), timeout=9.0)

    assert (training.status, training.reason) == (status, "15 photos make no batch")
    assert (training.history, training.settings["epochs"], training.settings["weights"]) == ((), 2, "w.h5")
    assert training.data["images"] == 20
    assert limits == [9.0]


def test_training_says_with_which_weights_it_began(synthetic_records, monkeypatch, tmp_path):
    """By what the file holds: another one under its name is another experiment."""
    monkeypatch.setattr(run.process, "printed_by", Mock(side_effect=process.Died("The training", "crash", "gone")))
    digests = []
    for content in (b"1", b"1", b"2"):
        (weights := tmp_path / "w.h5").write_bytes(content)
        digests.append(run.train(job(synthetic_records, weights=str(weights)), timeout=9.0).data["weights"])

    assert digests[0] == digests[1] != digests[2]
    assert "weights" not in run.train(job(synthetic_records), timeout=9.0).data


def test_epochs_are_told_once_a_minute():
    """And how it was tuned; not what frameworks say beside."""
    told, times = [], iter([0.0, 30.0, 61.0, 61.0, 90.0, 130.0, 130.0])
    listener = run._Listener(job(), told.append, now=lambda: next(times))
    for line in ("WARNING", "epoch 1: loss 2", "epoch 2: loss 1", "epoch 3: loss 1", "epoch 4: loss 0"):
        listener(line)
    assert told == ["dense_single plain, seed 1: epoch 2: loss 1", "dense_single plain, seed 1: epoch 4: loss 0"]

    listener = run._Listener(job(), told.append)
    listener("tuned: torch, float32: 2.00 times the recipe's")
    assert told[2:] == ["dense_single plain, seed 1: tuned: torch, float32: 2.00 times the recipe's"]


def test_unknown_variant_is_refused():
    """The message lists those there are."""
    with pytest.raises(InputError, match="ours, plain"):
        job(variant="quick")


def test_variant_is_options_of_the_command(tmp_path):
    """`ours` leaves everything to the recipe, `plain` switches off what is chosen; weights and epochs are passed on."""
    ours = job(variant="ours", epochs=None).command(tmp_path)
    plain = job(weights="w.h5").command(tmp_path)

    assert not {"--precision", "--epochs", "--weights"} & set(ours)
    assert plain[plain.index("--json") + 1 :] == [
        *("--precision", "float32", "--no-xla", "--no-cached-features", "--no-keep-memory"),
        *("--epochs", "2", "--weights", "w.h5"),
    ]
