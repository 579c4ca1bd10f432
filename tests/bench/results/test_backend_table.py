"""Which backend is the fastest, and where intervals do not tell."""

import pytest

from bench.results import backend_table, store, summary, summary_table
from flowers_core.errors import InputError

JAX = {"backend": "jax", "xla": True}
TORCH = {"backend": "torch"}


@pytest.fixture
def steps(measured):
    """Of two models in two precisions; of `dense` in float32 JAX is twice as fast as TensorFlow."""
    return [
        measured(model="dense", seconds=(0.2, 0.2, 0.2)),
        measured(model="dense", seconds=(0.1, 0.1, 0.11), **JAX),
        measured(model="dense", status="oom", reason="out of memory", **TORCH),
        measured(model="dense", batch_size=64, seconds=(0.1,) * 3),  # on one backend alone
        measured(model="convnet", seconds=(0.1, 0.2, 0.3)),
        measured(model="convnet", seconds=(0.11, 0.21, 0.31), **JAX),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.02,) * 3),
        measured(model="dense", precision="mixed_bfloat16", seconds=(0.03,) * 3, **JAX),
        measured(model="dense", xla=True, seconds=(0.001,) * 3),  # compiled by choice
    ]


def test_contests_name_the_fastest_of_each_model_and_precision(steps):
    """At the largest batch that most trained; steps compiled by choice are no part of it."""
    found = {(each.cell.model, each.cell.precision): each for each in backend_table.comparisons(summary.by_cell(steps))}

    assert found["dense", "float32"].fastest == ["jax"]
    assert found["dense", "float32"].cell.batch_size == 32
    assert found["dense", "float32"].ratio("tensorflow") == pytest.approx((2.0, 0.2 / 0.11, 2.0))
    assert found["dense", "mixed_bfloat16"].fastest == ["tensorflow"]


def test_contests_tie_where_intervals_touch(steps):
    """Nobody is called the fastest whom the intervals do not tell apart."""
    (convnet,) = [each for each in backend_table.comparisons(summary.by_cell(steps)) if each.cell.model == "convnet"]

    assert convnet.fastest == ["tensorflow", "jax"]


def test_tables_have_a_column_for_each_backend(steps):
    """A table for each precision; what became of a step that has no figure stands in its place."""
    float32, bfloat16 = backend_table.tables(summary.by_cell(steps))

    assert "float32" in float32.title
    assert [column.name for column in float32.columns[3:6]] == ["tensorflow", "jax", "torch"]
    assert float32.texts()[0][:6] == ["dense", "192", "32", "160", "320", "oom"]
    assert "mixed_bfloat16" in bfloat16.title


@pytest.mark.parametrize("shape", ["terminal", "markdown", "csv", "json"])
def test_text_shows_backends(tmp_path, steps, shape):
    """Of a whole store, in each form; the origin names the software of all backends."""
    for step in steps:
        store.append(step, tmp_path)
    said = summary_table.text(tmp_path, everything=True, shape=shape, backends=True)

    assert "dense" in said
    assert "jax" in said
    assert "photos_one_by_one" not in said


def test_text_says_how_to_measure_backends(tmp_path, measured):
    """A store of one backend is answered by the command that measures others."""
    store.append(measured(), tmp_path)

    with pytest.raises(InputError, match="sweep --backend tensorflow,jax,torch"):
        summary_table.text(tmp_path, everything=True, backends=True)
