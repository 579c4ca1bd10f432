"""What was drawn, as tables; and the exit code."""

import io

import pytest
from rich import console

from bench.input.data_service import table


@pytest.fixture
def found(served):
    """Two rounds: one worker gives 0.8 and 0.9 of what none gives, for twice the CPU; an epoch that lost 5."""
    return [
        *(served(rate=1000, cpu=0.1), served(rate=800, cpu=0.2, workers=1)),
        *(served(rate=2000, cpu=0.1, round=1), served(rate=1800, cpu=0.2, workers=1, round=1)),
        served(images=20, missing=0, doubled=0),
        served(images=15, missing=5, doubled=0, workers=1, kills="worker", restarted=True, sharding="static"),
        served(status="error", reason="No batch within 15 s", images=9, missing=11, kills="worker", workers=1),
    ]  # fmt: skip


def test_ratios_are_of_one_round(found):
    """Images/s of all rounds; the ratio pairs each round with itself, or 1,800 over 1,000 would be a gain."""
    assert table.rates(found) == [
        ("records_uint8", "none", "1,500 [1,000,2,000]", "", "1.00 ms", ""),
        ("records_uint8", "1", "1,300 [800,1,800]", "0.85 [0.8,0.9]", "2.00 ms", "2.00"),
    ]


def test_epochs_say_what_happened(found):
    """Whole, completed with losses, failed; with what is missing and doubled."""
    assert [row[3:] for row in table.epochs(found)] == [
        ("whole", "20", "0", "0"),
        ("worker killed, started again: completed in 2.00 s", "15", "5", "0"),
        ("worker killed: failed in 2.00 s", "9", "11", ""),
    ]


def test_the_table_is_honest(found):
    """It says that workers share the cores of this machine, how often it was measured, and why something failed."""
    said = table.markdown(found)

    assert "share the 2 cores" in said
    assert "over 2 fresh processes" in said
    assert "No batch within 15 s" in said
    assert "python -m bench data-service --workers 1`" in said


def test_servers_elsewhere_have_no_cpu_seconds_here(served):
    """What they spend cannot be seen, and is n/a."""
    rows = table.rates([served(rate=100), served(rate=300, workers=None)])

    assert rows[1] == ("records_uint8", "theirs", "300", "3.00", "n/a", "")


def test_it_fits_a_terminal(found):
    """80 columns."""
    drawn = console.Console(file=io.StringIO(), width=80)
    table.show(found, drawn)

    assert max(map(len, drawn.file.getvalue().splitlines())) <= 80
    assert "worker killed" in " ".join(drawn.file.getvalue().split())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rate": 100}, 0),
        ({"rate": 100, "status": "error"}, 1),
        ({"images": 20, "missing": 0, "doubled": 0}, 0),
        ({"images": 21, "missing": 0, "doubled": 1}, 1),
        ({"status": "error"}, 1),
        ({"images": 9, "missing": 11, "doubled": 0, "kills": "worker", "restarted": True}, 0),
        ({"kills": "worker", "restarted": True, "status": "error"}, 1),
        ({"kills": "worker", "status": "error"}, 0),
        ({"kills": "dispatcher", "status": "timeout"}, 1),
    ],
)
def test_the_exit_code_tells_the_truth(served, fields, code):
    """0 for rates, whole epochs, and servers whose death was told in time; 1 for anything else."""
    assert table.exit_code([served(**fields)]) == code
