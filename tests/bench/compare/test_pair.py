"""A pair of live processes that take turns: one unit, whatever becomes of them."""

import dataclasses
import random
import sys
import textwrap
from types import SimpleNamespace

import psutil
import pytest

from bench.compare import inject, pair, pair_worker, variants
from bench.compare.variant import Variant, VariantPair
from bench.results.cell import Cell

CELL = Cell(model="dense_single", batch_size=4, image_size=32)
BASE = Variant(name="base", cell=CELL, code={"digest": "d1"})
CANDIDATE = Variant(name="candidate", cell=CELL, code={"digest": "d2"})


def workers():
    return [child for child in psutil.Process().children() if "bench.compare.pair_worker" in child.cmdline()]


@pytest.fixture(scope="module")
def units():
    """A real pair, in which something was planted once, and once nothing."""
    injections = (inject.NONE, inject.Injection(kind="sleep", share=1.0))
    return pair.record(BASE, CANDIDATE, comparison="test", injections=injections, draw=random.Random(0))


def test_a_pair_gives_a_unit_of_turns_for_each_plant(units):
    """Both processes take as many turns, in blocks of ABBA or BAAB; units of a pair share its name."""
    assert {one.status for one in units} == {"ok"}, units[0].reason
    assert {one.injection["kind"] for one in units} == {"none", "sleep"}
    assert len({one.pair for one in units}) == 1
    for one in units:
        assert len(one.base_samples) == len(one.candidate_samples) == pair.TURNS
        assert {one.order[start : start + 4] for start in range(0, 16, 4)} <= {"ABBA", "BAAB"}
        assert (one.base["digest"], one.candidate["digest"]) == ("d1", "d2")
        assert 0 <= one.foreign_cpu_share <= 1


def test_what_is_planted_is_seen(units):
    """Waiting as long as the step itself makes the candidate's turns longer than the base's."""
    slept = next(one for one in units if one.injection["kind"] == "sleep")

    assert sum(slept.step_seconds("candidate", "wall")) > 1.3 * sum(slept.step_seconds("base", "wall"))


@pytest.mark.parametrize(
    ("seconds", "burst", "alone", "steps"),
    [
        (0.008, 4, True, 24),
        (0.008, 1, True, 25),
        (0.1, 4, True, 4),
        (9.0, 4, True, 4),
        (9.0, 4, False, 1),
        (0.06, 4, False, 4),
    ],
)
def test_a_turn_holds_whole_bursts(seconds, burst, alone, steps):
    """Of batches that come several at once a turn has all; long steps of a model do not wait for theirs."""
    worker = SimpleNamespace(do=lambda *_, **__: {"step_seconds": seconds, "burst": burst, "alone": alone})

    assert pair._steps(worker) == steps


def test_nothing_is_left_behind(units):
    """When a unit is done, its processes are gone."""
    assert units
    assert workers() == []


def test_without_plants_there_is_one_unit():
    """A plain comparison prepares no place for anything, and gives one unit."""
    (unit,) = pair.record(BASE, CANDIDATE)

    assert (unit.status, unit.injection) == ("ok", {"kind": "none", "share": 0.0})


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (dataclasses.replace(CANDIDATE, cell=Cell(model="dense", pipeline="records_parallel")), "--records"),
        (dataclasses.replace(CANDIDATE, cell=dataclasses.replace(CELL, precision="mixed_float16")), "float16"),
        (dataclasses.replace(CANDIDATE, environment={"KERAS_BACKEND": "none"}), "candidate: "),
    ],
)
def test_a_side_that_cannot_run_is_told(candidate, said):
    """A unit of which one side fails is an error that names the side and the reason."""
    (unit,) = pair.record(BASE, candidate)

    assert unit.status == "error"
    assert unit.reason.startswith("candidate: ")
    assert said in unit.reason
    assert workers() == []


def test_other_classes_have_another_name():
    """Units of a resident batch of twelve classes are not counted with those of five."""
    twelve = [dataclasses.replace(side, classes=12) for side in (BASE, CANDIDATE)]
    fed = dataclasses.replace(twelve[0], cell=dataclasses.replace(CELL, pipeline="records_parallel"))

    assert VariantPair(BASE, CANDIDATE).cell == CELL.id
    assert VariantPair(*twelve).cell == f"{CELL.id}-12-classes"
    assert "classes" not in {**BASE.facts(), **fed.facts()}
    assert twelve[0].facts()["classes"] == 12


def test_a_pair_is_of_one_model(twelve_classes):
    """A resident batch against a pipeline with twelve classes: both processes get as many."""
    cell = Cell(model="dense_single", batch_size=4, image_size=32)
    (match,) = variants.of_axis([cell], "pipeline=resident,records_parallel", twelve_classes)
    built = pair_worker.prepare(match.base.cell, match.base.source, planted=False, classes=match.base.classes)

    assert (match.base.classes, match.candidate.classes) == (12, 12)
    assert built()


@pytest.mark.parametrize(
    ("code", "said"),
    [("import os; os.kill(os.getpid(), 9)", "SIGKILL"), ("import sys; sys.exit('no luck')", "no luck")],
)
def test_a_process_that_dies_is_told(tmp_path, code, said):
    """A death is a unit with status error, not an exception."""
    package = tmp_path / "bench" / "compare"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "pair_worker.py").write_text(textwrap.dedent(code))
    (unit,) = pair.record(BASE, dataclasses.replace(CANDIDATE, path=str(tmp_path), python=sys.executable))

    assert unit.status == "error"
    assert said in unit.reason
