"""Sentences that are made from the data say what the data says."""

import pytest

from bench.compare.sequential_test import Verdict, estimate
from bench.report import key_findings
from bench.report.gather import Compared, Gathered
from bench.results import summary


def said(*measurements, compared=()):
    summaries = tuple(summary.by_cell(measurements))
    return key_findings.answers(
        Gathered(
            summaries=summaries,
            shown=summaries,
            costs={},
            peaks={},
            compared=compared,
            outcomes=(),
            feeding=None,
            race=(),
            far=(),
            history=None,
            damaged=(),
        )
    )


def test_nothing_is_said_of_nothing():
    """Without data there is no sentence."""
    assert said() == []


def test_input_is_compared(measured):
    """Parallel records against photos one by one, by images a second."""
    (one,) = said(
        measured(model="none", pipeline="photos_one_by_one", seconds=(0.32,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(0.08,) * 3),
    )

    assert one == "Parallel TFRecords deliver 400 images/s, 4.0 times as many as photos one by one (100)."


def test_the_fastest_and_slowest_models_are_named(measured):
    """Each at its best batch."""
    (one,) = said(
        measured(model="dense", seconds=(0.01,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="xception", image_size=331, batch_size=4, seconds=(2.0,) * 3),
    )

    assert "Of 3 models, dense trains fastest, 3,200 images/s in batches of 32" in one
    assert "xception slowest, 2.00 in batches of 4 (331 px)" in one


@pytest.mark.parametrize(("seconds", "expected"), [(0.04, "2.5 times"), (0.2, "50% of what")])
def test_the_pipeline_is_held_against_the_hungriest_model(measured, seconds, expected):
    """The fastest of a first epoch, which no cache helps, can feed it, or the step is input-bound."""
    found = said(
        measured(model="none", pipeline="records_cached", seconds=(0.001,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(1.0,) * 3),
        measured(model="none", pipeline="records_turbo", seconds=(seconds,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
    )

    assert any(f"records_turbo delivers {expected}" in one and "convnet" in one for one in found)


def test_precisions_are_counted(measured):
    """How many gain, how many lose, and by how much at the ends; the same batch on either side."""
    found = said(
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="convnet", precision="mixed_bfloat16", seconds=(0.05,) * 3),
        measured(model="dense", seconds=(0.1,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.2,) * 3),
        measured(model="dense", precision="mixed_bfloat16", batch_size=8, seconds=(0.001,) * 3),
    )

    assert "1 of 2 models faster and 1 slower: from dense, 0.50 times" in found[-1]
    assert "to convnet, 2.00 times" in found[-1]


def test_a_knee_is_told_only_where_there_is_one(measured):
    """The smallest batch within 3 % of the best; a curve that still rises has none."""
    assert key_findings.knee({8: 98.0, 32: 100.0, 128: 99.0}) == 8
    level = [measured(batch_size=size, seconds=(size / 100,) * 3) for size in (8, 32, 128)]
    rising = [measured(batch_size=size, seconds=(0.1,) * 3) for size in (8, 32, 128)]

    assert "gains little from more than 8 images a batch" in said(*level)[-1]
    assert not any("gains little" in one for one in said(*rising))


def test_machines_are_not_mixed(measured):
    """Sentences are of the machine with most cells."""
    found = said(
        measured(model="dense", seconds=(0.01,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="xception", image_size=331, seconds=(9.0,) * 3, machine={"id": "other"}),
    )

    assert "Of 2 models" in found[0]


def test_the_last_comparison_is_told():
    """What is slower is named with its ratio; the rest is counted."""
    slow = estimate([0.05, 0.051, 0.049, 0.05])
    verdicts = (
        ("dense", Verdict(word="slower", clock="wall", pairs=4, estimates={"wall": slow})),
        ("convnet", Verdict(word="same", clock="cpu+wall", pairs=4, estimates={"wall": slow, "cpu": slow})),
    )
    compared = tuple(
        Compared(comparison="20261124", cell=cell, base="main", candidate="HEAD", verdict=one, cpu="")
        for cell, one in verdicts
    )

    assert said(compared=compared) == ["In the last comparison, main against HEAD, slower is dense (+5.1%); 1 same."]
