"""Makes the variants of a comparison: two revisions, or two values of one axis, of each cell."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bench.compare import revision
from bench.compare.variant import Variant, VariantPair
from bench.machine import facts, variables
from bench.machine.own import user_code
from bench.results.cell import (
    COMPILERS,
    INPUT_OPTIONS,
    NO_MODEL,
    PEERS_BACKEND,
    RESIDENT,
    STEPS,
    SWITCH,
    Cell,
    read_input_option,
)
from bench.run import product
from bench.run.data_source import Source
from flowers_core.backends import BACKENDS
from flowers_core.errors import InputError, RunFailed, one_of

AXES = ("model", "pipeline", "image_size", "mode", "device", "precision", "backend", *COMPILERS, STEPS, *INPUT_OPTIONS)
NUMBERS = {"image_size": "whole number of pixels", STEPS: "whole number of steps from 1"}
VARIABLE = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


def of_revisions(
    cells: Sequence[Cell], base: str, candidate: str, source: Source, *, tell: Callable[[str], object]
) -> list[VariantPair]:
    """Pairs of two git revisions, built as wheels into cached environments; the same harness measures both.

    Args:
        cells: What is measured.
        base: A revision, or WORKTREE for the working tree.
        candidate: Another.
        source: What the cells read.
        tell: Reports, a sentence each, what a user should know: a dirty tree, two names for the same code.

    Raises:
        InputError: If there is no such revision.
        RunFailed: If one does not build.
    """
    revisions = [revision.resolve(name) for name in (base, candidate)]
    if revision.same(*revisions):
        tell(f"{base} and {candidate} hold the same code: whatever differs is noise, and the verdict should be `same`")
    if facts.code()["dirty"] and revision.WORKTREE not in (base, candidate):
        tell(f"uncommitted changes are not part of {base} or {candidate}; {revision.WORKTREE} names the working tree")
    extras = _extras(cells)
    classes = source.classes(cells)
    environments = [revision.build(code, extras=extras, tell=tell) for code in revisions]
    return [
        VariantPair(
            *(
                Variant(
                    name=code.name,
                    cell=cell,
                    source=source,
                    python=environment.python,
                    path=environment.path,
                    code={"commit": code.commit, "dirty": code.dirty, "digest": code.digest},
                    classes=classes,
                )
                for code, environment in zip(revisions, environments, strict=True)
            )
        )
        for cell in cells
    ]


def rebuild(variants: VariantPair, *, tell: Callable[[str], object]) -> VariantPair:
    """The same two revisions, each built a second time at another place.

    Raises:
        RunFailed: If one does not build.
    """

    def again(variant: Variant) -> Variant:
        code = revision.resolve(variant.name)
        if code.digest != variant.code["digest"]:
            raise RunFailed(f"{variant.name} is no longer the code that was compared: no second build can confirm it")
        environment = revision.build(code, extras=_extras([variant.cell]), again=True, tell=tell)
        return replace(variant, python=environment.python, path=environment.path)

    base, candidate = (again(variant) for variant in variants if isinstance(variant, Variant))
    return VariantPair(base, candidate)


def _extras(cells: Iterable[Cell]) -> tuple[str, ...]:
    return tuple(sorted({extra for cell in cells for extra in BACKENDS[cell.backend].extras}))


def of_axis(cells: Sequence[Cell], axis: str, source: Source) -> list[VariantPair]:
    """Pairs of two values of one axis, with the code of the working tree.

    Args:
        cells: What is measured; what they hold for the axis itself does not count.
        axis: `field=base,candidate`, e.g. `precision=float32,mixed_bfloat16`, or `env:NAME=base,candidate`.
        source: What the cells read.

    Raises:
        InputError: If the axis is no field of a cell and no variable, or its values are not two that differ.
    """
    name, _, listed = axis.partition("=")
    name = name.replace("-", "_") if name.replace("-", "_") in AXES else name
    values = listed.split(",")
    if len(values) != 2 or values[0] == values[1]:
        raise InputError(f"`--axis` must name two values that differ, NAME=BASE,CANDIDATE. Received: {axis!r}")
    variable = VARIABLE.fullmatch(name)
    if not variable:
        one_of("axis", name, (*AXES, "env:NAME"))
    shown = {value: variables.printable(variable[1], value) if variable else value for value in values}
    if shown[values[0]] == shown[values[1]]:
        raise InputError(
            f"`--axis {name}` must have values that can be published: credentials are hidden and home folders "
            "shortened, and these two would then be the same"
        )
    both = [(cell, cell) if variable else tuple(_along(cell, name, value) for value in values) for cell in cells]
    common = {
        "source": source,
        "code": facts.code(),
        "classes": source.classes(cell for pair in both for cell in pair),
    }
    return [
        VariantPair(
            *(
                Variant(name=shown[value], cell=cell, environment={variable[1]: value} if variable else {}, **common)
                for value, cell in zip(values, pair, strict=True)
            )
        )
        for pair in dict.fromkeys(both)  # cells that differ in the axis alone are one pair
    ]


def _along(cell: Cell, name: str, value: str) -> Cell:
    """A cell with another value on an axis."""
    if name == "pipeline" and value == RESIDENT and cell.model == NO_MODEL:
        raise InputError(
            f"The resident batch feeds a model alone. Received: no model, and {name}={value}. Give `--model`"
        )
    if name in COMPILERS:
        one_of(name, value, SWITCH)
        chosen: dict[str, Any] = {name: SWITCH[value]}
        return replace(cell, **chosen)
    if name in NUMBERS:
        if not (value.isascii() and value.isdecimal()):
            raise InputError(f"`{name}` must be a {NUMBERS[name]}. Received: {value!r}")
        number: dict[str, Any] = {name: int(value)}
        return replace(cell, **number)
    if name in INPUT_OPTIONS:
        return _with_input(cell, name, read_input_option(name, value))
    if name == "backend":
        return cell.on(value)
    if name == "model" and user_code.peer(value):
        cell = cell.on(PEERS_BACKEND)  # whatever ours, the other side, runs on
    changed: dict[str, Any] = {name: value}
    return replace(cell, **changed)


def _with_input(cell: Cell, name: str, value: bool | int | None) -> Cell:
    """A cell whose pipeline is as chosen.

    Raises:
        InputError: If it has none, or one that does not take the option.
    """
    if cell.pipeline not in product.pipelines():
        raise InputError(f"`{name}` is for an input pipeline: give `--pipeline {', '.join(product.pipelines())}`")
    if reason := product.why_not_input(cell.pipeline, [name]):
        raise InputError(f"{reason}. Give another `--pipeline`")
    chosen: dict[str, Any] = {name: value}
    return replace(cell, **chosen)
