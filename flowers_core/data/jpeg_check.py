"""Whether a photo can be decoded, according to its header, before memory is spent on its pixels."""

import io
import re
from collections.abc import Collection

from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from flowers_core import errors

MAX_PIXELS = 50_000_000
"""Most pixels of a photo, as it is and as it is scaled: 600 MB as float32, for every thread that works on one.
A file of a few kB can ask for gigabytes, by its size or, as a thin strip that is scaled up, by its shape."""


MAX_BYTES = 256 << 20
"""Most bytes of a photo, which are read whole: a hole in a disk image may be named x.jpg."""

_MAGIC = {
    "jpeg": rb"\xff\xd8\xff",
    "png": rb"\x89PNG\r\n",
    "webp": rb"RIFF....WEBP",
    "gif": rb"GIF8",
    "bmp": rb"BM",
    "heic or avif": rb"....ftyp(heic|heix|mif1|avif)",
    "tiff": rb"II\*\0|MM\0\*",
}
_PLUGINS = {"png": PngImagePlugin.PngImageFile, "webp": WebPImagePlugin.WebPImageFile}
_CONVERTIBLE = ("1", "L", "LA", "P", "RGB", "RGBA")


def kind(content: bytes) -> str:
    """The kind of a picture by its first bytes, whatever its name says; empty if none is known."""
    return next((kind for kind, magic in _MAGIC.items() if re.match(magic, content, re.DOTALL)), "")


def checked(content: bytes, *, image_size: int, accept: Collection[str], strict: bool) -> bytes:
    """The content of a photo, an accepted PNG or WebP made a PNG as by `as_png`.

    Args:
        content: The whole file.
        image_size: Short side in pixels to which it shall be scaled.
        accept: Kinds beside JPEG that are taken.
        strict: Whether a JPEG that libjpeg only warns of is refused, too.

    Raises:
        InputError: If it cannot be decoded; the message is the bare reason.
    """
    content, reason = as_png(content, image_size=image_size, accept=accept)
    if not reason and strict and kind(content) == "jpeg":
        import simplejpeg

        try:
            simplejpeg.decode_jpeg(content, strict=True)
        except ValueError as error:
            reason = f"libjpeg warns of it: {error}"
    if reason:
        raise errors.InputError(reason)
    return content


def as_png(content: bytes, *, image_size: int, accept: Collection[str]) -> tuple[bytes, str | None]:
    """An accepted PNG or WebP as an RGB PNG on white, which `images.decode` takes like a JPEG; all else as it is.

    Returns:
        `(content, fault)`, the fault None unless the photo must be left out.
    """
    found = kind(content)
    if found not in accept or found not in _PLUGINS:
        return content, fault(content, image_size=image_size)
    try:
        photo: Image.Image = _PLUGINS[found](io.BytesIO(content))  # not PIL.Image.open: see `fault`
        if photo.mode not in _CONVERTIBLE:
            return content, f"{photo.mode} pixels in a {found}, neither RGB nor greyscale of 8 bits"
        if reason := _size_fault(photo, image_size):
            return content, reason
        pixels = photo.convert("RGBA")
        flat = Image.new("RGB", pixels.size, "white")
        flat.paste(pixels, mask=pixels)
        file = io.BytesIO()
        flat.save(file, "PNG", compress_level=1)
    except (SyntaxError, OSError, ValueError, EOFError) as error:
        return content, f"truncated or damaged {found}: {error}"
    return file.getvalue(), None


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
        if (found := kind(jpeg)) not in ("", "jpeg"):
            advice = f" (taken with --accept {found})" if found in _PLUGINS else ""
            return f"{found} content, no JPEG{advice}"
        return f"no JPEG header that can be read: {error}"
    if photo.mode not in ("L", "RGB"):
        return f"{photo.mode} colours, neither RGB nor greyscale"
    return _size_fault(photo, image_size)


def _size_fault(photo: Image.Image, image_size: int) -> str | None:
    short, long = sorted(photo.size)
    if short < 1:
        return f"no pixels, {photo.width} x {photo.height}"
    pixels = max(short * long, image_size * (image_size * long // short))
    if pixels > MAX_PIXELS:
        return f"{photo.width} x {photo.height}: {pixels} pixels before or after scaling, over {MAX_PIXELS}"
    return None
