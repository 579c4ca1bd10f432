"""A cell: what it accepts, and its id."""

import dataclasses

import click
import pytest

from bench.results import labels
from bench.results.cell import INPUT_OPTIONS, Cell, read_input_option
from flowers_core.errors import InputError


def test_id_names_every_field_that_differs():
    """Two cells that differ in one field have different ids."""
    base = Cell(model="dense")
    others = [
        dict(model="convnet"), dict(pipeline="records_parallel"), dict(batch_size=8), dict(image_size=224),
        dict(mode="predict"), dict(device="gpu"), dict(precision="mixed_bfloat16"), dict(xla=True),
        dict(backend="jax", xla=True), dict(backend="torch"), dict(backend="torch", torch_compile=True),
        dict(steps_per_execution=8),
    ]  # fmt: skip
    ids = {dataclasses.replace(base, **other).id for other in others}

    assert len(ids | {base.id}) == len(others) + 1


def test_id_names_what_is_chosen_of_the_pipeline():
    """Cells of other options are other cells; what is as it was has the id that it had."""
    base = Cell(model="dense", pipeline="records_parallel")
    others = [dict(augment=True), dict(ordered=True), dict(parallel_calls=4), dict(parallel_reads=4), dict(prefetch=0)]
    ids = {dataclasses.replace(base, **other).id for other in others}

    assert len(ids | {base.id}) == len(others) + 1
    assert base.id == "dense-train-records_parallel-192-b32-cpu-float32-tensorflow"
    alone = Cell(model="none", pipeline="records_parallel")
    assert alone.id == "records_parallel-192-b32"
    assert dataclasses.replace(alone, augment=True, prefetch=0).id == "records_parallel-192-b32-augment-prefetch0"


def test_parts_of_a_fed_cell_keep_what_is_theirs():
    """The pipeline alone is as it was chosen; the step alone has none."""
    fed = Cell(model="dense", pipeline="records_parallel", batch_size=8, augment=True, prefetch=0)

    assert fed.input_alone == Cell(model="none", pipeline="records_parallel", batch_size=8, augment=True, prefetch=0)
    assert fed.step_alone == Cell(model="dense", batch_size=8)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prefetch": 0}, "the resident batch has none"),
        ({"pipeline": "net:batches@01234567", "augment": True}, "a pipeline of your own has none"),
        ({"pipeline": "records_parallel", "prefetch": -1}, "from 0 to 1024"),
        ({"pipeline": "records_parallel", "parallel_calls": 0}, "from 1 to 1024"),
        ({"pipeline": "records_parallel", "parallel_reads": 2.0}, "from 1 to 1024"),
        ({"pipeline": "records_parallel", "ordered": "on"}, "False, True"),
    ],
)
def test_cell_refuses_what_no_pipeline_takes(fields, said):
    """The option is named, with what is allowed or why there is none."""
    with pytest.raises(InputError, match=said):
        Cell(model="dense", **fields)


@pytest.mark.parametrize("text", ["on", "off", "auto", "0", "7"])
def test_read_input_option_reads_what_is_shown(text):
    """The word that a table shows is the word that a command takes."""
    kinds = ("augment",) if text in ("on", "off") else ("prefetch",)
    for name in kinds:
        cell = Cell(model="none", pipeline="records_parallel", **{name: read_input_option(name, text)})
        assert str(labels.input_value(cell, name)) == text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("augment", "maybe", "off, on"), ("prefetch", "-1", "or auto"), ("parallel_calls", "0", "or auto"),
     ("prefetch", "99999", "1024"), ("prefetch", "many", "whole number")],
)  # fmt: skip
def test_read_input_option_says_what_it_takes(name, text, said):
    """What was expected is listed."""
    with pytest.raises(InputError, match=said):
        read_input_option(name, text)


def test_id_is_a_file_name():
    """An id holds nothing that a file name may not."""
    assert Cell(model="squeezenet").id == "squeezenet-train-resident-192-b32-cpu-float32-tensorflow"


@pytest.mark.parametrize(
    ("fields", "id", "command"),
    [
        (
            {"model": "net:build@01234567"},
            "net.build@01234567-train-resident-192-b32-cpu-float32-tensorflow",
            "--model net.py:build --pipeline resident",
        ),
        (
            {"model": "keras.applications:VGG16", "pipeline": "net:batches@01234567"},
            "keras.applications.VGG16-train-net.batches@01234567-192-b32-cpu-float32-tensorflow",
            "--model keras.applications:VGG16 --pipeline net.py:batches",
        ),
        (
            {"model": "none", "pipeline": "net:batches@01234567"},
            "net.batches@01234567-192-b32",
            "--model none --pipeline net.py:batches --batch-size 32 --image-size 192",
        ),
    ],
)
def test_cell_of_a_users_own(fields, id, command):
    """A user's file is part of the cell by its digest; the id is a folder's name, the command takes the file."""
    cell = Cell(**fields)

    assert cell.id == id
    assert cell.command.startswith(f"python -m bench measure {command}")
    assert cell.reads == ("given" if "batches" in cell.pipeline else "")


