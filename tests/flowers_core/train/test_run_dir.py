"""Tests of `flowers_core.train.run_dir`."""

import json
import os
import signal
import zipfile
from dataclasses import asdict, replace

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
ROWS = [dict.fromkeys(run_dir.COLUMNS, 0.5) | {"epoch": float(epoch)} for epoch in (1, 2)]


class Saved:
    """Stands for a model: writes a file where it is saved, or fails half-way."""

    def __init__(self, text, error=None):
        self.text, self.error = text, error

    def save(self, path):
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("text", self.text)
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


def test_settings_keep_no_home_folder(tmp_path, monkeypatch):
    """A training that is shown to others does not name its user, and finds its records and weights all the same."""
    monkeypatch.setenv("HOME", "/home/flora")
    run = Run(tmp_path / "run")
    settings = replace(SETTINGS, records="/home/flora/data/records", weights="/home/flora/base.weights.h5")
    run.begin(settings)

    assert "flora" not in (run.folder / run_dir.SETTINGS).read_text()
    assert run.settings() == settings


def test_history_is_read_as_written(run):
    """The history is numbers again, and none before the first epoch."""
    assert run.history() == []
    run.keep_history(ROWS)
    assert run.history() == ROWS


def test_keep_model_leaves_earlier_one_on_failure(run):
    """A disk that fails while saving leaves what was saved before, and nothing unfinished."""
    run.keep_model(Saved("first"), SETTINGS.classes)
    with pytest.raises(OSError, match="full"):
        run.keep_model(Saved("half of the sec", OSError(28, "disk full")), SETTINGS.classes)

    with zipfile.ZipFile(run.model) as file:
        assert file.read("text") == b"first"
    assert sorted(path.name for path in run.folder.iterdir()) == [run_dir.MODEL, run_dir.SETTINGS]


def test_begin_refuses_folder_with_weights(run):
    """A second training into the same folder is refused, once there is something to lose."""
    run.begin(SETTINGS)
    run.keep_model(Saved("weights"), SETTINGS.classes)
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
        (json.dumps({"format": 2, **asdict(SETTINGS), "epochs": "3"}), "Expected `int`, got `str`"),
    ],
)
def test_settings_say_why_unusable(tmp_path, text, message):
    """Missing, damaged, incomplete or of another version."""
    if text is not None:
        (tmp_path / run_dir.SETTINGS).write_text(text)
    with pytest.raises(InputError, match=message):
        Run(tmp_path).settings()


def test_history_says_when_damaged(run):
    """The message names the file that holds a damaged number, lacks a column, or holds epochs in another order."""
    run.keep_history(ROWS)
    path, columns = run.folder / run_dir.HISTORY, ",".join(run_dir.COLUMNS)
    for text in ("epoch,loss\n1,0.5", path.read_text().replace("0.5", "half"), f"{columns}\n1,0.5"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"history\.csv must be as it was written"):
            run.history()
    run.keep_history(ROWS[::-1])
    with pytest.raises(InputError, match="out of order"):
        run.history()


@pytest.mark.parametrize("classes", [("daisy",), ("roses", "daisy"), ("daisy", "roses", "tulips")])
def test_check_classes_refuses_others(run, classes):
    """A class that is gone, another order or one more would change the meaning of the model's outputs."""
    run.keep_model(Saved("weights"), SETTINGS.classes)
    run.check_classes(SETTINGS.classes, 2)
    with pytest.raises(InputError, match=r"must name the classes of .*: daisy, roses\. Received: "):
        run.check_classes(classes, 2)


@pytest.mark.parametrize("text", [b"{", b"5", b'["daisy", true]', b"\xff"])
def test_check_classes_says_when_damaged(run, text):
    """Names of classes that are none are damage of the file of the model, not a traceback."""
    with zipfile.ZipFile(run.model, "w") as file:
        file.writestr(run_dir.CLASSES, text)
    with pytest.raises(InputError, match=r"classes\.json in .*model\.keras must be as it was written"):
        run.check_classes(SETTINGS.classes, 2)


def test_exclusive_names_the_holder(run):
    """A second training in the folder is refused with the process of the first, and welcome after it."""
    with run.exclusive(), pytest.raises(InputError, match=f"beside process {os.getpid()}"), run.exclusive():
        pass
    with run.exclusive():
        pass


def test_exclusive_ends_with_the_process(run):
    """A process that is killed while it holds the folder leaves it free."""
    child = os.fork()
    if not child:
        with run.exclusive():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

    assert (run.folder / ".lock").read_text() == f"{child}\n"
    with run.exclusive():
        pass
