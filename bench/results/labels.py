"""Short names for the cells of one table: what tells them apart, and what they share."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from bench.machine.own import user_code
from bench.results.cell import AUTO, COMPILERS, INPUT_OPTIONS, NO_MODEL, RESIDENT, STEPS, Cell

WORDS = {
    "image_size": "{} px",
    "batch_size": "b{}",
    "xla": "XLA {}",
    "torch_compile": "torch.compile {}",
    STEPS: "{} steps a call",
    **{name: f"{number[1] if number else name} {{}}" for name, number in INPUT_OPTIONS.items()},
}  # numbers that a name must explain
INPUT = ("pipeline", "image_size", "batch_size", *INPUT_OPTIONS)  # all that a pipeline alone has


NAMED = ("model", "pipeline")  # fields that may hold a user's own


def readable(cells: Iterable[Cell]) -> dict[str, str]:
    """What to show of each model and pipeline: a user's own as `stem:function`, with the digest where two are alike."""
    names = {getattr(cell, field) for cell in cells for field in NAMED}
    counts = Counter(map(user_code.readable, names))
    return {name: short if counts[short := user_code.readable(name)] == 1 else name for name in names}


def apart(cells: Sequence[Cell]) -> tuple[list[str], list[str]]:
    """Names each cell by what it does not share with the others.

    Returns:
        A short name for each cell, in their order; and words for what is the same in all.
    """
    unused = [name for name in COMPILERS if not any(getattr(cell, name) for cell in cells)]
    unused += [name for name in INPUT_OPTIONS if not any(name in cell.input_options for cell in cells)]
    unused += [STEPS] * all(cell.steps_per_execution == 1 for cell in cells)
    shown = readable(cells)
    described = [_words(cell, shown, unused) for cell in cells]
    values = {entry.name: {words[entry.name] for words in described if entry.name in words} for entry in fields(Cell)}
    varied = [name for name, seen in values.items() if len(seen) > 1]
    names = [
        " ".join(word for name, word in words.items() if _is_named(cell, name, varied))
        for cell, words in zip(cells, described, strict=True)
    ]
    shared = [
        next(iter(seen))
        for name, seen in values.items()
        if len(seen) == 1 and not all(_is_named(cell, name, varied) for cell in cells)
    ]
    return names, shared


def _words(cell: Cell, shown: dict[str, str], unused: Sequence[str]) -> dict[str, str]:
    """What describes a cell, by field, but for compilers, loops and options of pipelines that no cell uses."""
    names = [name for name in (INPUT if cell.model == NO_MODEL else vars(cell)) if name not in unused]
    names = [name for name in names if name not in INPUT_OPTIONS or cell.pipeline != RESIDENT]
    words = {name: WORDS.get(name, "{}").format(input_value(cell, name)) for name in names}
    words |= {STEPS: "1 step a call"} if STEPS in words and not cell.loop else {}
    return {name: shown[word] if name in NAMED else word for name, word in words.items()}


def input_value(cell: Cell, field: str) -> Any:
    """A field's value; of an option of the pipeline as a user writes it: `on`, `off`, a number or `auto`."""
    value = getattr(cell, field)
    if field not in INPUT_OPTIONS or type(value) is int:
        return value
    return AUTO if value is None else ("off", "on")[value]


def _is_named(cell: Cell, field: str, varied: Sequence[str]) -> bool:
    """Whether a field belongs to the name of a cell: its model, or its pipeline if that is all; and what varies."""
    if field == "pipeline" and cell.pipeline == RESIDENT:
        return False
    return field in varied or field == ("pipeline" if cell.model == NO_MODEL else "model")
