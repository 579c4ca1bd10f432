"""What a comparison is between: a variant is a cell, of some code, in an environment."""

import sys
from dataclasses import dataclass, field

from bench.machine import facts as machine
from bench.machine import variables
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
        path: The folder from which `bench`, the harness, is imported.
        code: `commit`, `dirty` and `digest` of the code under test.
        environment: Variables that only this variant has.
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
        """What a pair result keeps of it; the classes of a resident batch only where they are not the usual ones."""
        unusual = self.cell.pipeline == RESIDENT and self.classes != CLASSES
        data = {"classes": self.classes} if unusual else {}
        environment = {name: variables.printable(name, value) for name, value in self.environment.items()}
        return {"name": self.name, "cell": self.cell.to_json(), "environment": environment, **data, **self.code}


@dataclass(frozen=True)
class VariantPair:
    """One cell of a comparison: its base and its candidate."""

    base: Variant
    candidate: Variant

    @property
    def cell(self) -> str:
        """Names it in the store: the cell, or both where they differ.

        A resident batch of unusual classes is named apart, or its results would be counted with those of another model.
        """
        return " v ".join(dict.fromkeys(map(_id, (self.base, self.candidate))))


def _id(variant: Variant) -> str:
    classes = variant.facts().get("classes")
    return f"{variant.cell.id}-{classes}-classes" if classes else variant.cell.id
