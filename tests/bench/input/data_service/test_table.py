"""What was read, as tables; and the exit code."""

import pytest

from bench.input.data_service import table


@pytest.fixture
def results(served):
    """Two rounds: one worker gives 0.8 and 0.9 of what none gives, for twice the CPU; an epoch lost 5, one failed."""
    return [
        *(served(rate=1000, cpu=0.1), served(rate=800, cpu=0.2, workers=1)),
        *(served(rate=2000, cpu=0.1, round=1), served(rate=1800, cpu=0.2, workers=1, round=1)),
        served(images=20, missing=0, doubled=0),
        served(images=15, missing=5, doubled=0, workers=1, sharding="static"),
        served(status="error", reason="No batch within 15 s", images=9, missing=11, workers=1),
    ]  # fmt: skip


def test_ratios_are_within_a_round(results):
    """Images/s of all rounds; the ratio pairs each round with itself, or 1,800 over 1,000 would be a gain."""
    assert table.rates(results) == [
        ("records_uint8", "none", (1500, 1000, 2000), "", 0.001, ""),
        ("records_uint8", "1", (1300, 800, 1800), (pytest.approx(0.85), 0.8, 0.9), 0.002, 2),
    ]


def test_epochs_state_their_outcome(results):
    """Whole, completed with losses, failed; with what is missing and doubled."""
    assert [row[3:] for row in table.epochs(results)] == [
        ("whole", 20, 0, 0),
        ("completed", 15, 5, 0),
        ("failed", 9, 11, ""),
    ]


def test_notes_state_what_makes_figures_doubtful(results):
    """Workers share the cores of this machine; how often it was measured, and why something failed."""
    text = table.markdown(results)

    assert "share the 2 cores" in text
    assert "over 2 fresh processes" in text
    assert "No batch within 15 s" in text
    assert "python -m bench data-service --workers 1`" in text


def test_servers_elsewhere_have_no_cpu_seconds_here(served):
    """What they spend cannot be seen, and is n/a."""
    rows = table.rates([served(rate=100), served(rate=300, workers=None)])

    assert rows[1] == ("records_uint8", "theirs", 300, 3, None, "")


def test_tables_fit_a_terminal(results, terminal):
    """80 columns."""
    assert "Over a tf.data service" in terminal(*table.tables(results))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rate": 100}, 0),
        ({"rate": 100, "status": "error"}, 1),
        ({"images": 20, "missing": 0, "doubled": 0}, 0),
        ({"images": 21, "missing": 0, "doubled": 1}, 1),
        ({"images": 19, "missing": 1, "doubled": 0}, 1),
        ({"status": "error"}, 1),
    ],
)
def test_exit_code_is_0_for_rates_and_whole_epochs(served, fields, code):
    """1 for anything else."""
    assert table.exit_code([served(**fields)]) == code
