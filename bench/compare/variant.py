"""One side of a comparison: which cell runs, of which code, in which environment."""

import sys
from dataclasses import dataclass, field

from bench.machine import facts as machine
from bench.results.cell import RESIDENT, Cell
from bench.run.data_source import CLASSES, Source


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What runs as base or as candidate.

    Attributes:
        name: What the user calls it: a revision or a value of an axis.
        cell: What is measured.
        source: Where photos and records lie.
        python: The interpreter, of an environment that holds the code under test.
        path: The folder from which `bench`, the ruler, is imported.
        code: `commit`, `dirty` and `digest` of the code under test.
        environment: Variables that only this side has.
        classes: How many a model tells apart on a resident batch.
    """

    name: str
    cell: Cell
    source: Source = field(default_factory=Source)
    python: str = sys.executable
    path: str = str(machine.PROJECT_ROOT)
    code: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    classes: int = CLASSES

    def facts(self) -> dict:
        """What a unit keeps of it; the classes of a resident batch only where they are not the usual ones."""
        unusual = self.cell.pipeline == RESIDENT and self.classes != CLASSES
        data = {"classes": self.classes} if unusual else {}
        return {"name": self.name, "cell": self.cell.to_json(), "environment": self.environment, **data, **self.code}


def cell_id(base: Variant, candidate: Variant) -> str:
    """Names what two sides run, in the store: the cell, or both where they differ.

    A resident batch of unusual classes is named apart, or its units would be counted with those of another model.
    """
    return " v ".join(dict.fromkeys(map(_id, (base, candidate))))


def _id(side: Variant) -> str:
    classes = side.facts().get("classes")
    return f"{side.cell.id}-{classes}-classes" if classes else side.cell.id
