"""The proof as a user asks for it: units recorded and stored, judged, and kept as a table."""

import json

import pytest

from bench.compare.pair_result import PairResult
from bench.compare.validation import demonstration
from bench.compare.validation import record as recording
from bench.results import store
from bench.run.data_source import Source
from flowers_core.errors import InputError


@pytest.fixture
def pairs(monkeypatch, paired):
    """Pairs that need no processes: a unit for each plant; counts what was planted."""
    planted = []

    def record(base, candidate, *, comparison, injections, load, draw):  # noqa: ARG001 - as pair.record
        planted.append([plant.kind for plant in injections])
        return [
            paired(1 + plant.share, comparison=comparison, cell=base.cell.id, plant=vars(plant), load=load)
            for plant in injections
        ]

    monkeypatch.setattr(recording.pair, "record", record)
    return planted


def test_units_are_recorded_for_each_plant(tmp_path, pairs):
    """A pair gives a unit of every case that was asked for, and of none planted; all are stored."""
    demonstration.record(tmp_path, Source(), seconds=0.5, load_share=0, kinds=("sleep",))
    units = store.load(PairResult, tmp_path).results

    assert pairs[0] == ["none", "sleep"]
    assert [unit.plant["kind"] for unit in units[:2]] == ["none", "sleep"]
    assert {unit.comparison[:6] for unit in units} == {"proof-"}


def test_a_store_is_judged_and_its_table_kept(tmp_path, recorded, capsys):
    """The figures are printed for a program, and kept as Markdown."""
    for unit in [*recorded(12), *recorded(12, wall=1.1, cpu=1.1, plant=("compute", 0.1))]:
        store.append(unit, tmp_path)
    demonstration.show(tmp_path, as_json=True)

    assert json.loads(capsys.readouterr().out)["together"]
    assert "A/A" in (tmp_path / "tables" / "proof.md").read_text()


def test_an_empty_store_proves_nothing(tmp_path):
    """Without units there is nothing to judge, and it is said."""
    with pytest.raises(InputError, match="no units"):
        demonstration.show(tmp_path, as_json=False)
