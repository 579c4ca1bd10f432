"""Cells of two sets are paired."""

import pytest

from bench.compare.partners import pairs
from flowers_core.errors import InputError


def cells(measured, *fields):
    return [measured(**field) for field in fields]


def test_pairs_cells_of_both_sets(measured):
    """A cell in both sets is a pair, one in a single set is named with its set."""
    partners = pairs(
        cells(measured, {"model": "dense"}, {"model": "convnet"}),
        cells(measured, {"model": "squeezenet"}, {"model": "dense"}, {"model": "dense"}),
    )

    assert [(mine.model, theirs.model) for mine, theirs in partners.both] == [("dense", "dense")]
    assert [cell.model for cell in partners.only_base] == ["convnet"]
    assert [cell.model for cell in partners.only_candidate] == ["squeezenet"]
    assert partners.over == ""


@pytest.mark.parametrize(
    ("base", "candidate", "over"),
    [
        ({}, {"precision": "mixed_bfloat16"}, "precision"),
        ({}, {"device": "gpu"}, "device"),
        ({"backend": "tensorflow"}, {"backend": "jax", "xla": True}, "backend"),
        ({}, {"xla": True}, "xla"),
        ({"batch_size": 8}, {"batch_size": 32}, "batch_size"),
    ],
)
def test_pairs_sets_over_the_field_in_which_they_differ(measured, base, candidate, over):
    """One field, or the backend with the XLA that JAX always has, may differ throughout."""
    models = {"model": "dense"}, {"model": "convnet"}
    partners = pairs(
        cells(measured, *({**model, **base} for model in models)),
        cells(measured, *({**model, **candidate} for model in models)),
    )

    assert partners.over == over
    assert [(mine.model, theirs.model) for mine, theirs in partners.both] == [
        ("dense", "dense"),
        ("convnet", "convnet"),
    ]


def test_pairs_steps_beside_pipelines_alone(measured):
    """A sweep on a CPU and one on a GPU share their pipelines; their steps are paired over the device."""
    pipeline = {"model": "none", "pipeline": "records_parallel"}
    partners = pairs(cells(measured, pipeline, {}), cells(measured, pipeline, {"device": "gpu"}))

    assert partners.over == "device"
    assert [mine == theirs for mine, theirs in partners.both] == [True, False]


def test_pairs_nothing_over_a_field_beside_a_common_cell(measured):
    """Where a model's cell is in both sets, the others are not paired over a field."""
    partners = pairs(cells(measured, {}, {"batch_size": 8}), cells(measured, {}, {"batch_size": 64}))

    assert (partners.over, len(partners.both), len(partners.only_base), len(partners.only_candidate)) == ("", 1, 1, 1)


def test_pairs_refuses_two_fields(measured):
    """Without a common cell, and with more than one field that differs, both sets' cells are named."""
    with pytest.raises(InputError, match=r"No cell is in both sets.*Base: dense-.*Candidate: convnet-.*b8"):
        pairs(cells(measured, {}), cells(measured, {"model": "convnet", "batch_size": 8}))


def test_pairs_refuses_an_unclear_pair(measured):
    """Two precisions in one set leave unclear which is meant: no pair over the precision."""
    both = cells(measured, {"precision": "mixed_bfloat16"}, {"precision": "mixed_float16"})

    with pytest.raises(InputError, match="No cell is in both sets"):
        pairs(cells(measured, {}), both)
