"""Damaged inputs of every reader, some hundreds with a fixed seed; `make fuzz` tries more, and those of TensorFlow."""

import pytest

from tests.faults import fuzz, readers

SEED = 16


def test_readers_take_damaged_inputs_with_a_sentence():
    """Whatever bytes, records, lines or settings have become, an InputError comes of it, no traceback and no crash."""
    names = [name for name, reader in readers.READERS.items() if not reader.needs_tensorflow]

    assert fuzz.fuzz(names, seed=SEED, first=0, last=60) == []


@pytest.mark.parametrize("name", ["picture", "store"])
def test_inputs_depend_on_the_seed_alone(name):
    """An input that a run found bad can be made again by its number; the first ones are whole."""
    inputs = readers.READERS[name].inputs()
    made = [fuzz.make(name, SEED, number, inputs) for number in range(len(inputs) + 5)]

    assert made[: len(inputs)] == inputs
    assert made == [fuzz.make(name, SEED, number, inputs) for number in range(len(inputs) + 5)]
    assert made[len(inputs) :] != [fuzz.make(name, SEED + 1, len(inputs) + number, inputs) for number in range(5)]


def test_fuzz_finds_what_raises_and_what_dies():
    """A reader that raises and one that ends the process are found by the input's number, and the rest is read."""
    found = fuzz.fuzz(["faulty"], seed=SEED, first=0, last=6)

    assert [(finding.number, finding.says.split()[0].strip("'")) for finding in found] == [
        (1, "ValueError"),
        (3, "ended"),
    ]
