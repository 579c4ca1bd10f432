"""Our pipelines as loaders, each as training builds it."""

from collections.abc import Iterator

from bench.input.loaders.task import Task


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever."""
    from flowers_core.data import manifest, photos
    from flowers_core.input import pipelines

    if task.job == "photos":
        source = photos.find(task.photos)
    else:
        source = manifest.paths(task.records, manifest.load(task.records))
    data = pipelines.build(task.variant, source, image_size=task.image_size, batch_size=task.batch_size, epochs=None)
    for _, labels in data:
        yield labels.shape[0]
