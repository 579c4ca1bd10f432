"""Small pictures side by side on one sheet, each with a line below it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

COLUMNS = 8
SIDE, MARGIN, LINE = 128, 8, 14
INK, PAPER = (30, 30, 30), (255, 255, 255)
MOST = 200
"""Most pictures on a sheet: nobody looks at more."""


def write(path: Path, pictures: "Sequence[np.ndarray] | np.ndarray", lines: Sequence[tuple[str, str]]) -> None:
    """Writes a sheet as PNG.

    Args:
        path: Where; ends in .png.
        pictures: uint8 arrays, shape `(height, width, 3)`; the first `MOST` are shown.
        lines: Two short lines for each.
    """
    from PIL import Image, ImageDraw

    shown = min(len(pictures), MOST)
    rows = max(1, -(-shown // COLUMNS))
    wide, high = SIDE + MARGIN, SIDE + 2 * LINE + MARGIN
    sheet = Image.new("RGB", (COLUMNS * wide + MARGIN, rows * high + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number in range(shown):
        left, top = MARGIN + number % COLUMNS * wide, MARGIN + number // COLUMNS * high
        sheet.paste(Image.fromarray(pictures[number]).resize((SIDE, SIDE)), (left, top))
        for row, line in enumerate(lines[number]):
            draw.text((left, top + SIDE + row * LINE), line, fill=INK)
    sheet.save(path, "PNG")
