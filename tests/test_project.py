"""The rules of the project, checked by the machine."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[1]
MODULES = [path for folder in ("flowers_core", "bench") for path in sorted((PROJECT_ROOT / folder).rglob("*.py"))]
TESTS = sorted((PROJECT_ROOT / "tests").rglob("*.py"))
PYPROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())

TREE = {
    "flowers_core": {"data", "synthetic", "input", "models", "backends", "train", "cli"},
    "bench": {"cli", "report", "compare", "input", "run", "results", "machine", "training"},
    "bench/compare": {"history", "validation"},
    "bench/input": {"stall", "loaders", "formats", "writing", "object_store", "data_service"},
}
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc", "base"}

# Of an earlier dialect; a reader must never have to learn one.
DIALECT = re.compile(r"\beats?\b|\blanes?\b|who is fed|not to be had|\bthe words? `|\brac(?:e|es|ed|ing)\b|\bgarden\b")
VAGUE_VARIABLES = re.compile(r"\b(?:one|some)\b *=|for (?:one|some) in")

# What came out is no name for what is done: `describe`, not `described`. Properties are attributes, and may be.
PARTICIPLE = re.compile(
    r"_?(?!s?[fp]?eed$)(?:[a-z]+ed|told|drawn|made|given|taken|said|kept|held|found|written|shown|chosen)"
)

# Limits that only get lower.
MOST_PARTICIPLES = 30
MOST_LINES = 500
SHORT_LINES, MOST_SHORT = 40, 14


def relative(path):
    return str(path.relative_to(PROJECT_ROOT))


def lines(path):
    return len(path.read_text().splitlines())


def tracked_files():
    done = subprocess.run(["git", "ls-files"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    return [PROJECT_ROOT / name for name in done.stdout.splitlines() if (PROJECT_ROOT / name).exists()]


@pytest.mark.parametrize(("folder", "children"), TREE.items())
def test_tree_is_as_described(folder, children):
    """Each folder answers one question; another one is a decision, made here."""
    packages = {path.parent.name for path in (PROJECT_ROOT / folder).glob("*/__init__.py")}

    assert packages == children


def test_modules_fit_on_a_few_screens():
    """No file of code is longer than 500 lines."""
    assert [relative(path) for path in MODULES if lines(path) > MOST_LINES] == []


def test_few_modules_are_tiny():
    """Few files hold less than 40 lines: what is tiny belongs to a neighbour."""
    short = [relative(path) for path in MODULES if lines(path) < SHORT_LINES and path.name != "__init__.py"]

    assert len(short) <= MOST_SHORT, short


def test_modules_are_named_after_what_they_hold():
    """There is no drawer for everything."""
    assert [relative(path) for path in MODULES if path.stem in VAGUE_NAMES] == []


def test_variables_say_what_they_hold():
    """`one` and `some` name nothing."""
    vague = [
        f"{relative(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if VAGUE_VARIABLES.search(line)
    ]

    assert vague == []


def test_functions_are_verbs_or_nouns():
    """Few functions are called by a bare participle."""
    bare = [
        f"{relative(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and PARTICIPLE.fullmatch(node.name)
        if not any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]

    assert len(bare) <= MOST_PARTICIPLES, bare


def test_contracts_are_few():
    """At most six contracts say who may import whom."""
    assert len(PYPROJECT["tool"]["importlinter"]["contracts"]) <= 6


@pytest.mark.parametrize("path", [path for path in TESTS if path.name.startswith("test_")], ids=relative)
def test_tests_have_docstrings(path):
    """Each test has a docstring: a sentence that is true when it passes."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    silent = [node.name for node in functions if node.name.startswith("test_") and not ast.get_docstring(node)]

    assert not silent


