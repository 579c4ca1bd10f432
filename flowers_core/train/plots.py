"""Pictures of a training: its history as curves, and the images that it mistakes on a contact sheet."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flowers_core import durable

if TYPE_CHECKING:
    import numpy as np

TRAINING, VALIDATION, GOAL = "#8a8f98", "#c2185b", "#2e7d32"

SHEET_COLUMNS = 8
SHEET_MOST = 200
"""Most images on a sheet: nobody looks at more."""
SIDE, MARGIN, LINE = 128, 8, 14
INK, PAPER = (30, 30, 30), (255, 255, 255)


def is_possible(*, tell: Callable[[str], object]) -> bool:
    """Whether curves can be drawn; says so where matplotlib is missing, as on a machine that only measures."""
    if find_spec("matplotlib") is None:
        tell("no curves are drawn: matplotlib is not installed")
        return False
    return True


def draw_history(
    path: Path, rows: Sequence[dict[str, float]], *, title: str, goal: tuple[float, float] | None = None
) -> None:
    """Draws loss and accuracy over epochs, of training and validation.

    Args:
        path: Where; ends in .png.
        rows: A row an epoch, see `fit.train`.
        title: Above both.
        goal: Lowest and highest accuracy that the codelab reached, as a band.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    figure.suptitle(title, parse_math=False)
    epochs = [row["epoch"] for row in rows]
    for panel, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        panel.plot(epochs, [row[name] for row in rows], color=TRAINING, label="training", marker=".")
        panel.plot(epochs, [row[f"val_{name}"] for row in rows], color=VALIDATION, label="validation", marker=".")
        panel.set(xlabel="epoch", ylabel=name, ylim=(0, 1) if name == "accuracy" else (0, None))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        if name == "accuracy" and goal:
            panel.axhspan(*goal, color=GOAL, alpha=0.2, lw=1, label="codelab")
        panel.legend(frameon=False)
    with durable.whole(path) as unfinished:
        figure.savefig(unfinished)


def draw_contact_sheet(
    path: Path, images: "Sequence[np.ndarray] | np.ndarray", captions: Sequence[tuple[str, str]]
) -> None:
    """Draws small images side by side, each with two lines below it.

    Args:
        path: Where; ends in .png.
        images: uint8 arrays, shape `(height, width, 3)`; the first `SHEET_MOST` are shown.
        captions: Two short lines for each.
    """
    from PIL import Image, ImageDraw

    shown = min(len(images), SHEET_MOST)
    rows = max(1, -(-shown // SHEET_COLUMNS))
    wide, high = SIDE + MARGIN, SIDE + 2 * LINE + MARGIN
    sheet = Image.new("RGB", (SHEET_COLUMNS * wide + MARGIN, rows * high + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number in range(shown):
        left, top = MARGIN + number % SHEET_COLUMNS * wide, MARGIN + number // SHEET_COLUMNS * high
        sheet.paste(Image.fromarray(images[number]).resize((SIDE, SIDE)), (left, top))
        for row, line in enumerate(captions[number]):
            draw.text((left, top + SIDE + row * LINE), line, fill=INK)
    with durable.whole(path) as unfinished:
        sheet.save(unfinished, "PNG")
