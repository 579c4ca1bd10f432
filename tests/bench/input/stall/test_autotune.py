"""What AUTOTUNE chose."""

from bench.input.stall import autotune
from bench.run.data_source import Source


def test_choices_are_parallelism_and_buffers(synthetic_records):
    """A parallel pipeline tells its degree of parallelism and its buffer, and that they were chosen."""
    rows = autotune.choices("records_parallel", Source(records=str(synthetic_records)), image_size=192, seconds=0.1)
    chosen = {(row["setting"], row["chosen"]) for row in rows}

    assert ("parallelism", True) in chosen
    assert ("buffer_size", True) in chosen
    assert all(row["value"] >= 0 for row in rows)


def test_choices_give_a_reason_without_autotune(synthetic_records):
    """A pipeline that switches it off says so."""
    rows = autotune.choices("records_sequential", Source(records=str(synthetic_records)), image_size=192, seconds=0.1)

    assert rows == "AUTOTUNE is off in it"


def test_settings_of_other_iterators_are_a_reason():
    """What is no iterator of tf.data gives a reason, too."""
    assert "does not say" in autotune.settings(iter([1]))


def test_choices_give_a_reason_without_records():
    """Nothing to read gives a text, not a traceback."""
    assert "--records" in autotune.choices("records_parallel", Source(), image_size=192, seconds=0.1)
