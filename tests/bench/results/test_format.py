"""Numbers -> text."""

import pytest

from bench.results import format


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "n/a"), (0.000412, "412 µs"), (0.02134, "21.3 ms"), (0.2126, "213 ms"), (4.2, "4.20 s"),
        (0.9999, "1.00 s"),
        (0.0000049, "4.90 µs"), (0.0000000491, "0.0491 µs"), (185.4, "3 min 5 s"),
    ],
)  # fmt: skip
def test_duration(seconds, text):
    """Three digits, in the unit that fits."""
    assert format.duration(seconds) == text


def test_interval_is_in_the_unit_of_its_centre():
    """Ends of an interval stand in the same unit as the figure, so that they can be compared at a glance."""
    assert format.interval(0.0213, 0.0009, 1.02) == "21.3 ms [0.9, 1,020]"


@pytest.mark.parametrize(("rate", "text"), [(None, "n/a"), (8.012, "8.01"), (1560.3, "1,560"), (106000.0, "106,000")])
def test_rate(rate, text):
    """Images a second, with thousands apart."""
    assert format.rate(rate) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "n/a"),
        (9999.0, "9,999"),
        (10_000.0, "10.0 k"),
        (999_400.0, "999 k"),
        (999_700.0, "1.00 M"),
        (4.3e6, "4.30 M"),
    ],
)
def test_about(rate, text):
    """No more than six characters, whatever the rate."""
    assert format.about(rate) == text


@pytest.mark.parametrize(("size", "text"), [(None, "n/a"), (2_075_000_000, "2,075")])
def test_megabytes(size, text):
    """Bytes as MB."""
    assert format.megabytes(size) == text
