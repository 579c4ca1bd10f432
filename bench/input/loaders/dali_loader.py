"""NVIDIA DALI on the CPU: files, a thread per core."""

from collections.abc import Iterator

from bench.input.loaders.task import Task


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever; the order is shuffled."""
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
