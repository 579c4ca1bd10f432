"""Numbers as text."""

import pytest

from bench.results import format


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        *((write, None, "n/a") for write in (format.duration, format.rate, format.about, format.megabytes)),
        (format.duration, 0.000412, "412 µs"),
        (format.duration, 0.02134, "21.3 ms"),
        (format.duration, 0.2126, "213 ms"),
        (format.duration, 4.2, "4.20 s"),
        (format.duration, 0.9999, "1.00 s"),
        (format.duration, 0.0000049, "4.90 µs"),
        (format.duration, 0.0000000491, "0.0491 µs"),
        (format.duration, 185.4, "3 min 5 s"),
        (format.rate, 8.012, "8.01"),
        (format.rate, 1560.3, "1,560"),
        (format.rate, 106000.0, "106,000"),
        (format.about, 9999.0, "9,999"),
        (format.about, 10_000.0, "10.0 k"),
        (format.about, 999_400.0, "999 k"),
        (format.about, 999_700.0, "1.00 M"),
        (format.about, 4.3e6, "4.30 M"),
        (format.megabytes, 2_075_000_000, "2,075"),
    ],
)
def test_figure_has_three_digits_and_the_unit_that_fits(write, value, text):
    """Durations in their unit, images a second with thousands apart or in six characters, bytes as MB."""
    assert write(value) == text


def test_interval_is_in_the_unit_of_its_centre():
    """Ends of an interval stand in the same unit as the figure, so that they can be compared at a glance."""
    assert format.interval(0.0213, 0.0009, 1.02) == "21.3 ms [0.9, 1,020]"


@pytest.mark.parametrize(
    ("amount", "text"), [(12, "12 bytes"), (412_000, "412 kB"), (3_000_000_000, "3.00 GB"), (25_100_000, "25.1 MB")]
)
def test_size_is_in_the_unit_that_fits(amount, text):
    """Bytes for people."""
    assert format.size(amount) == text
