"""The history of a training as a picture: loss and accuracy over epochs."""

from collections.abc import Sequence
from pathlib import Path

TRAINING, VALIDATION, GOAL = "#8a8f98", "#c2185b", "#2e7d32"


def draw(path: Path, rows: Sequence[dict[str, float]], *, title: str, goal: tuple[float, float] | None = None) -> None:
    """Draws loss and accuracy, of training and validation.

    Args:
        path: Where; ends in .png.
        rows: A row an epoch, see `fit.train`.
        title: Above both.
        goal: Lowest and highest accuracy that the codelab reached, as a band.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 3.6), dpi=120, layout="constrained")
    figure.suptitle(title)
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
    figure.savefig(path)
