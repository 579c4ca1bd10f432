"""The harness: it measures `flowers_core`, keeps the figures and answers questions about them.

asv imports all that lies below its benchmark folder, beside the package of any commit. Suites, the modules of this
folder, are written for that; commands and tables in the folders below need today's package, so asv's walk skips them.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def _skip_folders(name: str, *options: bool) -> Iterator[ModuleType]:
    spec = find_spec(name)
    if name == __name__ or not (spec and spec.submodule_search_locations):
        yield from _walk(name, *options)


def __getattr__(name: str) -> Any:
    """`bench.diagnose` and `bench.Diagnose`, for a user's own script; loaded when they are asked for."""
    if name == "diagnose":
        return getattr(import_module("bench.input.stall.diagnose"), name)
    if name == "Diagnose":
        return import_module("bench.input.stall.diagnose").callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_discovery: Any = sys.modules.get("asv_runner.discovery")
if _discovery:  # in asv's own processes alone
    _walk, _discovery.disc_modules = _discovery.disc_modules, _skip_folders
