"""Small pictures beside findings: lengths, many rows, names from outside."""

import re

from bench.report import bars
from bench.report.bars import Bar


def test_svg_draws_lengths_from_zero():
    """The longest fills the picture, half of it is half as long; what the sentence speaks of stands out."""
    picture = bars.svg([Bar("a", 2.0, "2", strong=True), Bar("b", 1.0, "1")])
    (first, long), (second, half) = re.findall(r'<rect class="(\w+)" x="[\d.]+" y="\d+" width="([\d.]+)"', picture)

    assert (first, second) == ("strong", "plain")
    assert float(half) * 2 == float(long)


def test_svg_of_many_keeps_first_and_last():
    """A dozen rows are too many to read beside a sentence."""
    picture = bars.svg([Bar(f"row {number}", number, str(number)) for number in range(12)])

    assert picture.count("<rect") == bars.MOST_ROWS
    assert all(f">row {number}<" in picture for number in (0, 11))
    assert ">row 7<" not in picture


def test_svg_makes_room_for_long_labels():
    """A model with its variant is read whole, beside bars that are shorter for it; a path is cut."""
    short, long, endless = (bars.svg([Bar("m" * letters, 1.0, "1")]) for letters in (12, 24, 60))
    widths = [float(re.search(r'width="([\d.]+)"', picture)[1]) for picture in (short, long)]

    assert f">{'m' * 24}<" in long
    assert widths[1] < widths[0]
    assert f">{'m' * (bars.LETTERS - 1)}…<" in endless


def test_svg_escapes_labels():
    """A model may have any name."""
    assert "<b>" not in bars.svg([Bar("<b>", 1.0, "1")])


def test_svg_of_nothing_is_nothing():
    """No finding without figures gets an empty frame."""
    assert bars.svg([]) == ""
