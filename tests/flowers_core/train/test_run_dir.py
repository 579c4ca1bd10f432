"""Tests of `flowers_core.train.run_dir`."""

import json
from dataclasses import replace

import pytest

from flowers_core.errors import InputError
from flowers_core.train import run_dir
from flowers_core.train.run_dir import Run
from flowers_core.train.settings import Settings

SETTINGS = Settings(
    model="dense_single",
    records="records",
    image_size=32,
    classes=("daisy", "roses"),
    epochs=3,
    batch_size=4,
    augmentation="none",
    shuffle_buffer=1,
    validation="first",
)
ROWS = [{"epoch": 1.0, "val_accuracy": 0.5}, {"epoch": 2.0, "val_accuracy": 0.75}]


class Saved:
    """Stands for a model: writes a text where it is saved, or fails half-way."""

    def __init__(self, text, error=None):
        self.text, self.error = text, error

    def save(self, path):
        path.write_text(self.text)
        if self.error:
            raise self.error


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.begin(SETTINGS)
    return run


def test_settings_are_read_as_written(run):
    """The settings are read as they were written."""
    assert run.settings() == SETTINGS


def test_history_is_read_as_written(run):
    """The history is numbers again, and none before the first epoch."""
    assert run.history() == []
    run.keep_history(ROWS)
    assert run.history() == ROWS


def test_keep_model_leaves_earlier_one_on_failure(run):
    """A disk that fails while saving leaves what was saved before, and nothing unfinished."""
    run.keep_model(Saved("first"))
    with pytest.raises(OSError, match="full"):
        run.keep_model(Saved("half of the sec", OSError(28, "disk full")))

    assert run.model.read_text() == "first"
    assert sorted(path.name for path in run.folder.iterdir()) == [run_dir.MODEL, run_dir.SETTINGS]


def test_begin_refuses_folder_with_weights(run):
    """A second training into the same folder is refused, once there is something to lose."""
    run.begin(SETTINGS)
    run.keep_model(Saved("weights"))
    with pytest.raises(InputError, match="--resume"):
        run.begin(SETTINGS)


def test_check_same_allows_other_number_of_epochs(run):
    """All other differences are named."""
    run.check_same(replace(SETTINGS, epochs=30))
    with pytest.raises(InputError, match=r"model='dense' instead of 'dense_single'.*batch_size=8 instead of 4"):
        run.check_same(replace(SETTINGS, model="dense", batch_size=8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "without training.json"),
        ("{", "as it was written"),
        ('{"format": 2, "model": "dense"}', "as it was written"),
        (json.dumps({"format": 1}), "format 1"),
    ],
)
def test_settings_say_why_unusable(tmp_path, text, message):
    """Missing, damaged, incomplete or of another version."""
    if text is not None:
        (tmp_path / run_dir.SETTINGS).write_text(text)
    with pytest.raises(InputError, match=message):
        Run(tmp_path).settings()


def test_history_says_when_damaged(run):
    """The message names the file that holds a damaged number."""
    (run.folder / run_dir.HISTORY).write_text("epoch,loss\n1,half")
    with pytest.raises(InputError, match=r"history\.csv must be as it was written"):
        run.history()
