"""How photos become pixels where the codelab's way is not wanted: turned upright, decoded smaller, or very large."""

import struct
from dataclasses import asdict, dataclass
from typing import Any

from flowers_core import errors, resources

EXIF = ("ignore", "apply")
SIZES = ("full", "scaled", "smallest")
DENOMINATORS = (8, 4, 2)
"""What libjpeg-turbo can decode a JPEG smaller by, within its inverse DCT."""

LEAST = {"scaled": 2, "smallest": 1}
"""A photo is decoded smaller as long as its short side stays so many times that of the image it becomes."""

LONGEST = 32
"""Of a photo that is longer than so many times its width the middle is cut out before it is scaled: a strip of one
pixel's width would fill gigabytes."""

MEGAPIXELS = 50
_BYTES_A_PIXEL = 6  # decoded, and once more while it is turned or converted


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How photos become pixels; the defaults are the codelab's way, and only they give its pixels.

    Attributes:
        exif: `ignore` to take pixels as they lie, `apply` to turn them as the orientation in EXIF data says.
        size: `full`; `scaled` to decode photos of four times the size wanted and more at 1/2, 1/4 or 1/8, and no
            smaller than twice that size; `smallest` to go down to that size, as other libraries do.
        max_megapixels: Million pixels of the largest photo that is taken; larger ones are left out.
    """

    exif: str = "ignore"
    size: str = "full"
    max_megapixels: int = MEGAPIXELS

    def __post_init__(self):
        errors.one_of("exif", self.exif, EXIF)
        errors.one_of("size", self.size, SIZES)
        if self.max_megapixels < 1:
            raise errors.InputError(f"`max_megapixels` must be 1 or more. Received: {self.max_megapixels}")

    @property
    def unusual(self) -> dict[str, str | int]:
        """The fields that differ from the codelab's way."""
        return {name: value for name, value in asdict(self).items() if value != getattr(Decoding, name)}

    @property
    def max_pixels(self) -> int:
        """Pixels of the largest photo that is taken."""
        return self.max_megapixels * 1_000_000

    def denominator(self, height: int, width: int, image_size: int) -> int:
        """By what a photo is decoded smaller that is to become an image of some size: 1, 2, 4 or 8."""
        if self.size not in LEAST:
            return 1
        room = min(height, width) // (LEAST[self.size] * image_size)
        return next((number for number in DENOMINATORS if room >= number), 1)

    def check_memory(self, threads: int, memory_bytes: int | None = None) -> None:
        """Checks that as many of the largest photos fit into memory as are decoded at once.

        Raises:
            InputError: If they do not, and the limit was raised.
        """
        memory = resources.available_memory() if memory_bytes is None else memory_bytes
        needed = threads * self.max_pixels * _BYTES_A_PIXEL
        if self.max_megapixels > MEGAPIXELS and needed > memory:
            raise errors.InputError(
                f"`max_megapixels` must leave room for {threads} photos at once. Received: {self.max_megapixels}, "
                f"which take {needed / 1e9:.1f} GB, and {memory / 1e9:.1f} GB are free. Give a lower limit"
            )


CODELAB = Decoding()

# Steps along rows and columns by orientation; from 5 on after the two have changed places.
_REVERSED = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}


def middle(image: Any) -> Any:
    """An array of pixels without the ends that are more than `LONGEST` times as far apart as it is wide."""
    height, width = image.shape[:2]
    longest = LONGEST * min(height, width)
    kept_height, kept_width = min(height, longest), min(width, longest)
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    return image[top : top + kept_height, left : left + kept_width]


def turn(image: Any, orientation: int) -> Any:
    """A view of an array of pixels, upright, given the orientation in its EXIF data."""
    if orientation > 4:
        image = image.transpose(1, 0, 2)
    rows, columns = _REVERSED[orientation]
    return image[::rows, ::columns]


def orientation(jpeg: bytes) -> int:
    """The orientation in a JPEG's EXIF data, 1 to 8; 1, upright, where there is none or it is damaged.

    Why not Pillow: it takes 0.1 ms a photo, a quarter of what decoding and scaling one takes.
    """
    try:
        position = 2
        while jpeg[position] == 0xFF:
            kind, length = struct.unpack_from(">BH", jpeg, position + 1)
            if kind == 0xFF:  # a fill byte
                position += 1
                continue
            if kind == 0xDA:  # the pixels
                return 1
            if kind == 0xE1 and jpeg[position + 4 : position + 10] == b"Exif\0\0":
                return _from_tiff(jpeg[position + 10 : position + 2 + length])
            position += 2 + length
    except (IndexError, struct.error):
        pass
    return 1


def _from_tiff(tiff: bytes) -> int:
    """The same of EXIF data, which is a TIFF file without pixels."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    (start,) = struct.unpack_from(f"{order}L", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHL", tiff, entry)
        if (tag, values) == (0x0112, 1) and kind in (3, 4):
            (value,) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'L'}", tiff, entry + 8)
            return value if 1 <= value <= 8 else 1
    return 1
