"""What every loader is given, and how those that leave decoding to their user decode and resize."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Task:
    """The batches that a loader is to make.

    Attributes:
        job: `photos` or `records`.
        variant: What the loader's module is to do.
        files: Folder of class folders of JPEGs; for `records` the images of the records, byte for byte.
        source: Fields of the `Source` of both jobs; of no use to other libraries.
        scratch: Empty folder for a container in the loader's own format.
        image_size: Side of the images in pixels.
        batch_size: Images per batch.
        cores: Threads or processes that decode.
        decode: `scaled` or `smallest` to decode large photos smaller within the inverse DCT, see
            `flowers_core.data.decoding`; those of other libraries go down to the size of the images. Empty for neither.
    """

    job: str
    variant: str
    files: str
    source: dict
    scratch: str
    image_size: int
    batch_size: int
    cores: int
    decode: str = ""

    def labelled_paths(self) -> list[tuple[str, int]]:
        """Path and label of every JPEG, sorted."""
        paths = sorted(str(path) for path in Path(self.files).glob("*/*") if path.suffix.lower() in (".jpg", ".jpeg"))
        classes = sorted({Path(path).parent.name for path in paths})
        return [(path, classes.index(Path(path).parent.name)) for path in paths]

    def decoder(self) -> Callable:
        """Makes a uint8 image `(image_size, image_size, 3)` of JPEG bytes, as `variant` says."""
        decode = _decode_with_pil if self.variant == "PIL" else _decode_with_simplejpeg
        return lambda jpeg: decode(jpeg, self.image_size, resize=self.job == "photos", scaled=bool(self.decode))


def _fill(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Width and height that just fill a square, and left and top of the square in their middle."""
    short = min(width, height)
    width, height = width * size // short, height * size // short
    return width, height, (width - size) // 2, (height - size) // 2


def _decode_with_pil(jpeg: bytes, size: int, *, resize: bool, scaled: bool):
    """Does what torchvision's Resize and CenterCrop do."""
    import io

    import numpy as np
    from PIL import Image

    image = Image.open(io.BytesIO(jpeg))
    if scaled:
        image.draft("RGB", (size, size))
    image = image.convert("RGB")
    if resize:
        width, height, left, top = _fill(image.width, image.height, size)
        image = image.resize((width, height), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    return np.asarray(image)


def _decode_with_simplejpeg(jpeg: bytes, size: int, *, resize: bool, scaled: bool):
    """Does what users who want it fast do."""
    import simplejpeg

    least = size if scaled else 0  # 0 asks for the whole
    image = simplejpeg.decode_jpeg(jpeg, fastdct=True, min_height=least, min_width=least, min_factor=2 if scaled else 1)
    if not resize:
        return image
    import cv2

    cv2.setNumThreads(1)  # the loader's processes take every core already
    width, height, left, top = _fill(image.shape[1], image.shape[0], size)
    return cv2.resize(image, (width, height))[top : top + size, left : left + size]
