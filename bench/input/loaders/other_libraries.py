"""Loaders of other libraries, a function each; a peer's interpreter may have one of them alone.

Each yields the number of images of each batch, for ever, in a shuffled order.
"""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.input.loaders.task import Task

TAR_SHARDS = 16


def load_torch(task: Task) -> Iterator[int]:
    """Torch's DataLoader over files, a decode worker per core."""
    import torch
    from torch.utils import data

    decode, labelled = task.decoder(), task.labelled()

    class Files(data.Dataset):
        def __len__(self):
            return len(labelled)

        def __getitem__(self, index: int):
            path, label = labelled[index]
            return decode(Path(path).read_bytes()), label

    torch.set_num_threads(1)
    endless = data.RandomSampler(labelled, replacement=True, num_samples=10**9)  # an epoch's end would cost a restart
    loader = data.DataLoader(Files(), batch_size=task.batch_size, sampler=endless, num_workers=task.cores)
    for images, _ in loader:
        yield images.shape[0]


def load_webdataset(task: Task) -> Iterator[int]:
    """Tar shards, read by torch's DataLoader with a decode worker per core."""
    import webdataset

    decode, labelled = task.decoder(), task.labelled()
    shards = [str(Path(task.scratch) / f"{number:02d}.tar") for number in range(TAR_SHARDS)]
    for number, shard in enumerate(shards):
        with tarfile.open(shard, "w") as file:
            for path, label in labelled[number::TAR_SHARDS]:
                file.add(path, f"{Path(path).stem}.{label}.jpg")

    data = webdataset.WebDataset(shards, resampled=True, shardshuffle=False, nodesplitter=None)
    data = data.shuffle(256).map(lambda sample: _image_and_label(sample, decode)).batched(task.batch_size)
    for images, _ in webdataset.WebLoader(data, batch_size=None, num_workers=task.cores):
        yield len(images)


def _image_and_label(sample: dict, decode: Callable) -> tuple:
    """Decodes a sample, whose only field is named `LABEL.jpg`."""
    name = next(key for key in sample if key.endswith("jpg"))
    return decode(sample[name]), int(name.split(".")[0])


def load_grain(task: Task) -> Iterator[int]:
    """Grain over array_record files, a decode worker per core."""
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


def load_dali(task: Task) -> Iterator[int]:
    """NVIDIA DALI on the CPU: files, a thread per core."""
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=task.batch_size, num_threads=task.cores, device_id=None)
    def batches():
        jpegs, labels = fn.readers.file(file_root=task.files, random_shuffle=True, name="files")
        images = fn.decoders.image(jpegs, device="cpu", output_type=types.RGB, use_fast_idct=True)
        if task.job == "photos":
            images = fn.resize(images, resize_shorter=task.image_size, interp_type=types.INTERP_LINEAR, antialias=False)
            images = fn.crop(images, crop=(task.image_size, task.image_size))
        return images, labels

    pipe = batches()
    pipe.build()
    while True:
        images, _ = pipe.run()
        yield len(images)


def load_ffcv(task: Task) -> Iterator[int]:
    """Ffcv's own file format, decoded by threads; installing it needs compilers and OpenCV's headers."""
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
