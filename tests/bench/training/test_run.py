"""One training in a fresh process: what it gave, or how it ended."""

import json

import pytest

from bench.training import run
from bench.training.run import Job
from flowers_core.data import photos, tfrecords
from flowers_core.errors import InputError
from flowers_core.synthetic import dataset


def job(records="/no/such", **fields):
    return Job(**{"model": "dense_single", "way": "plain", "seed": 1, "records": str(records), "epochs": 2, **fields})


@pytest.fixture(scope="module")
def done(synthetic_records):
    """A real training: two epochs of the smallest model, in batches that its few photos fill."""
    return run.train(job(synthetic_records, model="squeezenet_small"), timeout=300)


def test_too_few_photos_are_the_reason(done):
    """What the process said last is kept: 15 photos make no batch of 32."""
    assert done.status == "crash"
    assert "batch_size=32" in done.reason
    assert done.history == ()


def test_a_real_training_gives_its_history(tmp_path):
    """A row an epoch, the settings that decided it, the machine."""
    dataset.draw(tmp_path / "synthetic", count=60)
    tfrecords.write(photos.find(tmp_path / "synthetic"), tmp_path / "records", shards=4)
    one = run.train(job(tmp_path / "records"), timeout=300)

    assert one.status == "ok", one.reason
    assert [row["epoch"] for row in one.history] == [1, 2]
    assert (one.settings["seed"], one.settings["precision"], one.settings["xla"]) == (1, "float32", False)
    assert one.images == 32
    assert one.data == {"photos": "synthetic", "images": 60, "classes": 5}
    assert one.process_seconds > one.history[-1]["elapsed_seconds"]
    assert 0 <= one.foreign_cpu_share <= 1
    assert one.machine["id"]
    assert run.TrainingRun.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_a_training_that_lasts_too_long_is_ended(synthetic_records):
    """The limit is the reason."""
    one = run.train(job(synthetic_records), timeout=0.5)

    assert one.status == "timeout"
    assert "0 s" in one.reason or "1 s" in one.reason


def test_an_unknown_way_is_a_mistake():
    """The message lists those there are."""
    with pytest.raises(InputError, match="ours, plain"):
        job(way="quick")


def test_a_way_is_options_of_the_command(tmp_path):
    """`ours` leaves all to the recipe, `plain` takes what is chosen away; weights and epochs are handed on."""
    ours = job(way="ours", epochs=None).command(tmp_path)
    plain = job(weights="w.h5").command(tmp_path)

    assert not {"--precision", "--epochs", "--weights"} & set(ours)
    assert plain[plain.index("--json") + 1 :] == [
        *("--precision", "float32", "--no-xla", "--no-cached-features", "--no-keep-memory"),
        *("--epochs", "2", "--weights", "w.h5"),
    ]
