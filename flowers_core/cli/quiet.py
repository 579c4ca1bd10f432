"""Keeps what frameworks print at their start off the user's terminal: the only place that does.

A script that imports one begins with `from flowers_core.cli import quiet; quiet.imports()`; every command does.
"""

import os
import sys
import tempfile
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from flowers_core.data import storage

NOISY = ("tensorflow",)
VARIABLES = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # "no CUDA here" is an error to TensorFlow, not to a user


def variables(environment: MutableMapping[str, str]) -> None:
    """Adds what keeps frameworks quiet after they were imported; what is set already stays."""
    for name, value in VARIABLES.items():
        environment.setdefault(name, value)
    storage.configure_client(environment)


def imports() -> None:
    """Lets the packages that chatter be imported in silence, whoever imports them first."""
    known = {finder.package for finder in sys.meta_path if isinstance(finder, QuietImport)}
    for package in NOISY:
        if package not in known:
            sys.meta_path.insert(0, QuietImport(package))


@contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is printed below Python while a framework is imported; prints it if that fails."""
    variables(os.environ)
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except ImportError:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


class QuietImport(MetaPathFinder):
    """Imports a package without its chatter, whoever imports it first: not every command knows that it will.

    Attributes:
        package: Its name.
    """

    def __init__(self, package: str):
        self.package, self._searches = package, False

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - Python's
        """The package as Python finds it, its code run in silence; None for all else, which others find."""
        if fullname != self.package or self._searches:
            return None
        self._searches = True
        try:
            spec = find_spec(fullname)
        finally:
            self._searches = False  # who only asks whether the package is there must not use this finder up
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_quietly(module: ModuleType) -> None:
            with held_back():
                execute(module)

        loader.exec_module = execute_quietly
        return spec
