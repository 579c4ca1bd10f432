"""Sentences that are made from the data say what the data says."""

from pathlib import Path

import pytest

from bench.report import key_findings
from bench.report.gather import Gathered
from bench.results import summary


def findings(*measurements, comparisons=()) -> list[str]:
    """What is said of measurements and comparisons."""
    return key_findings.findings(gathered(*measurements, comparisons=comparisons))


def gathered(*measurements, comparisons=()) -> Gathered:
    """Measurements and comparisons, where the store holds nothing else."""
    summaries = tuple(summary.by_cell(measurements))
    return Gathered(
        results=Path(),
        summaries=summaries,
        left_out=0,
        shown=summaries,
        charted=summaries,
        machines=(),
        older=(),
        sweeps=(summaries,),
        costs={},
        peaks={},
        comparisons=comparisons,
        lopsided=(),
        pairs={},
        explanations={},
        undecided=(),
        outcomes=(),
        stall=None,
        loaders=(),
        object_store=(),
        writes=(),
        scaling=(),
        checkpoints=(),
        history=None,
        damaged=(),
    )


def test_findings_say_nothing_of_nothing():
    """Without data there is no sentence."""
    assert findings() == []


def test_input_compares_records_with_photos(measured):
    """Parallel records against photos one by one, by images a second."""
    (sentence,) = findings(
        measured(model="none", pipeline="photos_one_by_one", seconds=(0.32,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(0.08,) * 3),
    )

    assert sentence == "Parallel TFRecords deliver 400 images/s, 4.0 times as many as photos one by one (100)."


def test_sentences_are_about_pipelines_as_they_are(measured):
    """Figures of augmented or otherwise tuned pipelines have rows of their own, and no sentence."""
    figures = [
        measured(model="none", pipeline="photos_one_by_one", seconds=(0.32,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(0.08,) * 3),
    ]
    tuned = measured(model="none", pipeline="records_parallel", prefetch=4, seconds=(0.001,) * 3)

    assert findings(*figures, tuned) == findings(*figures)


def test_steps_name_the_fastest_and_slowest_models(measured):
    """Each at its best batch."""
    (sentence,) = findings(
        measured(model="dense", seconds=(0.01,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="xception", image_size=331, batch_size=4, seconds=(2.0,) * 3),
    )

    assert "Of 3 models, dense trains fastest, 3,200 images/s in batches of 32" in sentence
    assert "xception slowest, 2.00 in batches of 4 (331 px)" in sentence


@pytest.mark.parametrize(("seconds", "expected"), [(0.04, "2.5 times"), (0.2, "50% of the largest demand")])
def test_demand_is_held_against_the_supply_of_a_first_epoch(measured, seconds, expected):
    """The fastest pipeline that no cache helps supplies so much of the largest demand of a model."""
    sentences = findings(
        measured(model="none", pipeline="records_cached", seconds=(0.001,) * 3),
        measured(model="none", pipeline="records_parallel", seconds=(1.0,) * 3),
        measured(model="none", pipeline="records_turbo", seconds=(seconds,) * 3),
        measured(model="convnet", seconds=(0.1,) * 3),
    )

    assert any(f"records_turbo supplies {expected}" in sentence and "convnet" in sentence for sentence in sentences)


def test_precisions_are_counted(measured):
    """How many gain, how many lose, and by how much at the ends; the same batch on either side."""
    sentences = findings(
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="convnet", precision="mixed_bfloat16", seconds=(0.05,) * 3),
        measured(model="dense", seconds=(0.1,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.2,) * 3),
        measured(model="dense", precision="mixed_bfloat16", batch_size=8, seconds=(0.001,) * 3),
    )

    assert "1 of 2 models faster and 1 slower: from dense, 0.50 times" in sentences[-1]
    assert "to convnet, 2.00 times" in sentences[-1]


def test_backends_are_held_against_each_other(measured):
    """For each precision the fastest backend of each model, at the largest batch that all of them trained."""
    jax = {"backend": "jax", "xla": True}
    *_, sentence = findings(
        measured(model="dense", seconds=(0.02,) * 3),
        measured(model="dense", seconds=(0.01,) * 3, **jax),
        measured(model="dense", batch_size=64, seconds=(0.01,) * 3),  # on one backend alone
        measured(model="convnet", seconds=(0.1,) * 3),
        measured(model="convnet", seconds=(0.2,) * 3, **jax),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.02,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.03,) * 3, **jax),
    )

    assert sentence == (
        "Of jax and tensorflow, each at the largest batch that all of them trained: in float32 jax is the fastest for "
        "dense, tensorflow is the fastest for convnet; in mixed_bfloat16 tensorflow is the fastest for dense."
    )


def test_many_models_of_a_backend_are_counted(measured):
    """A sentence names three; the picture shows by how much each is ahead, the farthest first."""
    models = ("dense", "convnet", "convnet_gap", "squeezenet")
    steps = [measured(model=model, seconds=(0.1,) * 3) for model in models]
    slower = [
        measured(model=model, backend="torch", seconds=(0.2 + 0.1 * number,) * 3) for number, model in enumerate(models)
    ]
    *_, finding = key_findings.pictured(
        gathered(
            *steps,
            *slower,
            measured(model="vgg16", seconds=(1.0,) * 3),
            measured(model="vgg16", backend="torch", seconds=(0.5,) * 3),
        )
    )

    assert "tensorflow is the fastest for 4 of 5 models, torch is the fastest for vgg16" in finding.sentence
    assert [(bar.label, bar.figure) for bar in finding.bars[:2]] == [("squeezenet", "x5.00"), ("convnet_gap", "x4.00")]


def test_knee_is_told_only_where_there_is_one(measured):
    """The smallest batch within 3 % of the best; a curve that still rises has none."""
    assert key_findings.knee({8: 98.0, 32: 100.0, 128: 99.0}) == 8
    level = [measured(batch_size=size, seconds=(size / 100,) * 3) for size in (8, 32, 128)]
    rising = [measured(batch_size=size, seconds=(0.1,) * 3) for size in (8, 32, 128)]

    assert "gains little from more than 8 images a batch" in findings(*level)[-1]
    assert not any("gains little" in sentence for sentence in findings(*rising))


def test_last_comparison_is_told_in_its_words(compared):
    """Commits by their titles; what is slower comes first with its ratio, then what is undecided, then the rest."""
    comparisons = (compared(dense="slower", convnet="same", vgg16="inconclusive"), compared(dense="faster"))

    assert findings(comparisons=comparisons) == [
        "In the last comparison, main (c0ffee00 Base) v HEAD (deadbeef <b>Candidate</b>): "
        "slower is dense (+5.1%); 1 inconclusive; 1 same."
    ]
    (undecided,) = findings(comparisons=[compared(dense="inconclusive", convnet="same")])
    assert undecided.endswith(": 1 inconclusive; 1 same.")
    (passed,) = findings(comparisons=[compared(convnet="same")])
    assert passed.endswith(": nothing is slower; 1 same.")
