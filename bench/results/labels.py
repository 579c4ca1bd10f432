"""Short names for cells of one table: what tells them apart, and apart from it what they share."""

from collections.abc import Sequence
from dataclasses import fields

from bench.results.cell import NO_MODEL, RESIDENT, Cell

WORDS = {"image_size": "{} px", "batch_size": "b{}", "xla": "XLA {}"}  # numbers that a name must explain
INPUT = ("pipeline", "image_size", "batch_size")  # all that a pipeline alone has


def apart(cells: Sequence[Cell]) -> tuple[list[str], list[str]]:
    """Each cell by what it does not share with the others, and what all share.

    Returns:
        A short name for each cell, in their order; and words for what is the same in all.
    """
    some_xla = any(cell.xla for cell in cells)
    told = [_words(cell, some_xla=some_xla) for cell in cells]
    order = [entry.name for entry in fields(Cell) if any(entry.name in one for one in told)]
    seen = {name: {one[name] for one in told if name in one} for name in order}
    varied = [name for name in order if len(seen[name]) > 1]
    return (
        [
            " ".join(one[name] for name in order if name in one and _names(cell, name, varied))
            for cell, one in zip(cells, told, strict=True)
        ],
        [
            next(iter(seen[name]))
            for name in order
            if name not in varied and not all(_names(cell, name, varied) for cell in cells)
        ],
    )


def _words(cell: Cell, *, some_xla: bool) -> dict[str, str]:
    names = INPUT if cell.model == NO_MODEL else [name for name in vars(cell) if name != "xla" or some_xla]
    return {name: WORDS.get(name, "{}").format(getattr(cell, name)) for name in names}


def _names(cell: Cell, field: str, varied: Sequence[str]) -> bool:
    """Whether a field belongs to the name of a cell: its model, or its pipeline if that is all; and what varies."""
    if field == "pipeline" and cell.pipeline == RESIDENT:
        return False
    return field in varied or field == ("pipeline" if cell.model == NO_MODEL else "model")
