"""webdataset: tar shards, read by torch's DataLoader with a decode worker per core."""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.input.loaders.task import Task

SHARDS = 16


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever; shards and images are shuffled."""
    import webdataset

    decode, labelled = task.decoder(), task.labelled()
    shards = [str(Path(task.scratch) / f"{number:02d}.tar") for number in range(SHARDS)]
    for number, shard in enumerate(shards):
        with tarfile.open(shard, "w") as file:
            for path, label in labelled[number::SHARDS]:
                file.add(path, f"{Path(path).stem}.{label}.jpg")

    data = webdataset.WebDataset(shards, resampled=True, shardshuffle=False, nodesplitter=None)
    data = data.shuffle(256).map(lambda sample: _image_and_label(sample, decode)).batched(task.batch_size)
    for images, _ in webdataset.WebLoader(data, batch_size=None, num_workers=task.cores):
        yield len(images)


def _image_and_label(sample: dict, decode: Callable) -> tuple:
    """Decodes a sample, whose only field is named `LABEL.jpg`."""
    name = next(key for key in sample if key.endswith("jpg"))
    return decode(sample[name]), int(name.split(".")[0])
