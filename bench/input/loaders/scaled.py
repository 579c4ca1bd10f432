"""What decoding photos smaller does to their pixels: signal-to-noise ratios against the full decode."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

MOST_PHOTOS = 24


def decibels(paths: Sequence[str], *, image_size: int, size: str = "scaled") -> dict:
    """Compares images of photos decoded smaller with those of their full decode, the latter scaled in two ways.

    Bilinear scaling without antialias, the codelab's, looks at four pixels of the photo for each of the image: what
    lies between is lost, and what is left depends on where it falls. A smaller image should show the mean of all.

    Args:
        paths: Photos; some of them are taken.
        image_size: Side of the images in pixels.
        size: How small photos are decoded, of `flowers_core.data.decoding.LEAST`.

    Returns:
        `photos` that are large enough among those taken, and medians over them: the `ratio` at which they are decoded;
        `bilinear`, dB against the full decode scaled as in the codelab; `averaged`, dB against the full decode scaled
        with antialias; `full`, dB of the codelab's way against the latter. Medians are None without such photos.
    """
    import simplejpeg

    from flowers_core.data.decoding import Decoding
    from flowers_core.input.fast_decode import BatchDecoder

    names, smaller = ("ratio", "bilinear", "averaged", "full"), Decoding(size=size)
    rows = []
    for path in paths[:: max(1, len(paths) // MOST_PHOTOS)][:MOST_PHOTOS]:
        jpeg = Path(path).read_bytes()
        height, width = map(int, simplejpeg.decode_jpeg_header(jpeg)[:2])
        ratio = smaller.denominator(height, width, image_size)
        if ratio == 1:
            continue
        full, scaled = (BatchDecoder(image_size, how).decode_photos([jpeg])[0] for how in (Decoding(), smaller))
        averaged = _downscale(simplejpeg.decode_jpeg(jpeg, "RGB"), image_size)
        rows.append((ratio, _psnr(scaled, full), _psnr(scaled, averaged), _psnr(full, averaged)))
    medians = [median(column) for column in zip(*rows, strict=True)] or [None] * len(names)
    return {"photos": len(rows), **dict(zip(names, medians, strict=True))}


def _downscale(photo: Any, size: int) -> Any:
    """A photo filled and cropped with antialias: each pixel is the weighted mean of all that fall into it."""
    import numpy as np
    from PIL import Image

    image = Image.fromarray(photo)
    short = min(image.size)
    width, height = image.width * size // short, image.height * size // short
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _psnr(image: Any, other: Any) -> float:
    """Peak signal-to-noise ratio of two uint8 images in dB."""
    import numpy as np

    return float(10 * np.log10(255**2 / max(1e-9, np.mean((image.astype(float) - other) ** 2))))
