"""The noise floor is measured: identical pairs, stored as they end, and a floor for each cell."""

import json

import pytest

from bench.compare import calibrate
from bench.compare.pair_result import PairResult
from bench.machine import facts as machine
from bench.results import store
from bench.results.cell import Cell
from bench.run.data_source import Source

CELLS = [Cell(model="dense", batch_size=8), Cell(model="squeezenet", batch_size=8)]


@pytest.fixture
def recorder(paired):
    """Makes identical pairs with a little noise; a model called `deadly` dies."""

    def make(*, deadly=""):
        noise = iter(range(0, 2000, 2))

        def record(base, candidate, *, comparison):
            sides = {
                name: {"cell": variant.cell.to_json(), **variant.code}
                for name, variant in (("base", base), ("candidate", candidate))
            }
            facts = {"comparison": comparison, "cell": base.cell.id, "machine": machine.fingerprint(), **sides}
            if base.cell.model == deadly:
                return [paired(status="error", reason="base: no luck", **facts)]
            number = next(noise)  # no two results are the same, or the second would count as a copy
            return [paired(1 + 0.01 * (number % 3 - 1) + 1e-6 * number, **facts)]

        return record

    return make


def test_run_gives_each_cell_its_floor(tmp_path, recorder, capsys):
    """So many pairs of each cell are run and stored; a program reads one object a cell."""
    code = calibrate.run(CELLS, Source(), tmp_path, pairs=6, as_json=True, record=recorder())
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert len(store.load(PairResult, tmp_path).results) == 12
    assert {row["cell_id"] for row in rows} == {cell.id for cell in CELLS}


def test_run_reports_a_cell_whose_pairs_die(tmp_path, recorder, capsys):
    """The other cell has its floor, and the reason is said."""
    code = calibrate.run(CELLS, Source(), tmp_path, pairs=6, record=recorder(deadly="dense"))
    output = capsys.readouterr()

    assert code == 0
    assert "no luck" in output.err
    assert "squeezenet" in output.out


def test_run_without_any_floor_is_exit_3(tmp_path, recorder, capsys):
    """Where every pair dies there is no floor, and the exit code says so."""
    assert calibrate.run(CELLS[:1], Source(), tmp_path, pairs=4, record=recorder(deadly="dense")) == 3
    assert "no luck" in capsys.readouterr().err
