"""ffcv: its own file format, decoded by threads; installing it needs compilers and OpenCV's headers."""

from collections.abc import Iterator
from pathlib import Path

from bench.input.loaders.task import Task


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever; the order is shuffled."""
    from ffcv import fields, loader, writer
    from ffcv.fields import decoders
    from PIL import Image

    labelled = task.labelled()

    class Files:
        def __len__(self):
            return len(labelled)

        def __getitem__(self, index: int):
            path, label = labelled[index]
            return Image.open(path).convert("RGB"), label  # its writer takes pixels only, and compresses them again

    path = str(Path(task.scratch) / "flowers.beton")
    kept = {"image": fields.RGBImageField(write_mode="jpg", jpeg_quality=95), "label": fields.IntField()}
    writer.DatasetWriter(path, kept, num_workers=task.cores).from_indexed_dataset(Files())
    square = decoders.CenterCropRGBImageDecoder((task.image_size, task.image_size), ratio=1)
    data = loader.Loader(
        path,
        batch_size=task.batch_size,
        num_workers=task.cores,
        order=loader.OrderOption.QUASI_RANDOM,
        pipelines={"image": [square], "label": [decoders.IntDecoder()]},
    )
    while True:
        for images, _ in data:
            yield len(images)
