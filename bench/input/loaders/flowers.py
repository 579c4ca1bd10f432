"""Our pipelines as loaders, each as training builds it."""

from collections.abc import Iterator
from dataclasses import replace

from bench.input.loaders.task import Task
from bench.run import product
from bench.run.data_source import Source


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever."""
    source = replace(Source(**task.source), decode=task.decode)
    read = source.load_photos() if task.job == "photos" else product.record_paths(source.records, source.manifest())
    data = product.build_pipeline(task.variant, read, image_size=task.image_size, batch_size=task.batch_size)
    for _, labels in data:
        yield labels.shape[0]
