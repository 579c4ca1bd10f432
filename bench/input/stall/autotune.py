"""Reads what tf.data's AUTOTUNE chose from the model that a running pipeline holds of itself."""

from time import perf_counter

from bench.results.cell import NO_MODEL, Cell
from bench.run import step_under_test
from bench.run.data_source import Source
from flowers_core.errors import InputError

BATCH_SIZE = 32


def choices(pipeline: str, source: Source, *, image_size: int, seconds: float) -> list[dict] | str:
    """Runs a pipeline for a while and reads what was chosen for it.

    Args:
        pipeline: One of `flowers_core.input.registry.PIPELINES`.
        source: The folders of photos and records.
        image_size: Side of the images in pixels.
        seconds: How long it runs first; AUTOTUNE adjusts its settings less and less often.

    Returns:
        For each setting `stage` (tf.data's name of the transformation, from the source on), `setting`
        (`parallelism`, `buffer_size` …), `value`, and `chosen`: whether AUTOTUNE may change it. Or why there are none.
    """
    cell = Cell(model=NO_MODEL, pipeline=pipeline, batch_size=BATCH_SIZE, image_size=image_size)
    try:
        iterator = iter(step_under_test.build_dataset(cell, source))
    except InputError as error:
        return str(error)
    start = perf_counter()
    while perf_counter() - start < seconds:
        next(iterator)
    return settings(iterator)


def settings(iterator: object) -> list[dict] | str:
    """The same of a `tf.data` iterator that has run for a while."""
    import tensorflow as tf

    try:
        # Why not public options: they set what this reads, but cannot be asked what AUTOTUNE made of it.
        from tensorflow.python.data.experimental.ops.iterator_model_ops import get_model_proto

        nodes = get_model_proto(iterator).nodes
    except tf.errors.NotFoundError:
        return "AUTOTUNE is off in it"
    except (ImportError, AttributeError, ValueError) as error:  # ValueError: not an iterator of tf.data
        return f"this TensorFlow does not say: {error}"
    return [
        {
            "stage": node.name,
            "setting": setting.name,
            "value": setting.state_value if setting.tunable else setting.value,
            "chosen": setting.tunable,
        }
        for _, node in sorted(nodes.items(), reverse=True)
        for setting in node.parameters
    ]
