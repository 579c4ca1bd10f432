"""torch's DataLoader over files, a decode worker per core."""

from collections.abc import Iterator
from pathlib import Path

from bench.input.loaders.task import Task


def load(task: Task) -> Iterator[int]:
    """Yields the number of images of each batch, for ever; the order is shuffled."""
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
