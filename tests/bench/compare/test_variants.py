"""What a comparison is between: axes that name two values, revisions that are built and hold the same ruler."""

import dataclasses

import pytest

from bench.compare import revision, variants
from bench.machine import facts
from bench.results.cell import NO_MODEL, Cell
from bench.run.data_source import Source
from flowers_core.errors import InputError

CELLS = [Cell(model="dense", batch_size=8), Cell(model="squeezenet", batch_size=8)]


@pytest.mark.parametrize(
    ("axis", "field", "values"),
    [
        ("precision=float32,mixed_bfloat16", "precision", ("float32", "mixed_bfloat16")),
        ("xla=off,on", "xla", (False, True)),
        ("mode=train,predict", "mode", ("train", "predict")),
        ("image_size=96,192", "image_size", (96, 192)),
        ("backend=tensorflow,jax", "backend", ("tensorflow", "jax")),
        ("pipeline=records_parallel,records_uint8", "pipeline", ("records_parallel", "records_uint8")),
    ],
)
def test_an_axis_makes_two_cells_of_one(axis, field, values):
    """Base and candidate differ in the field alone, and are called by its values."""
    found = variants.of_axis(CELLS, axis, Source())

    assert len(found) == 2
    for match, cell in zip(found, CELLS, strict=True):
        assert (getattr(match.base.cell, field), getattr(match.candidate.cell, field)) == values
        assert (match.base.name, match.candidate.name) == tuple(axis.partition("=")[2].split(","))
        assert match.base.cell.model == match.candidate.cell.model == cell.model
        assert match.base.code == match.candidate.code


def test_on_jax_the_step_is_compiled():
    """The JAX side of the backend axis is a cell that JAX can run."""
    (match, _) = variants.of_axis(CELLS, "backend=tensorflow,jax", Source())

    assert (match.base.cell.xla, match.candidate.cell.xla) == (False, True)


def test_a_variable_is_an_axis():
    """The sides run the same cell with another environment."""
    (match, _) = variants.of_axis(CELLS, "env:TF_ENABLE_ONEDNN_OPTS=0,1", Source())

    assert match.base.cell == match.candidate.cell
    assert match.candidate.environment == {"TF_ENABLE_ONEDNN_OPTS": "1"}


def test_cells_that_differ_in_the_axis_alone_are_one_match():
    """A profile that holds both values asks for the pair once."""
    both = [CELLS[0], dataclasses.replace(CELLS[0], precision="mixed_bfloat16")]

    assert len(variants.of_axis(both, "precision=float32,mixed_bfloat16", Source())) == 1


@pytest.mark.parametrize(
    ("axis", "said"),
    [
        ("precision", "two values"),
        ("precision=float32", "two values"),
        ("precision=float32,float32", "two values that differ"),
        ("precision=float32,float8", "mixed_bfloat16"),
        ("colour=red,green", "env:NAME"),
        ("xla=off,maybe", "off, on"),
        ("image_size=96,large", "pixels"),
        ("env:=0,1", "env:NAME"),
    ],
)
def test_an_axis_that_is_none_is_told(axis, said):
    """What was expected is listed."""
    with pytest.raises(InputError, match=said):
        variants.of_axis(CELLS, axis, Source())


def test_a_pipeline_alone_has_no_model_to_feed():
    """The resident batch is no pipeline that could be compared alone."""
    with pytest.raises(InputError, match="--model"):
        variants.of_axis(
            [Cell(model=NO_MODEL, pipeline="records_parallel")], "pipeline=records_uint8,resident", Source()
        )


@pytest.fixture
def built(monkeypatch):
    """Revisions that need no building."""
    monkeypatch.setattr(
        revision, "build", lambda one, **_: revision.Environment(python=f"/{one.digest}/python", path="/harness")
    )


def test_revisions_run_their_own_code_under_one_ruler(built, monkeypatch):  # noqa: ARG001
    """Each side has the interpreter of its environment; both have the same ruler; the code is named."""
    found = {"main": "d1", "topic": "d2"}
    monkeypatch.setattr(
        revision, "resolve", lambda name: revision.Revision(name=name, commit=40 * "a", digest=found[name])
    )
    monkeypatch.setattr(facts, "uncommitted_files", list)
    told = []
    (match, _) = variants.of_revisions(CELLS, "main", "topic", Source(), tell=told.append)

    assert (match.base.python, match.candidate.python) == ("/d1/python", "/d2/python")
    assert match.base.path == match.candidate.path == "/harness"
    assert match.candidate.code == {"commit": 40 * "a", "dirty": False, "digest": "d2"}
    assert told == []


def test_the_same_code_twice_and_a_dirty_tree_are_told(built, monkeypatch):  # noqa: ARG001
    """Both are allowed, and neither in silence."""
    monkeypatch.setattr(revision, "resolve", lambda name: revision.Revision(name=name, commit="c", digest="same"))
    monkeypatch.setattr(facts, "uncommitted_files", lambda: ["flowers_core/images.py"])
    told = []
    variants.of_revisions(CELLS, "HEAD", "HEAD", Source(), tell=told.append)

    assert "the same code" in told[0]
    assert "WORKTREE" in told[1]
