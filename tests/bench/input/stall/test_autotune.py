"""What AUTOTUNE chose."""

from bench.input.stall import autotune
from bench.run.data_source import Source


def test_parallelism_and_buffers_are_read(synthetic_records):
    """A parallel pipeline tells its degree of parallelism and its buffer, and that they were chosen."""
    found = autotune.choices("records_parallel", Source(records=str(synthetic_records)), image_size=192, seconds=0.2)
    chosen = {(one["setting"], one["chosen"]) for one in found}

    assert ("parallelism", True) in chosen
    assert ("buffer_size", True) in chosen
    assert all(one["value"] >= 0 for one in found)


def test_without_autotune_there_is_a_reason(synthetic_records):
    """A pipeline that switches it off says so."""
    found = autotune.choices("records_sequential", Source(records=str(synthetic_records)), image_size=192, seconds=0.1)

    assert found == "autotune is off in it"


def test_other_iterators_have_no_model():
    """What is no iterator of tf.data gives a reason, too."""
    assert "does not tell" in autotune.of_iterator(iter([1]))


def test_missing_records_are_a_reason():
    """Nothing to read gives a text, not a traceback."""
    assert "--records" in autotune.choices("records_parallel", Source(), image_size=192, seconds=0.1)
