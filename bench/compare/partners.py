"""Pairs the cells of two sets of measurements."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields

from bench.results.cell import NO_MODEL, Cell
from bench.results.measurement import Measurement
from flowers_core.errors import InputError

# On JAX every step is compiled by XLA, and on torch none: the fields change together.
ALONG = {"backend": ("backend", "xla", "torch_compile")}


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Which cells of two sets belong together.

    Attributes:
        both: Cell of base, cell of candidate; the same unless `over` says in what they differ.
        over: Field in which all of base differ from all of candidate; empty where the cells are the same.
        only_base: Cells that candidate lacks.
        only_candidate: Cells that base lacks.
    """

    both: tuple[tuple[Cell, Cell], ...]
    over: str
    only_base: tuple[Cell, ...]
    only_candidate: tuple[Cell, ...]


def pairs(base: Iterable[Measurement], candidate: Iterable[Measurement]) -> Pairs:
    """Pairs the cells of two sets.

    Cells that are in both belong together. Where there is none, pipelines alone not counted, and all cells of base
    differ from all of candidate in one field only, e.g. the precision, they are paired over that field.

    Raises:
        InputError: If no cell has a partner.
    """
    here, there = (list(dict.fromkeys(stored.cell for stored in members)) for members in (base, candidate))
    both, over = [(cell, cell) for cell in here if cell in there], ""
    if all(cell.model == NO_MODEL for cell, _ in both):
        left = ([cell for cell in cells if not both or cell.model != NO_MODEL] for cells in (here, there))
        over, more = _over(*left)
        both += more
    if not both:
        few = (", ".join(cell.id for cell in cells[:3]) + ", …" * (len(cells) > 3) for cells in (here, there))
        raise InputError(
            "No cell is in both sets, nor do all cells of one differ from the other's in one field only. "
            "Base: {}. Candidate: {}. Measure the same cells for both".format(*few)
        )
    mine, theirs = ({pair[number] for pair in both} for number in (0, 1))
    return Pairs(
        both=tuple(both),
        over=over,
        only_base=tuple(cell for cell in here if cell not in mine),
        only_candidate=tuple(cell for cell in there if cell not in theirs),
    )


def _over(base: list[Cell], candidate: list[Cell]) -> tuple[str, list[tuple[Cell, Cell]]]:
    """The one field in which all of base differ from all of candidate, and the pairs; empty if there is none."""
    for name in (entry.name for entry in fields(Cell)):
        here, there = ({getattr(cell, name) for cell in cells} for cells in (base, candidate))
        if len(here) != 1 or len(there) != 1 or here == there:
            continue
        mine, theirs = ({_without(name, cell): cell for cell in cells} for cells in (base, candidate))
        both = [(mine[rest], theirs[rest]) for rest in mine if rest in theirs]
        if both and len(mine) == len(base) and len(theirs) == len(candidate):
            return name, both
    return "", []


def _without(name: str, cell: Cell) -> tuple:
    """A cell but for one field."""
    return tuple(value for key, value in asdict(cell).items() if key not in ALONG.get(name, (name,)))
