"""Our pipelines as loaders, each as training builds it."""

from collections.abc import Iterator

from bench.input.loaders.task import Task
from bench.run import product


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever."""
    if task.job == "photos":
        source = product.find_photos(task.photos)
    else:
        source = product.record_paths(task.records, product.load_manifest(task.records))
    data = product.build_pipeline(task.variant, source, image_size=task.image_size, batch_size=task.batch_size)
    for _, labels in data:
        yield labels.shape[0]
