"""What a comparison is between: axes that name two values, revisions that one harness measures."""

import dataclasses

import pytest

from bench.compare import revision, variants
from bench.machine import facts
from bench.results.cell import INPUT_OPTIONS, NO_MODEL, Cell
from bench.run.data_source import Source
from flowers_core.errors import InputError

CELLS = [Cell(model="dense", batch_size=8), Cell(model="squeezenet", batch_size=8)]
FED = [Cell(model=model, pipeline="records_parallel", batch_size=8) for model in ("dense", "none")]


@pytest.mark.parametrize(
    ("axis", "field", "values"),
    [
        ("precision=float32,mixed_bfloat16", "precision", ("float32", "mixed_bfloat16")),
        ("xla=off,on", "xla", (False, True)),
        ("mode=train,predict", "mode", ("train", "predict")),
        ("image_size=96,192", "image_size", (96, 192)),
        ("steps-per-execution=1,8", "steps_per_execution", (1, 8)),
        ("backend=tensorflow,jax", "backend", ("tensorflow", "jax")),
        ("pipeline=records_parallel,records_uint8", "pipeline", ("records_parallel", "records_uint8")),
        ("parallel-calls=1,4", "parallel_calls", (1, 4)),
        ("prefetch=0,auto", "prefetch", (0, None)),
        ("ordered=off,on", "ordered", (False, True)),
        ("augment=off,on", "augment", (False, True)),
    ],
)
def test_of_axis_makes_two_cells_of_one(axis, field, values):
    """Base and candidate differ in the field alone, and are called by its values."""
    cells = FED if field in INPUT_OPTIONS else CELLS
    pairs = variants.of_axis(cells, axis, Source())

    assert len(pairs) == 2
    for pair, cell in zip(pairs, cells, strict=True):
        assert (getattr(pair.base.cell, field), getattr(pair.candidate.cell, field)) == values
        assert (pair.base.name, pair.candidate.name) == tuple(axis.partition("=")[2].split(","))
        assert pair.base.cell.model == pair.candidate.cell.model == cell.model
        assert pair.base.code == pair.candidate.code


def test_of_axis_compiles_the_step_on_jax():
    """The JAX variant of the backend axis is a cell that JAX can run."""
    (pair, _) = variants.of_axis(CELLS, "backend=tensorflow,jax", Source())

    assert (pair.base.cell.xla, pair.candidate.cell.xla) == (False, True)


def test_of_axis_compares_a_model_with_its_peer_on_torch():
    """Ours runs where it was asked to, the peer where it can."""
    (pair,) = variants.of_axis(CELLS[1:], "model=squeezenet,torch:squeezenet", Source())

    assert [(side.cell.model, side.cell.backend) for side in pair] == [
        ("squeezenet", "tensorflow"),
        ("torch:squeezenet", "torch"),
    ]


def test_of_axis_takes_a_variable():
    """The variants run the same cell with another environment."""
    (pair, _) = variants.of_axis(CELLS, "env:TF_ENABLE_ONEDNN_OPTS=0,1", Source())

    assert pair.base.cell == pair.candidate.cell
    assert pair.candidate.environment == {"TF_ENABLE_ONEDNN_OPTS": "1"}


def test_of_axis_asks_for_a_pair_once():
    """A profile that holds both values asks for the pair once."""
    both = [CELLS[0], dataclasses.replace(CELLS[0], precision="mixed_bfloat16")]

    assert len(variants.of_axis(both, "precision=float32,mixed_bfloat16", Source())) == 1


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("precision", "two values"),
        ("precision=float32", "two values"),
        ("precision=float32,float32", "two values that differ"),
        ("precision=float32,float8", "mixed_bfloat16"),
        ("colour=red,green", "env:NAME"),
        ("xla=off,maybe", "off, on"),
        ("image_size=96,large", "pixels"),
        ("steps_per_execution=1,many", "number of steps"),
        ("steps-per-execution=1,0", "from 1"),
        ("env:=0,1", "env:NAME"),
    ],
)
def test_of_axis_explains_what_is_no_axis(axis, message):
    """What was expected is listed."""
    with pytest.raises(InputError, match=message):
        variants.of_axis(CELLS, axis, Source())


@pytest.mark.parametrize(
    ("cell", "axis", "said"),
    [
        (CELLS[0], "prefetch=0,4", "give `--pipeline"),
        (Cell(model="none", pipeline="records_turbo"), "augment=off,on", "takes no `augment`: its decode workers"),
        (FED[0], "parallel_calls=1,many", "whole number"),
    ],
)
def test_of_axis_says_what_a_pipeline_does_not_take(cell, axis, said):
    """Before anything runs."""
    with pytest.raises(InputError, match=said):
        variants.of_axis([cell], axis, Source())


def test_of_axis_refuses_the_resident_batch_alone():
    """The resident batch is no pipeline that could be compared alone."""
    with pytest.raises(InputError, match="--model"):
        variants.of_axis(
            [Cell(model=NO_MODEL, pipeline="records_parallel")], "pipeline=records_uint8,resident", Source()
        )


@pytest.fixture
def built(monkeypatch):
    """Revisions that need no building."""
    monkeypatch.setattr(
        revision, "build", lambda code, **_: revision.Environment(python=f"/{code.digest}/python", path="/harness")
    )


def test_of_revisions_run_their_own_code_under_one_harness(built, monkeypatch):  # noqa: ARG001
    """Each variant has the interpreter of its environment; both have the same harness; the code is named."""
    digests = {"main": "d1", "topic": "d2"}
    monkeypatch.setattr(
        revision, "resolve", lambda name: revision.Revision(name=name, commit=40 * "a", digest=digests[name])
    )
    monkeypatch.setattr(facts, "uncommitted_files", list)
    notes = []
    (pair, _) = variants.of_revisions(CELLS, "main", "topic", Source(), tell=notes.append)

    assert (pair.base.python, pair.candidate.python) == ("/d1/python", "/d2/python")
    assert pair.base.path == pair.candidate.path == "/harness"
    assert pair.candidate.code == {"commit": 40 * "a", "dirty": False, "digest": "d2"}
    assert notes == []


def test_of_revisions_report_the_same_code_and_a_dirty_tree(built, monkeypatch):  # noqa: ARG001
    """Both are allowed, and neither in silence."""
    monkeypatch.setattr(revision, "resolve", lambda name: revision.Revision(name=name, commit="c", digest="same"))
    monkeypatch.setattr(facts, "uncommitted_files", lambda: ["flowers_core/images.py"])
    notes = []
    variants.of_revisions(CELLS, "HEAD", "HEAD", Source(), tell=notes.append)

    assert "the same code" in notes[0]
    assert "WORKTREE" in notes[1]


def test_of_axis_keeps_no_credential():
    """What a variable holds is stored and published: a credential is hidden, and two of them are refused."""
    (pair,) = variants.of_axis(CELLS[:1], "env:XLA_FLAGS=a,https://u:hunter2@b", Source())

    assert pair.candidate.environment == {"XLA_FLAGS": "https://u:hunter2@b"}
    assert "hunter2" not in repr(pair.candidate.facts())
    with pytest.raises(InputError, match="published"):
        variants.of_axis(CELLS[:1], "env:TF_TOKEN_x=one,two", Source())
