"""What decides a figure: facts by name that must be equal for two measurements of a cell to be of the same thing.

What a result does not say is unknown, and equal only to what is unknown elsewhere: results from before a fact was kept
are grouped as they were.
"""

import json
from collections.abc import Iterable, Sequence

from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import Measurement

ABSENT = "none"  # a fact that a result does not say

# Distributions by the framework that brings them; those of an accelerator by the beginning of their names.
FRAMEWORKS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly", "ml_dtypes"),
    "jax": ("jax", "jaxlib", "ml_dtypes"),
    "torch": ("torch",),
}
ACCELERATED = ("nvidia-", "jax-cuda", "jax-rocm", "libtpu")
DECODING = ("simplejpeg", "opencv-python-headless", "opencv-python")
DECODER = "simplejpeg's libjpeg-turbo"


def loads(cell: Cell, package: str) -> bool:
    """Whether a cell loads a package that can decide its figure.

    Why not ask the process which modules it has: Keras and TensorFlow import whatever else they find, JAX and pandas
    among it, and never use it in a step.
    """
    if package == "numpy":
        return True
    if cell.pipeline != RESIDENT and package in (*FRAMEWORKS["tensorflow"], *DECODING, DECODER):
        return True
    if cell.model == NO_MODEL:
        return False
    accelerated = cell.device != "cpu" and package.startswith(ACCELERATED)
    return package == "keras" or package in FRAMEWORKS.get(cell.backend, ()) or accelerated


def versions(machine: dict, cells: Iterable[Cell]) -> dict[str, str]:
    """Versions of the installed packages, and of libraries within them, that any of some cells loads."""
    installed = {**(machine.get("distributions") or {}), **(machine.get("packages") or {})}
    installed |= {name: version for name, version in (machine.get("libraries") or {}).items() if name == DECODER}
    cells = set(cells)
    return {name: version for name, version in installed.items() if any(loads(cell, name) for cell in cells)}


def facts(measurement: Measurement) -> dict[str, str]:
    """What decides the figure of a measurement, by name, but for the cell itself."""
    machine, about = measurement.machine, measurement.data
    known = {
        "machine": machine.get("id"),
        "usable_cores": machine.get("usable_cores"),
        "python": ".".join(machine["python"].split(".")[:2]) if "python" in machine else None,
        **versions(machine, [measurement.cell]),
        **(machine.get("environment") or {}),
        **{f"Keras' {name}": value for name, value in (machine.get("keras") or {}).items()},
        "code": measurement.code.get("digest"),
        "harness version": measurement.harness_version,
        **{{"digest": "content of the data"}.get(name, name): value for name, value in about.items()},
    }
    return {name: str(value) for name, value in known.items() if value is not None}


def setting(measurement: Measurement) -> str:
    """What decides the figure of a measurement, as one text."""
    return json.dumps(facts(measurement), sort_keys=True)


def apart(measurements: Sequence[Measurement]) -> str:
    """By what some measurements differ, each fact with their values in order; empty where they are of one setting."""
    known = [facts(measurement) for measurement in measurements]
    names = dict.fromkeys(name for values in known for name in values)
    texts = {name: list(dict.fromkeys(values.get(name, ABSENT) for values in known)) for name in names}
    return "; ".join(f"{name} {', '.join(values)}" for name, values in texts.items() if len(values) > 1)
