"""A pair of processes that take turns: its results, whatever becomes of them."""

import dataclasses
import os
import random
import sys
import textwrap
from types import SimpleNamespace

import psutil
import pytest

from bench.compare import inject, pair, pair_worker, variants
from bench.compare.variant import Variant, VariantPair
from bench.results.cell import Cell
from bench.run import process

CELL = Cell(model="dense_single", batch_size=4, image_size=32)
BASE = Variant(name="base", cell=CELL, code={"digest": "d1"})
CANDIDATE = Variant(name="candidate", cell=CELL, code={"digest": "d2"})


def workers():
    return [child for child in psutil.Process().children() if "bench.compare.pair_worker" in child.cmdline()]


@pytest.fixture(scope="module")
def results():
    """A real pair of few short blocks, in which something was injected once, and once nothing."""
    injections = (inject.NONE, inject.Injection(kind="sleep", share=1.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair, "BLOCKS", 4)
        patch.setattr(pair, "BLOCK_SECONDS", 0.05)
        return pair.record(BASE, CANDIDATE, comparison="test", injections=injections, draw=random.Random(0))


def test_record_gives_a_result_for_each_injection(results):
    """Both processes time as many blocks, in the order ABBA or BAAB; results of a pair share its name."""
    assert {result.status for result in results} == {"ok"}, results[0].reason
    assert {result.injection["kind"] for result in results} == {"none", "sleep"}
    assert len({result.pair for result in results}) == 1
    for result in results:
        assert len(result.base_samples) == len(result.candidate_samples) == 4
        assert {result.order[start : start + 4] for start in range(0, 8, 4)} <= {"ABBA", "BAAB"}
        assert (result.base["digest"], result.candidate["digest"]) == ("d1", "d2")
        assert 0 <= result.foreign_cpu_share <= 1
    assert workers() == []


class FakeWorker:
    """A pair worker without a process: steps of 20 ms, or whatever an injection makes of them; `dies` at its name."""

    dies = ""

    def __init__(self, variant, *, injectable, folder, padding, left):
        assert folder.is_dir()
        assert isinstance(padding, dict)  # variables of random length
        assert left() > 0
        self.process = SimpleNamespace(pid=os.getpid(), end=lambda: None)
        self.name, self.injectable, self.share = variant.name, injectable, 0.0

    def answer(self):
        if self.name == self.dies:
            raise process.Died(self.name, "error", "no luck")

    def do(self, order, *, calls=0, injection=None):
        if order == "calibrate":
            return {"call_seconds": 0.02, "burst": 1, "alone": False}
        if order == "inject":
            assert self.injectable
            self.share = injection["share"]
            return {}
        seconds = calls * 0.02 * (1 + self.share)
        return {"sample": [calls, seconds, seconds, 0.0]}


@pytest.fixture
def fake_workers(monkeypatch):
    monkeypatch.setattr(pair, "PairWorker", FakeWorker)
    return FakeWorker


def test_record_injects_into_the_candidate_alone(fake_workers):  # noqa: ARG001
    """The base measures the injection too, and takes it out again."""
    (result,) = pair.record(BASE, CANDIDATE, injections=[inject.Injection(kind="sleep", share=0.5)])

    assert result.step_seconds("candidate", "wall") == pytest.approx([0.03] * pair.BLOCKS)
    assert result.step_seconds("base", "wall") == pytest.approx([0.02] * pair.BLOCKS)


def test_record_without_injections_gives_one_result(fake_workers):  # noqa: ARG001
    """A plain comparison prepares no place for anything."""
    (result,) = pair.record(BASE, CANDIDATE)

    assert (result.status, result.injection) == ("ok", {"kind": "none", "share": 0.0})


def test_record_takes_few_blocks_where_time_is_limited(fake_workers):  # noqa: ARG001
    """As many of either side, in whole turns."""
    (result,) = pair.record(BASE, CANDIDATE, most_seconds=0.0)

    assert len(result.base_samples) == len(result.candidate_samples) == pair.LEAST_BLOCKS
    assert len(result.order) == 2 * pair.LEAST_BLOCKS


@pytest.mark.parametrize("name", ["base", "candidate"])
def test_record_names_the_variant_that_failed(fake_workers, monkeypatch, name):
    """A failure is one result with status error, not an exception."""
    monkeypatch.setattr(fake_workers, "dies", name)
    (result,) = pair.record(BASE, CANDIDATE, injections=[inject.NONE, inject.NONE])

    assert (result.status, result.reason) == ("error", f"{name}: no luck")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (Cell(model="dense", pipeline="records_parallel"), "--records"),
        (dataclasses.replace(CELL, precision="mixed_float16"), "float16"),
    ],
)
def test_serve_answers_why_a_cell_cannot_run(cell, reason):
    """What stops a cell is the only answer."""
    job = {"cell": cell.to_json(), "source": dataclasses.asdict(BASE.source), "injectable": False, "classes": 5}
    answers = []
    pair_worker.serve(iter([job]), answers.append)

    (answer,) = answers
    assert reason in answer["error"]


@pytest.mark.parametrize(
    ("seconds", "burst", "alone", "calls"),
    [
        (0.008, 4, True, 24),
        (0.008, 1, True, 25),
        (0.1, 4, True, 4),
        (9.0, 4, True, 4),
        (9.0, 4, False, 1),
        (0.06, 4, False, 4),
    ],
)
def test_blocks_hold_whole_bursts(seconds, burst, alone, calls):
    """Of batches that come several at once a block has all; long steps of a model do not wait for theirs."""
    worker = SimpleNamespace(do=lambda *_, **__: {"call_seconds": seconds, "burst": burst, "alone": alone})

    assert pair._block_calls(worker) == calls


def test_cell_names_other_classes():
    """Results of a resident batch of twelve classes are not counted with those of five."""
    twelve = [dataclasses.replace(variant, classes=12) for variant in (BASE, CANDIDATE)]
    fed = dataclasses.replace(twelve[0], cell=dataclasses.replace(CELL, pipeline="records_parallel"))

    assert VariantPair(BASE, CANDIDATE).cell == CELL.id
    assert VariantPair(*twelve).cell == f"{CELL.id}-12-classes"
    assert "classes" not in {**BASE.facts(), **fed.facts()}
    assert twelve[0].facts()["classes"] == 12


def test_prepare_gives_both_variants_the_same_model(twelve_classes):
    """A resident batch against a pipeline with twelve classes: both processes get as many."""
    cell = Cell(model="dense_single", batch_size=4, image_size=32)
    (variant_pair,) = variants.of_axis([cell], "pipeline=resident,records_parallel", twelve_classes)
    base = variant_pair.base
    step = pair_worker.prepare(base.cell, base.source, injectable=False, classes=base.classes)

    assert (base.classes, variant_pair.candidate.classes) == (12, 12)
    assert step()


@pytest.mark.parametrize(
    ("code", "reason"),
    [("import os; os.kill(os.getpid(), 9)", "SIGKILL"), ("import sys; sys.exit('no luck')", "no luck")],
)
def test_record_survives_a_process_that_dies(tmp_path, code, reason):
    """A death is a result with status error, not an exception, and nothing is left behind."""
    package = tmp_path / "bench" / "compare"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "pair_worker.py").write_text(textwrap.dedent(code))
    dying = {"path": str(tmp_path), "python": sys.executable}
    (result,) = pair.record(dataclasses.replace(BASE, **dying), dataclasses.replace(CANDIDATE, **dying))

    assert result.status == "error"
    assert reason in result.reason
    assert workers() == []
