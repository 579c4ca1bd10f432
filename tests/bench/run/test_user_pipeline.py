"""A user's models and loaders: measured as any other, and checked before."""

from pathlib import Path

import numpy as np
import pytest

from bench.results.cell import NO_MODEL, Cell
from bench.run import measure, process, timing, user_check, user_pipeline
from bench.run.data_source import Source
from bench.run.measure import Job
from bench.run.timing import Effort
from flowers_core import user_code
from flowers_core.errors import InputError

SHORT = Effort(seconds=0.05, least_steps=2)
BEGIN = """
import numpy as np


def batch(size, count, kind="float32"):
    return np.zeros((count, size, size, 3), kind), np.arange(count) % 5


"""
MODEL = """
import keras


def build(image_size, classes):
    return keras.Sequential([
        keras.Input((image_size, image_size, 3)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(classes, activation="softmax"),
    ])
"""
ENDS = (
    "for _ in range(3):\n        yield batch(image_size, batch_size, 'uint8')\n    yield batch(image_size, 1, 'uint8')"
)
DATASET = """import tensorflow as tf
    images, labels = batch(image_size, 2 * batch_size + 1)
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch_size)"""


@pytest.fixture
def write(tmp_path):
    """Writes a user's file with a model and a loader of some body; gives a cell of both, and where they are found."""

    def make(body, *, model=NO_MODEL, **fields):
        path = tmp_path / "own.py"
        path.write_text(f"{BEGIN}{MODEL}\n\ndef batches(source, image_size, batch_size):\n    {body}\n")
        loader = user_code.locate(f"{path}:batches", user_code.LOADER)
        build = user_code.locate(f"{path}:build", user_code.MODEL)
        files = tuple((found.name, found.option) for found in (loader, build))
        chosen = build.name if model == "own" else model
        return Cell(model=chosen, pipeline=loader.name, image_size=16, batch_size=4, **fields), Source(files=files)

    return make


@pytest.mark.parametrize("body", [ENDS, DATASET, "return [batch(image_size, batch_size)]"])
@pytest.mark.parametrize("model", [NO_MODEL, "own"])
def test_measure_takes_a_users_loader(body, model, write, monkeypatch):
    """A generator, a dataset or a list that ends begins anew, in whole batches; alone and feeding a user's model."""
    monkeypatch.setattr(timing, "PIPELINE_STEP_SECONDS", 0.025)
    cell, source = write(body, model=model)
    done = measure.measure(Job(cell=cell, effort=SHORT, source=source))

    assert (done.status, done.reason) == ("ok", "")
    assert done.images_per_step % 4 == 0


def test_measure_feeds_a_users_loader_on_jax(write):
    """Outside TensorFlow batches stay NumPy arrays."""
    cell, source = write(ENDS, model="dense", backend="jax", xla=True)
    batches = user_pipeline.build(cell, source)

    assert user_pipeline.dtype(batches) == "uint8"
    assert {len(next(batches)[0]) for _ in range(7)} == {4}


def test_build_refuses_a_generator_that_has_ended(write):
    """A function that gives the same generator again cannot go on for ever."""
    cell, source = write("return SAME", model="dense", backend="jax", xla=True)
    path = source.files[0][1].rpartition(":")[0]
    with Path(path).open("a") as file:
        file.write("\nSAME = iter([batch(16, 4)])\n")
    found = user_code.locate(f"{path}:batches", user_code.LOADER)
    cell = Cell(model="dense", pipeline=found.name, image_size=16, batch_size=4, backend="jax", xla=True)
    batches = user_pipeline.build(cell, Source(files=((found.name, found.option),)))
    next(batches)

    with pytest.raises(InputError, match=r"a new generator if it is one\. Received: an end before the first"):
        next(batches)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 3", "must return a tf.data.Dataset or an iterable of pairs. Received: int"),
        ("yield from ()", "Received: an end before the first"),
        ("raise OSError('no disk')", "must give batches. Received: OSError: no disk (line"),
        ("yield 1 / 0", "must go on. Received: ZeroDivisionError"),
        ("yield batch(image_size, 4)[0]", "must give pairs (images, labels). Received: ndarray"),
        ("yield batch(image_size, 3)", "images of shape (4, 16, 16, 3). Received: (3, 16, 16, 3)"),
        (
            "yield batch(image_size, 4)[0][0], 1",
            "a single image: there is no batch dimension. `dataset.batch(batch_size)` adds it",
        ),
        ("yield batch(image_size, 4, 'float64')", "float32 in [0, 1] or uint8. Received: float64"),
        ("yield batch(image_size, 4)[0], np.zeros(4)", "integers from 0. Received: (4,), float64"),
        ("yield batch(image_size, 4)[0], np.full(4, 5)", "labels from 0 to 4, for the models tell 5 classes apart"),
    ],
)
def test_find_problem_says_what_a_loader_does_wrong(body, said, write):
    """Before anything is measured each fault of a loader is a sentence."""
    cell, source = write(body, model="dense")

    assert said in user_check.find_problem([cell], source, classes=5)


def test_find_problem_builds_models(write):
    """A model that does not fit the classes is found, one that does is not."""
    cell, source = write(ENDS, model="own")
    path = source.files[0][1].rpartition(":")[0]

    assert user_check.find_problem([cell], source, classes=5) == ""
    assert "has changed" in user_check.find_problem([_changed(cell, path)], source, classes=5)


def _changed(cell, path):
    with Path(path).open("a") as file:
        file.write("# more\n")
    return cell


def test_source_says_that_a_file_is_unknown():
    """A cell from the store names a file whose place nobody knows."""
    with pytest.raises(InputError, match=r"Name the file of net:build again, `net\.py:build`"):
        Source().find_option("net:build@01234567")


def test_check_batch_allows_any_label_where_nothing_is_trained():
    """A loader alone may tell apart what it likes."""
    batch = np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 99])
    user_code.check_batch(batch, "own.py:batches", image_size=8, batch_size=2, classes=0)


def test_check_tries_each_function_once(write, monkeypatch):
    """A campaign that checks its cells one by one starts one process, and says what takes its seconds."""
    asked, told = [], []
    monkeypatch.setattr(process, "ask", lambda _, job, **__: asked.append(job["cells"]) or {"problem": ""})
    cell, source = write(ENDS, model="own")
    for _ in range(2):
        user_check.check([cell, Cell(model="dense")], source, tell=told.append)

    assert asked == [[cell.to_json()]]
    assert told == ["tries own:batches, own:build: builds models, draws a batch of loaders"]


def test_check_raises_what_does_not_fit(write, monkeypatch):
    """What the process finds is wrong use, each time."""
    monkeypatch.setattr(process, "ask", lambda *_, **__: {"problem": "own.py must run"})
    cell, source = write(ENDS, model="own")

    for _ in range(2):
        with pytest.raises(InputError, match=r"own\.py must run"):
            user_check.check([cell], source)
