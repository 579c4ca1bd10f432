"""What a comparison is between: two revisions, or two values of one axis; each cell becomes a base and a candidate."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from bench.compare import revision
from bench.compare.comparison import VariantPair
from bench.compare.variant import Variant
from bench.machine import facts
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.run.data_source import Source
from flowers_core.backends import BACKENDS
from flowers_core.errors import InputError, one_of

AXES = ("model", "pipeline", "image_size", "mode", "device", "precision", "backend", "xla")
VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
SWITCH = {"off": False, "on": True, "false": False, "true": True}


def of_revisions(
    cells: Sequence[Cell], base: str, candidate: str, source: Source, *, tell: Callable[[str], object]
) -> list[VariantPair]:
    """Matches of two git revisions, built as wheels into cached environments; the same ruler measures both.

    Args:
        cells: What is measured.
        base: A revision, or WORKTREE for the uncommitted work.
        candidate: Another.
        source: What the cells read.
        tell: Hears, a sentence each, what a user should know: a dirty tree, two names for the same code.

    Raises:
        InputError: If there is no such revision.
        RunFailed: If one does not build.
    """
    revisions = [revision.resolve(name) for name in (base, candidate)]
    if revision.same(*revisions):
        tell(f"{base} and {candidate} hold the same code: whatever differs is noise, and the verdict should be `same`")
    if facts.uncommitted_files() and revision.WORKTREE not in (base, candidate):
        tell(
            f"uncommitted changes are not part of {base} or {candidate}; {revision.WORKTREE} names the tree as it lies"
        )
    extras = tuple(sorted({extra for cell in cells for extra in BACKENDS[cell.backend].extras}))
    classes = source.classes(cells)
    built = [revision.build(one, extras=extras, tell=tell) for one in revisions]
    return [
        VariantPair(
            *(
                Variant(
                    name=one.name,
                    cell=cell,
                    source=source,
                    python=made.python,
                    path=made.path,
                    code={"commit": one.commit, "dirty": one.dirty, "digest": one.digest},
                    classes=classes,
                )
                for one, made in zip(revisions, built, strict=True)
            )
        )
        for cell in cells
    ]


def of_axis(cells: Sequence[Cell], axis: str, source: Source) -> list[VariantPair]:
    """Matches of two values of one axis, with the code as it lies in the tree.

    Args:
        cells: What is measured; what they hold for the axis itself does not count.
        axis: `field=base,candidate`, e.g. `precision=float32,mixed_bfloat16`, or `env:NAME=base,candidate`.
        source: What the cells read.

    Raises:
        InputError: If the axis is no field of a cell and no variable, or its values are not two that differ.
    """
    name, _, values = axis.partition("=")
    pair = values.split(",")
    if len(pair) != 2 or pair[0] == pair[1]:
        raise InputError(f"`--axis` must name two values that differ, NAME=BASE,CANDIDATE. Received: {axis!r}")
    code = facts.code()
    variable = VARIABLE.fullmatch(name)
    if variable:
        common = {"source": source, "code": code, "classes": source.classes(cells)}
        return [
            VariantPair(*(Variant(name=value, cell=cell, environment={variable[1]: value}, **common) for value in pair))
            for cell in cells
        ]
    one_of("axis", name, (*AXES, "env:NAME"))
    both = [(_along(cell, name, pair[0]), _along(cell, name, pair[1])) for cell in cells]
    common = {"source": source, "code": code, "classes": source.classes(cell for sides in both for cell in sides)}
    return [
        VariantPair(*(Variant(name=value, cell=cell, **common) for value, cell in zip(pair, sides, strict=True)))
        for sides in dict.fromkeys(both)  # cells that differ in the axis alone are one match
    ]


def _along(cell: Cell, name: str, value: str) -> Cell:
    """A cell with another value on an axis."""
    if name == "pipeline" and value == RESIDENT and cell.model == NO_MODEL:
        raise InputError("The resident batch feeds a model: give `--model` to compare it with a pipeline")
    if name == "xla":
        one_of("xla", value, SWITCH)
        return replace(cell, xla=SWITCH[value])
    if name == "image_size":
        if not value.isdecimal():
            raise InputError(f"`image_size` must be a whole number of pixels. Received: {value!r}")
        return replace(cell, image_size=int(value))
    if name == "backend":
        return replace(cell, backend=value, xla=BACKENDS[value].always_compiled or cell.xla)
    return Cell(**{**asdict(cell), name: value})