@pytest.mark.parametrize(
    "model", ["net:build", "net:build@01", "net.py:build", "keras.applications:", "a/b:c@01234567"]
)
def test_cell_refuses_what_is_no_name(model):
    """A name without a digest, or with a path in it, is no cell's."""
    with pytest.raises(InputError, match="`model` must be one of"):
        Cell(model=model)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", "resnet", "squeezenet, "),
        ("pipeline", "records", "records_parallel, "),
        ("mode", "fit", "train, predict"),
        ("device", "npu", "tpu, gpu, cpu"),
        ("precision", "float16", "float32, mixed_bfloat16, mixed_float16"),
        ("backend", "mxnet", "tensorflow, jax, torch"),
        ("xla", "on", "False, True"),
        ("batch_size", 0, "from 1"),
        ("batch_size", True, "from 1"),
        ("image_size", 19.2, "from 1"),
        ("steps_per_execution", 0, "from 1"),
    ],
)
def test_cell_names_a_wrong_value_with_the_right_ones(field, value, said):
    """The message holds what was expected and what was received."""
    with pytest.raises(InputError, match=f"`{field}`") as error:
        Cell(**{"model": "dense", field: value})

    assert said in str(error.value)
    assert repr(value) in str(error.value)


def test_cell_must_measure_something():
    """Neither a model nor a pipeline is nothing to measure."""
    with pytest.raises(InputError, match="a model, a pipeline or both"):
        Cell(model="none")


@pytest.mark.parametrize(
    "field", [{"precision": "mixed_bfloat16"}, {"device": "gpu"}, {"mode": "predict"}, {"steps_per_execution": 8}]
)
def test_pipeline_alone_claims_nothing_of_a_step(field):
    """One pipeline has one name: what only a step has is refused, not ignored."""
    with pytest.raises(InputError, match="A pipeline alone has no"):
        Cell(model="none", pipeline="records_parallel", **field)


def test_several_steps_a_call_are_of_training():
    """A prediction has no such loop; a line of before there was one is a single step, and named as ever."""
    with pytest.raises(InputError, match="`steps_per_execution` is of training"):
        Cell(model="dense", mode="predict", steps_per_execution=8)
    older = {name: value for name, value in Cell(model="dense").to_json().items() if name != "steps_per_execution"}
    assert Cell(**older) == Cell(model="dense")
    assert "steps" not in Cell(**older).command
    assert Cell(model="dense", xla=True, steps_per_execution=8).id.endswith("-tensorflow-xla-spe8")


def test_jax_is_always_compiled():
    """The JAX backend without XLA is refused rather than measured under a wrong name."""
    with pytest.raises(InputError, match="XLA"):
        Cell(model="dense", backend="jax")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"backend": "torch", "xla": True}, "compiled by torch.compile"),
        ({"backend": "tensorflow", "torch_compile": True}, "compiled by XLA"),
        ({"backend": "jax", "xla": True, "torch_compile": True}, "compiled by XLA"),
    ],
)
def test_cell_names_the_compiler_that_its_backend_has(fields, said):
    """A compiler that a backend lacks is refused rather than measured under its name."""
    with pytest.raises(InputError, match=said):
        Cell(model="dense", **fields)


def test_on_keeps_a_compiler_that_both_backends_have():
    """The same step elsewhere is compiled where that always is, or by a compiler that is there, too."""
    plain = Cell(model="dense")

    assert plain.on("jax").xla
    assert plain.on("torch") == Cell(model="dense", backend="torch")
    assert plain.compile().on("torch") == Cell(model="dense", backend="torch")
    assert Cell(model="dense", backend="torch").compile().on("tensorflow") == plain
    assert [cell.compile().chosen_compiler for cell in (plain, plain.on("jax"), plain.on("torch"))] == [
        "XLA",
        "",
        "torch.compile",
    ]


def test_cell_survives_json():
    """A cell survives JSON."""
    cell = Cell(model="none", pipeline="records_uint8", batch_size=8)

    assert Cell(**cell.to_json()) == cell


def test_cell_reads_what_older_programs_wrote():
    """A line without the options of pipelines is of the cell that has none chosen."""
    cell = Cell(model="none", pipeline="records_uint8")
    older = {name: value for name, value in cell.to_json().items() if name not in INPUT_OPTIONS}

    assert Cell(**older) == cell


@pytest.mark.parametrize(
    "cell",
    [
        Cell(model="squeezenet", batch_size=8, precision="mixed_bfloat16", mode="predict", xla=True),
        Cell(model="none", pipeline="records_uint8", image_size=224),
        Cell(model="dense", backend="jax", xla=True),
        Cell(model="dense", backend="torch", torch_compile=True),
        Cell(model="none", pipeline="records_parallel", augment=True, prefetch=0, parallel_calls=4),
        Cell(model="dense", pipeline="records_cached", ordered=True, parallel_reads=2),
        Cell(model="dense", steps_per_execution=8),
    ],
)
def test_command_of_a_cell_measures_that_cell(cell):
    """Its options, read by the command line, are the cell again."""
    from bench.cli import main, trace

    # Without its group a command would keep a help option without `-h`, which Click makes once a process.
    parent = click.Context(main.cli, **main.CONTEXT)
    context = trace.measure.make_context("measure", cell.command.split()[4:], parent=parent)
    chosen, place = (
        kind(**{name: context.params[name] for name in kind.__dataclass_fields__})
        for kind in (trace.CellOptions, trace.Place)
    )

    assert chosen.cell(place) == cell
