"""grain over array_record files, a decode worker per core."""

from collections.abc import Iterator
from pathlib import Path

from bench.input.loaders.task import Task


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever; the order is shuffled."""
    import grain
    from array_record.python import array_record_module

    path = str(Path(task.scratch) / "flowers.array_record")
    writer = array_record_module.ArrayRecordWriter(path, "group_size:1,uncompressed")  # as its readers advise
    for file, label in task.labelled():
        writer.write(bytes([label]) + Path(file).read_bytes())
    writer.close()

    decode = task.decoder()
    data = grain.MapDataset.source(grain.sources.ArrayRecordDataSource([path]))
    data = data.shuffle(seed=0).repeat().map(lambda record: (decode(record[1:]), record[0]))
    data = data.to_iter_dataset(grain.ReadOptions(num_threads=1)).batch(task.batch_size)
    for images, _ in data.mp_prefetch(grain.MultiprocessingOptions(num_workers=task.cores)):
        yield len(images)
