"""Which file of what a cell reads is damaged: frameworks name neither the shard nor the photo."""

from bench.lab.cell import Cell
from bench.lab.source import Source
from flowers_core.errors import InputError


def find(cell: Cell, source: Source) -> str:
    """Reads everything again, which a failure is worth.

    Returns:
        The place in words: shard, record number and byte, or the photo; empty if all is whole.
    """
    try:
        return _damaged_shard(source) if cell.reads == "records" else _damaged_photo(source, cell.image_size)
    except InputError as error:
        return str(error)


def _damaged_shard(source: Source) -> str:
    from flowers_core import manifest, records

    for path in manifest.paths(source.records, source.manifest()):
        records.verify(path)
    return ""


def _damaged_photo(source: Source, image_size: int) -> str:
    import tensorflow as tf

    from flowers_core import decodable, images

    for path in source.found_photos().paths:
        try:
            jpeg = tf.io.read_file(path)
            fault = decodable.fault(jpeg.numpy(), image_size=image_size)
            images.decode(jpeg)
        except tf.errors.OpError as error:
            fault = error.message
        if fault:
            return f"{path}: {fault}. Remove it, or write records of the folder, which name such photos and do without"
    return ""
