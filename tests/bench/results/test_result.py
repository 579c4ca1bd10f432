"""The envelope: JSON both ways for every kind of result, what is refused, and every line that was ever committed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare.comparison_result import CellVerdict, Comparison
from bench.compare.pair_result import PairResult
from bench.compare.sequential_test import Verdict, estimate
from bench.input.data_service.reader import Task
from bench.input.data_service.result import DataServiceResult
from bench.input.loaders.run import LoaderResult
from bench.input.object_store.measure import ObjectStoreResult
from bench.input.stall.accelerators import Workload
from bench.input.stall.emulate import Emulation
from bench.input.stall.stages import Stages
from bench.results import result, store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.results.peak import Peak
from bench.run.scaling.result import ScalingResult
from bench.training.run import TrainingRun
from flowers_core.errors import InputError

VERDICT = Verdict(word="same", clock="wall", pairs=4, estimates={"wall": estimate([0.0, 0.01, 0.02])})
EPOCH = {"epoch": 1.0, "val_accuracy": 0.5, "elapsed_seconds": 9.0, "images_per_second": 100.0}
REFERENCE = Path(__file__).parents[3] / "results" / "reference"
LINES = {Measurement: 130, PairResult: 832, Peak: 3, LoaderResult: 82, ObjectStoreResult: 24, TrainingRun: 16}
WORKLOAD = Workload(
    accelerator="A", model="m", batch_size=8, image_size=192, step_seconds=(0.1, 0.2), origin="published", source="s"
)


@pytest.fixture
def examples(measured, paired):
    """A result of each kind."""
    return {
        Measurement: measured(seconds=(0.1, 0.25), model="squeezenet"),
        PairResult: paired(1.5, 1.25, base_seconds=0.125),
        Comparison: Comparison(
            comparison="c",
            title="t",
            base={},
            candidate={},
            rule={},
            cells=(CellVerdict(cell="dense", verdict=VERDICT, step_seconds={"wall": (0.1, 0.2)}),),
        ),
        LoaderResult: LoaderResult(comparison="r", loader="records/grain", rates=(1.0, 2.0)),
        DataServiceResult: DataServiceResult(campaign="c", task=Task(pipeline="records_parallel"), workers=2),
        ObjectStoreResult: ObjectStoreResult(
            measurement=measured(model="none", pipeline="records_parallel"), requests={"read": 3}
        ),
        Emulation: Emulation(workload=WORKLOAD, pipeline="records_parallel", wait_seconds=(0.1,)),
        Stages: Stages(kind="photos", cpu_seconds={"read": {"median": 1.0}}),
        Peak: Peak(limits={"float32": {"value": 120.0}}),
        ScalingResult: ScalingResult(campaign="c", cell=Cell(model="dense"), step_seconds=(0.1,), losses=(1.5, 1.0)),
        TrainingRun: TrainingRun(model="dense", variant="ours", seed=1, campaign="", history=(EPOCH,)),
    }


KINDS = pytest.mark.parametrize(
    "kind",
    [
        *(
            Measurement,
            PairResult,
            Comparison,
            LoaderResult,
            DataServiceResult,
            ObjectStoreResult,
            Emulation,
            Stages,
            Peak,
            ScalingResult,
        ),
        TrainingRun,
    ],
    ids=lambda kind: kind.KIND,
)


@KINDS
def test_result_survives_json(kind, examples):
    """What is written to a line is what is read from it, whatever unknown fields stand beside it."""
    line = json.dumps({**examples[kind].to_json(), "colour": "red"}, allow_nan=False)

    assert kind.from_json(json.loads(line)) == examples[kind]


@KINDS
@pytest.mark.parametrize("change", [{"format": 99}, {"format": "1"}, {"status": "fine"}, {"machine": "lab"}], ids=str)
def test_result_refuses_other_lines(kind, change, examples):
    """A newer format, a status outside the list and a field of another type are refused; so is what is no object."""
    values = {**examples[kind].to_json(), **change}
    if kind is ObjectStoreResult:
        values["measurement"] |= change
    with pytest.raises(InputError, match=f"{kind.__name__}|Measurement"):
        kind.from_json(values)
    for other in ({}, [], None, {"format": kind.FORMAT, "cell": 3}):
        with pytest.raises(InputError, match=f"not a {kind.__name__}"):
            kind.from_json(other)


def test_result_names_the_field_that_is_wrong(examples):
    """A damaged line says where."""
    values = {**examples[PairResult].to_json(), "base_samples": [[1, 2]]}

    with pytest.raises(InputError, match="base_samples"):
        PairResult.from_json(values)


@pytest.mark.parametrize(("kind", "count"), LINES.items(), ids=lambda value: getattr(value, "KIND", ""))
def test_committed_lines_are_read(kind, count):
    """Every line under results/reference can be read by the code as it is now."""
    loaded = store.load(kind, REFERENCE)

    assert (len(loaded.results), loaded.damaged) == (count, ())


def test_latest_result_of_each_key_counts(examples):
    """A result that was started later replaces the earlier, in whatever order they come."""
    old, new = (replace(examples[Peak], started=day, machine={"id": "a"}) for day in ("2026-11-24", "2026-11-25"))

    assert result.latest([new, old], lambda peak: peak.machine["id"]) == {"a": new}


def test_result_knows_renamed_photos(measured):
    """Photos that are called synthetic today are compared with themselves in older results."""
    line = {**measured().to_json(), "data": {"photos": "garden", "images": 300}}

    assert Measurement.from_json(line).data == {"photos": "synthetic", "images": 300}
