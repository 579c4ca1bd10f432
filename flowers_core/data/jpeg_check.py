"""Whether a photo can be decoded, according to its header, before memory is spent on its pixels."""

import io

from PIL import JpegImagePlugin

MAX_PIXELS = 50_000_000
"""Most pixels of a photo, as it is and as it is scaled: 600 MB as float32, for every thread that works on one.
A file of a few kB can ask for gigabytes, by its size or, as a thin strip that is scaled up, by its shape."""


MAX_BYTES = 256 << 20
"""Most bytes of a photo, which are read whole: a hole in a disk image may be named x.jpg."""


def fault(jpeg: bytes, *, image_size: int) -> str | None:
    """Says why a photo cannot become an image, or None if its header promises that it can.

    The header does not tell whether the pixels are all there: only decoding does.

    Args:
        jpeg: The whole file of the photo.
        image_size: Short side in pixels to which it shall be scaled.
    """
    if not jpeg:
        return "empty, 0 bytes"
    try:
        # Not PIL.Image.open: it tries other formats, and warns (for the whole process) of large photos.
        photo = JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg))
    except (SyntaxError, OSError, ValueError) as error:
        return f"no JPEG header that can be read: {error}"
    if photo.mode not in ("L", "RGB"):
        return f"{photo.mode} colours, neither RGB nor greyscale"
    short, long = sorted(photo.size)
    if short < 1:
        return f"no pixels, {photo.width} x {photo.height}"
    pixels = max(short * long, image_size * (image_size * long // short))
    if pixels > MAX_PIXELS:
        return f"{photo.width} x {photo.height}: {pixels} pixels before or after scaling, over {MAX_PIXELS}"
    return None
