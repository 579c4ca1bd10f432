"""A framework that is imported on first use, for modules that are also imported where it is not needed."""

from importlib import import_module
from typing import Any


class Lazy:
    """Stands for a module of this name; its first use imports it.

    Why not `importlib.util.LazyLoader`: it puts the module among those that are loaded, where others look whether a
    framework is in use.
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(import_module(self._name), attribute)
