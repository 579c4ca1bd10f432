"""The harness's own copy of `flowers_core.resources`: what a machine grants is told alike of every commit under test.

A measured process imports the package of the commit under test, which may be from before that module. So the harness
loads the file that lies beside itself, in its checkout or its wheel.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def _load(name: str) -> ModuleType:
    """A module of the package beside this harness, from its file."""
    path = Path(__file__).resolve().parents[2] / "flowers_core" / f"{name}.py"
    spec = spec_from_file_location(f"{__name__}.{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


resources = _load("resources")
