"""Finds the damaged file among those that a cell read: frameworks name neither the shard nor the photo."""

from bench.results.cell import GIVEN, Cell
from bench.run import product
from bench.run.data_source import Source


def find(cell: Cell, source: Source, error: Exception) -> str:
    """Reads everything again: after a failure that is worth the time.

    Args:
        cell: What was measured.
        source: What it read.
        error: What the framework raised.

    Returns:
        The place in words: shard, record number and byte, or the photo; empty if all is whole, or if nobody but the
        user knows what was read.
    """
    if cell.reads in ("", GIVEN):
        return ""
    try:
        return _damaged_shard(source, error) if cell.reads == "records" else _damaged_photo(source, cell.image_size)
    except product.InputError as gone:
        return str(gone)
    except ImportError:  # no TensorFlow, by which both look; what does without says itself what is damaged
        return ""


def _damaged_shard(source: Source, error: Exception) -> str:
    place = product.explain_record_error(error, product.record_paths(source.records, source.manifest()))
    return "" if place is error else str(place)


def _damaged_photo(source: Source, image_size: int) -> str:
    import tensorflow as tf

    for path in source.load_photos().paths:
        jpeg = None
        try:
            jpeg = tf.io.read_file(path)
            product.images.decode(jpeg)
        except tf.errors.OpError as error:
            fault = product.jpeg_fault(jpeg.numpy(), image_size=image_size) if jpeg is not None else None
            return (
                f"{path}: {fault or error.message}. Remove it, or write records of the folder, which name such photos "
                f"and do without"
            )
    return ""
