"""Whether a photo can be decoded, according to its header, before memory is spent on its pixels."""

import io
import re
from collections.abc import Collection

from PIL import Image, ImageOps, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from flowers_core import errors
from flowers_core.data.decoding import CODELAB, Decoding

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


def check(content: bytes, *, accept: Collection[str], strict: bool, decoding: Decoding = CODELAB) -> bytes:
    """The content of a photo, an accepted PNG or WebP made a PNG as by `as_png`.

    Args:
        content: The whole file.
        accept: Kinds beside JPEG that are taken.
        strict: Whether a JPEG that libjpeg only warns of is refused, too.
        decoding: How large it may be, and whether PNG and WebP are turned upright.

    Raises:
        InputError: If it cannot be decoded; the message is the bare reason.
    """
    content, reason = as_png(content, accept=accept, decoding=decoding)
    if not reason and strict and kind(content) == "jpeg":
        import simplejpeg

        try:
            simplejpeg.decode_jpeg(content, strict=True)
        except ValueError as error:
            reason = f"libjpeg warns of it: {error}"
    if reason:
        raise errors.InputError(reason)
    return content


def as_png(content: bytes, *, accept: Collection[str], decoding: Decoding = CODELAB) -> tuple[bytes, str | None]:
    """An accepted PNG or WebP as an RGB PNG on white, which `images.decode` takes like a JPEG; all else as it is.

    Where the orientation in EXIF data is to be applied, the PNG is upright.

    Returns:
        `(content, fault)`, the fault None unless the photo must be left out.
    """
    found = kind(content)
    if found not in accept or found not in _PLUGINS:
        return content, fault(content, decoding=decoding)
    try:
        photo: Image.Image = _PLUGINS[found](io.BytesIO(content))  # not PIL.Image.open: see `fault`
        if photo.mode not in _CONVERTIBLE:
            return content, f"{photo.mode} pixels in a {found}, neither RGB nor greyscale of 8 bits"
        if reason := _size_fault(photo, decoding):
            return content, reason
        pixels = (ImageOps.exif_transpose(photo) if decoding.exif == "apply" else photo).convert("RGBA")
        flat = Image.new("RGB", pixels.size, "white")
        flat.paste(pixels, mask=pixels)
        file = io.BytesIO()
        flat.save(file, "PNG", compress_level=1)
    except (SyntaxError, OSError, ValueError, EOFError) as error:
        return content, f"truncated or damaged {found}: {error}"
    return file.getvalue(), None


def fault(jpeg: bytes, *, decoding: Decoding = CODELAB) -> str | None:
    """Says why a photo cannot become an image, or None if its header promises that it can.

    The header does not tell whether the pixels are all there: only decoding does.

    Args:
        jpeg: The whole file of the photo.
        decoding: Says how many pixels it may have: a file of a few kB can ask for gigabytes.
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
    return _size_fault(photo, decoding)


def _size_fault(photo: Image.Image, decoding: Decoding) -> str | None:
    pixels = photo.width * photo.height
    if not pixels:
        return f"no pixels, {photo.width} x {photo.height}"
    if pixels > decoding.max_pixels:
        needed = -(-pixels // 1_000_000)
        return (
            f"{photo.width} x {photo.height}: {pixels} pixels, over {decoding.max_megapixels} million "
            f"(taken with --max-megapixels {needed})"
        )
    return None
