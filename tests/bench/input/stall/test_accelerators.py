"""Stored measurements of another machine become consumers."""

import json

import pytest

from bench.input.stall import accelerators, published
from bench.results import store
from flowers_core.errors import InputError


def heard():
    said = []
    return said, said.append


def test_a_stored_step_is_replayed_as_it_was(tmp_path, measured):
    """Of each model the hungriest cell is taken, with every duration it had, and named by its accelerator."""
    machine = {"accelerators": [{"name": "NVIDIA Z9"}], "host": "far"}
    store.append(measured(device="gpu", batch_size=32, seconds=(0.1, 0.2, 0.3), machine=machine), tmp_path)
    store.append(measured(device="gpu", batch_size=8, seconds=(0.1,), machine=machine), tmp_path)
    (one,) = accelerators.of_file(tmp_path / "measurements" / "far.jsonl", tell=heard()[1])

    assert one.accelerator == "NVIDIA Z9"
    assert one.step_seconds == (0.1, 0.2, 0.3)
    assert one.origin == "measured"


def test_damaged_lines_are_told(tmp_path, measured):
    """A file that was cut off gives what it holds and says what is missing."""
    path = store.append(measured(), tmp_path)
    path.write_text(path.read_text() + '{"cell"')
    said, tell = heard()

    assert len(accelerators.of_file(path, tell=tell)) == 1
    assert "1 lines could not be read" in said[0]


@pytest.mark.parametrize("text", ["", "hello\n", json.dumps({"a": 1}) + "\n", "\x00\xff"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    """What holds no training step is named with what was expected."""
    path = tmp_path / "other.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="training steps on a resident batch"):
        accelerators.of_file(path, tell=heard()[1])


def test_a_pipeline_alone_is_no_consumer(tmp_path, measured):
    """A store without steps is refused, too."""
    path = store.append(measured(model="none", pipeline="records_parallel"), tmp_path)
    with pytest.raises(InputError, match="none of them such"):
        accelerators.of_file(path, tell=heard()[1])


def test_only_named_models_are_emulated():
    """`--model` picks from the published ones, too."""
    assert len(accelerators.chosen([], [], tell=heard()[1])) == len(published.CONSUMERS)
    assert {one.model for one in accelerators.chosen([], ["xception"], tell=heard()[1])} == {"xception"}
