"""What a generator yields, handed over to TensorFlow."""

import gc
from itertools import count

import numpy as np
import pytest
import tensorflow as tf

from flowers_core.input import generator_dataset

SIGNATURE = (tf.TensorSpec((None, 2), tf.uint8), tf.TensorSpec((None,), tf.int64))


@pytest.fixture
def closed():
    """The generators that have been closed, by the order in which they began."""
    return []


def numbered(closed, last=None):
    """Begins generators of pairs that tell which of them made an element, and which element it is."""
    begun = count()

    def begin():
        mine = next(begun)
        try:
            for number in count() if last is None else range(last):
                yield np.full((3, 2), number, np.uint8), np.full(3, mine, np.int64)
        finally:
            closed.append(mine)

    return begin


def test_dataset_yields_elements_in_order(closed):
    """Shapes are as signed; a second pass begins a second generator."""
    data = generator_dataset.dataset(numbered(closed, last=4), SIGNATURE)

    assert data.element_spec == SIGNATURE
    for run in (0, 1):
        found = [(int(pixels[0, 0]), int(labels[0])) for pixels, labels in data]
        assert found == [(number, run) for number in range(4)]
    assert closed == [0, 1]


def test_dataset_gives_each_iterator_a_generator(closed):
    """What one draws is not missing in the other."""
    one, other = (iter(generator_dataset.dataset(numbered(closed), SIGNATURE)) for _ in range(2))
    drawn = [int(next(each)[0][0, 0]) for each in (one, one, other, one, other)]

    assert drawn == [0, 1, 0, 2, 1]


def test_dataset_closes_a_generator_with_its_iterator(closed):
    """Or the processes behind it would live on; the dataset itself need not be held."""
    drawn = iter(generator_dataset.dataset(numbered(closed), SIGNATURE).prefetch(2))
    next(drawn)
    gc.collect()
    assert int(next(drawn)[0][0, 0]) == 1
    assert closed == []

    del drawn
    gc.collect()
    assert closed == [0]


def test_dataset_passes_an_error_on(closed):
    """With what the generator said; what follows is the end."""

    def begin():
        yield from numbered(closed, last=1)()
        raise OSError("the disk is gone")

    drawn = iter(generator_dataset.dataset(begin, SIGNATURE))
    next(drawn)
    with pytest.raises(tf.errors.UnknownError, match="the disk is gone"):
        next(drawn)


def test_dataset_is_shared_out_by_a_strategy(closed):
    """Every element comes to the replicas once."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    data = strategy.experimental_distribute_dataset(generator_dataset.dataset(numbered(closed, last=3), SIGNATURE))

    assert [int(pixels[0, 0]) for pixels, _ in data] == [0, 1, 2]