def test_discovery_is_cold():
    """Importing everything under bench loads no framework."""
    code = (
        "import importlib, pkgutil, sys, bench\n"
        "for module in pkgutil.walk_packages(bench.__path__, 'bench.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "print([name for name in ('tensorflow', 'keras', 'jax', 'pandas', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("package", ["flowers_core", "bench"])
def test_help_loads_no_framework(package):
    """A command line lists its commands without waiting for a framework."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['{package}', '--help']\n"
        f"try: runpy.run_module('{package}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([name for name in ('tensorflow', 'keras', 'jax', 'pandas', 'numpy', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


# What prints as it is given: these modules escape it, or print what cannot hold a name.
ESCAPING = {
    *("bench/results/table.py", "bench/machine/doctor.py", "bench/input/stall/diagnosis.py"),
    *("flowers_core/cli/entry.py", "flowers_core/progress.py"),
}
BARE_PRINT = re.compile(r"\.print\(|\bmarkup=True|click\.echo\(f(?!\"export )|click\.echo\(\"|TextColumn\(\"[^\"]*\"\)")


def test_names_are_printed_through_one_function():
    """`say`, `tell` and tables escape what commands a terminal; nothing else prints what may hold a name."""
    bare = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in MODULES
        if relative(path) not in ESCAPING
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BARE_PRINT.search(line)
    ]

    assert bare == []


REFUSALS = {"InputError", "UserError", "SystemExit", "UsageError", "BadParameter", "fail"}


def refusals(path):
    """The source of each call that refuses something."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in REFUSALS:
            yield ast.get_source_segment(text, node) or ""


def test_refused_names_are_answered_by_the_nearest():
    """Whatever lists the names that there are says which was probably meant; `one_of` does so by itself."""
    silent = [
        f"{relative(path)}: {refusal}"
        for path in MODULES
        for refusal in refusals(path)
        if re.search(r"\b(?:one|be) of \{(?:', '|known)", refusal) and not re.search(r"\bnear\(|\{meant\}", refusal)
    ]

    assert silent == []
    assert [relative(path) for path in MODULES if re.search(r"=click\.Choice\(", path.read_text())] == []


@pytest.fixture(scope="module")
def commands(load_script):
    """The script that writes docs/commands.md."""
    return load_script("commands")


def test_commands_are_documented_as_they_are(commands):
    """docs/commands.md is what `make docs` writes."""
    assert commands.PAGE.read_text() == commands.text()


def test_help_speaks_the_terms_of_the_field(commands):
    """No help text falls back into the old dialect."""
    assert DIALECT.findall(commands.text()) == []


def test_no_registry_and_no_machine_is_named():
    """Pins carry no address, and no tracked text names a package registry's host or an absolute home."""
    texts = [
        path for path in tracked_files() if path.suffix in {".py", ".toml", ".txt", ".json", ".md", ".jsonc", ".ipynb"}
    ]
    hosts = re.compile(r"pypi\.org|pythonhosted|npmjs\.|registry\.npm|deb\.debian|/root/|/work/")

    assert texts
    assert [relative(path) for path in texts if path != Path(__file__) and hosts.search(path.read_text())] == []


def test_readme_shows_both_commands():
    """A newcomer finds the two commands in the first 40 lines."""
    beginning = "\n".join((PROJECT_ROOT / "README.md").read_text().splitlines()[:40])

    assert "make bench" in beginning
    assert "make test" in beginning


DOCUMENTS = [
    *(PROJECT_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "results/README.md")),
    *sorted((PROJECT_ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_documents_lead_somewhere(path):
    """Every relative link, and every source file that is named, is there."""
    text, sources = path.read_text(), [f"/{relative(module)}" for module in (*MODULES, *TESTS)]
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`((?:bench|flowers_core|tests|data|input|models|train)/[\w/]+\.py)`", text)

    assert [link for link in links if not (path.parent / link).exists()] == []
    assert [name for name in named if not any(source.endswith(f"/{name}") for source in sources)] == []


def test_readme_of_results_names_every_kind():
    """results/README.md says of each folder of lines what it holds."""
    sources = "\n".join(path.read_text() for path in MODULES)
    kinds = set(re.findall(r"^    KIND = \"(\w+)\"", sources, re.MULTILINE))

    assert kinds - set(re.findall(r"`(\w+)/\*\.jsonl`", (PROJECT_ROOT / "results/README.md").read_text())) == set()
