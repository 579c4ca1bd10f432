"""What every lane is given, and how loaders that leave decoding to the user decode and scale."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Task:
    """The work of a race.

    Attributes:
        job: `photos` or `records`.
        way: How the lane is to do it.
        files: Folder of class folders of JPEGs; for `records` the images of the records, byte for byte.
        photos: Folder of the photos.
        records: Folder of the records.
        scratch: Empty folder for a container of the lane's own.
        image_size: Side of the images in pixels.
        batch_size: Images a batch.
        cores: Threads or processes that work.
    """

    job: str
    way: str
    files: str
    photos: str
    records: str
    scratch: str
    image_size: int
    batch_size: int
    cores: int

    def labelled(self) -> list[tuple[str, int]]:
        """Path and label of every JPEG, sorted."""
        paths = sorted(str(path) for path in Path(self.files).glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))
        classes = sorted({Path(path).parent.name for path in paths})
        return [(path, classes.index(Path(path).parent.name)) for path in paths]

    def decoder(self) -> Callable:
        """JPEG bytes -> uint8 image `(image_size, image_size, 3)`, as `way` says."""
        decode = _with_pil if self.way == "PIL" else _with_simplejpeg
        return lambda jpeg: decode(jpeg, self.image_size, scaled=self.job == "photos")


def _with_pil(jpeg: bytes, size: int, *, scaled: bool):
    """As torchvision's Resize and CenterCrop do."""
    import io

    import numpy as np
    from PIL import Image

    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    if scaled:
        short = min(image.size)
        image = image.resize((image.width * size // short, image.height * size // short), Image.Resampling.BILINEAR)
        left, top = (image.width - size) // 2, (image.height - size) // 2
        image = image.crop((left, top, left + size, top + size))
    return np.asarray(image)


def _with_simplejpeg(jpeg: bytes, size: int, *, scaled: bool):
    """As people do who want it fast."""
    import simplejpeg

    image = simplejpeg.decode_jpeg(jpeg, fastdct=True)
    if not scaled:
        return image
    import cv2

    cv2.setNumThreads(1)  # the loader's processes take every core already
    height, width = image.shape[:2]
    short = min(height, width)
    height, width = height * size // short, width * size // short
    image = cv2.resize(image, (width, height))
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]
