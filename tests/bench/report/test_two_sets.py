"""The report of two stored sets: what differs first, both figures with their ratio, what mixed precision gains."""

import pytest

from bench.report import two_sets
from bench.results import store

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def sets(tmp_path_factory, measured):
    """Two machines; bfloat16 halves the step on the second alone."""
    folders = []
    for name, cpu, gain in (("base", "Old CPU", 1.0), ("candidate", HOSTILE, 2.0)):
        folder = tmp_path_factory.mktemp(name)
        for precision, seconds in (("float32", 0.1 / gain), ("mixed_bfloat16", 0.1 / gain**2)):
            for _ in range(3):
                store.append(
                    measured(precision=precision, seconds=(seconds,) * 3, machine={"cpu": cpu, "id": name}), folder
                )
        folders.append(folder)
    return two_sets.gather(*folders)


def test_gather_says_what_differs_and_gives_ratios(sets):
    """No fair pair: figures and no verdicts, and the reason before all figures."""
    assert any("Old CPU" in text for text in sets.differing)
    assert [row[4] for row in sets.tables[0].rows] == ["n/a", "n/a"]
    assert [round(row[3] if isinstance(row[3], float) else row[3].centre, 2) for row in sets.tables[0].rows] == [
        0.5,
        0.25,
    ]


def test_gather_gives_what_mixed_precision_gains_on_each_side(sets):
    """None on the first machine, twice the images a second on the other."""
    (row,) = sets.tables[-1].rows

    assert row[1:] == (
        "mixed_bfloat16",
        pytest.approx(320),
        pytest.approx(1.0),
        pytest.approx(1280),
        pytest.approx(2.0),
    )


def test_report_is_a_page_and_markdown(sets, tmp_path):
    """What differs stands first; names from outside are text."""
    page, text = two_sets.write(sets, tmp_path).read_text(), two_sets.markdown(sets)

    assert page.index("What differs") < page.index("Side by side")
    assert text.index("What differs") < text.index("| cell |")
    assert "<img" not in page
    assert 'class="bars"' in page
