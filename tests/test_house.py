"""The rules of the house, checked by the machine."""

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[1]
ROOMS = [path for folder in ("flowers_core", "bench") for path in sorted((PROJECT_ROOT / folder).rglob("*.py"))]
TESTS = sorted((PROJECT_ROOT / "tests").rglob("test_*.py"))


def named(path):
    return str(path.relative_to(PROJECT_ROOT))


def lines(path):
    return len(path.read_text().splitlines())


@pytest.mark.parametrize("room", ROOMS, ids=named)
def test_a_room_fits_on_a_few_screens(room):
    """No file is longer than 500 lines."""
    assert lines(room) <= 500


def test_rooms_are_small():
    """The median file is under 150 lines."""
    assert statistics.median(map(lines, ROOMS)) < 150


@pytest.mark.parametrize("room", ROOMS, ids=named)
def test_a_room_is_named_after_what_it_holds(room):
    """There is no drawer for everything."""
    assert room.stem not in {"utils", "util", "helpers", "common", "misc", "base"}


@pytest.mark.parametrize("path", TESTS, ids=named)
def test_tests_speak(path):
    """Each test has a docstring: a sentence that is true when it passes."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    silent = [node.name for node in functions if node.name.startswith("test_") and not ast.get_docstring(node)]

    assert not silent


def test_discovery_is_cold():
    """Importing everything under bench, as asv does, loads no framework."""
    code = (
        "import importlib, pkgutil, sys, bench\n"
        "for room in pkgutil.walk_packages(bench.__path__, 'bench.'): importlib.import_module(room.name)\n"
        "print([name for name in ('tensorflow', 'keras', 'jax', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("door", ["flowers_core", "bench"])
def test_help_loads_no_framework(door):
    """A command line says its words without waiting for a framework."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{door}', '--help']\n"
        f"try: runpy.run_module('{door}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras', 'jax', 'pandas', 'numpy', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_no_registry_and_no_machine_is_named():
    """Pins carry no address, and no tracked text names a package registry's host or an absolute home."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    texts = [
        PROJECT_ROOT / name
        for name in tracked
        if Path(name).suffix in {".py", ".toml", ".txt", ".json", ".md", ".jsonc"}
    ]
    hosts = re.compile(r"pypi\.org|pythonhosted|npmjs\.|registry\.npm|deb\.debian|/root/|/work/")

    assert texts
    assert [
        named(path) for path in texts if path != Path(__file__) and path.exists() and hosts.search(path.read_text())
    ] == []


def test_the_readme_shows_both_commands():
    """A newcomer finds the two commands in the first 40 lines."""
    beginning = "\n".join((PROJECT_ROOT / "README.md").read_text().splitlines()[:40])

    assert "make bench" in beginning
    assert "make test" in beginning


def test_the_readme_leads_somewhere():
    """Every relative link of the README is a file that is there."""
    links = re.findall(r"\]\(([^)#:]+)\)", (PROJECT_ROOT / "README.md").read_text())

    assert links
    assert [link for link in links if not (PROJECT_ROOT / link).exists()] == []
