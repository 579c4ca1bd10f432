"""Loaders of other libraries, a function each; a peer's interpreter may have one of them alone.

Each yields the number of images of each batch, for ever, in a shuffled order.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.input.loaders.task import Task

TAR_SHARDS = 16


def load_torch(task: Task) -> Iterator[int]:
    """Torch's DataLoader over files, a decode worker per core."""
    import torch
    from torch.utils import data

    decode, labelled = task.decoder(), task.labelled_paths()

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


def load_torchvision(task: Task) -> Iterator[int]:
    """Torch's DataLoader with torchvision's decoder and, of photos, its resize: what its documentation shows."""
    import torch
    from torch.utils import data
    from torchvision.io import ImageReadMode, decode_jpeg, read_file
    from torchvision.transforms import v2

    labelled, size = task.labelled_paths(), task.image_size
    resize = v2.Compose([v2.Resize(size, antialias=False), v2.CenterCrop(size)]) if task.job == "photos" else None

    class Files(data.Dataset):
        def __len__(self):
            return len(labelled)

        def __getitem__(self, index: int):
            path, label = labelled[index]
            image = decode_jpeg(read_file(path), ImageReadMode.RGB)
            return (resize(image) if resize else image), label

    torch.set_num_threads(1)
    endless = data.RandomSampler(labelled, replacement=True, num_samples=10**9)
    for images, _ in data.DataLoader(Files(), batch_size=task.batch_size, sampler=endless, num_workers=task.cores):
        yield images.shape[0]


def load_spdl(task: Task) -> Iterator[int]:
    """SPDL's thread engine with the kernels of our fast pipelines: a thread per core, each image by itself."""
    import numpy as np
    from spdl.pipeline import PipelineBuilder

    decode = task.decoder()
    pipeline = (
        PipelineBuilder()
        .add_source(_shuffle(task.labelled_paths()))
        .pipe(lambda pair: (decode(Path(pair[0]).read_bytes()), pair[1]), concurrency=task.cores)
        .aggregate(task.batch_size)
        .pipe(lambda pairs: np.stack([image for image, _ in pairs]))
        .add_sink(4)
        .build(num_threads=task.cores)
    )
    with pipeline.auto_stop():
        for images in pipeline:
            yield len(images)


def _shuffle(labelled: list[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """The same pairs for ever, in another order in each pass."""
    import random

    draw = random.Random(0)
    while True:
        yield from draw.sample(labelled, len(labelled))


def load_litdata(task: Task) -> Iterator[int]:
    """Litdata over chunks that hold the JPEGs as bytes, by its loader with a decode worker per core."""
    from litdata import StreamingDataLoader, StreamingDataset
    from litdata.streaming.writer import BinaryWriter

    decode, folder = task.decoder(), Path(task.scratch) / "chunks"
    writer = BinaryWriter(str(folder), chunk_bytes=8 * 2**20)  # `optimize` does it by processes that outlive it
    for number, (path, label) in enumerate(task.labelled_paths()):
        writer[number] = (Path(path).read_bytes(), label)
    writer.done()
    writer.merge()

    data = StreamingDataset(str(folder), shuffle=True, transform=lambda sample: (decode(sample[0]), sample[1]))
    loader = StreamingDataLoader(
        data, batch_size=task.batch_size, num_workers=task.cores, persistent_workers=True
    )  # an epoch's end would cost a start of its workers
    while True:
        for images, _ in loader:
            yield len(images)


def load_datasets(task: Task) -> Iterator[int]:
    """HuggingFace datasets: an Arrow table of JPEGs, decoded by PIL, read by torch's DataLoader."""
    import datasets
    import torch
    from torch.utils import data

    decode = task.decoder()
    datasets.disable_progress_bars()
    paths, labels = zip(*task.labelled_paths(), strict=True)
    table = datasets.Dataset.from_dict(
        {"image": [{"bytes": Path(path).read_bytes(), "path": None} for path in paths], "label": list(labels)},
        features=datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int64")}),
    )
    table.save_to_disk(str(Path(task.scratch) / "table"))
    table = datasets.load_from_disk(str(Path(task.scratch) / "table"))
    table = table.with_transform(
        lambda rows: {"image": [decode(image["bytes"]) for image in rows["image"]], "label": rows["label"]}
    )

    torch.set_num_threads(1)
    endless = data.RandomSampler(range(len(paths)), replacement=True, num_samples=10**9)
    for batch in data.DataLoader(table, batch_size=task.batch_size, sampler=endless, num_workers=task.cores):
        yield len(batch["label"])


def load_webdataset(task: Task) -> Iterator[int]:
    """Tar shards, read by torch's DataLoader with a decode worker per core."""
    import webdataset

    decode, labelled = task.decoder(), task.labelled_paths()
    shards = [str(Path(task.scratch) / f"{number:02d}.tar") for number in range(TAR_SHARDS)]
    for number, shard in enumerate(shards):
        write_tar(shard, labelled[number::TAR_SHARDS])

    data = webdataset.WebDataset(shards, resampled=True, shardshuffle=False, nodesplitter=None)
    data = data.shuffle(256).map(lambda sample: _image_and_label(sample, decode)).batched(task.batch_size)
    for images, _ in webdataset.WebLoader(data, batch_size=None, num_workers=task.cores):
        yield len(images)


def write_tar(path: str, labelled: Sequence[tuple[str, int]]) -> None:
    """Writes JPEGs as a shard; a photo that is a link as a file, for webdataset passes over links, without an end.

    Args:
        path: The shard.
        labelled: Path and label of each photo.
    """
    with tarfile.open(path, "w", dereference=True) as file:
        for number, (photo, label) in enumerate(labelled):
            file.add(photo, f"{number:06d}.{label}.jpg")  # the photo's name may hold a dot, which would end its key


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
    for file, label in task.labelled_paths():
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

    labelled = task.labelled_paths()

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
