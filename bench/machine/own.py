"""The harness's own copies of a few modules of `flowers_core`: the same for every commit under test.

A measured process imports the package of the commit under test, which may be from before these modules. So the harness
loads the files that lie beside itself, in its checkout or its wheel.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

NAMES = ("resources", "durable", "user_code", "lazy", "last_words")
"""Modules of the package that are loaded so; a snapshot of the harness holds their files."""


def _load(name: str) -> ModuleType:
    """A module of the package beside this harness, from its file."""
    path = Path(__file__).resolve().parents[2] / "flowers_core" / f"{name}.py"
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


resources, durable, user_code, lazy, last_words = map(_load, NAMES)
