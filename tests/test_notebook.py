"""The notebook runs from start to end, and what is committed of it can be shown on GitHub."""

import re
from pathlib import Path

import nbformat
import pytest

PROJECT_ROOT = Path(__file__).parents[1]
MOST_BYTES = 250_000
SECTIONS = range(4, 13)  # of the codelab


@pytest.fixture(scope="module")
def codelab(load_script):
    """The script that runs the notebook."""
    return load_script("codelab")


@pytest.fixture(scope="module")
def committed(codelab):
    """The notebook as it is committed."""
    return nbformat.read(codelab.NOTEBOOK, as_version=4)


def sections(notebook):
    """The cells of each numbered section."""
    found, number = {}, None
    for cell in notebook.cells:
        if heading := re.match(r"## (\d+)\. ", cell.source):
            number = int(heading[1])
        found.setdefault(number, []).append(cell)
    return found


def texts(cells):
    """All that the outputs of cells say, pictures by their type."""
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.get("text") or "".join(output.data.get("text/markdown") or output.data) for output in outputs]


# The client leaves sockets and a loop of asyncio to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_notebook_runs_from_start_to_end(codelab, tmp_path):
    """Each section of the codelab ends in a measured figure; a trace and a diagnosis are shown."""
    notebook = codelab.tidy(codelab.execute(tmp_path, shrunken=True))
    said = {number: "\n".join(texts(cells)) for number, cells in sections(notebook).items() if number}

    assert list(said) == list(SECTIONS)
    assert [number for number, text in said.items() if "images/s" not in text] == []
    assert "the diagnosis took" in said[9]
    assert "Steps as XProf sees them" in said[11]
    assert (tmp_path / "results").is_dir()


def test_notebook_installs_only_where_nothing_is_installed(committed):
    """The first cell of code installs the package in Colab, and does nothing here."""
    first = next(cell for cell in committed.cells if cell.cell_type == "code")

    assert "%pip install" in first.source
    assert 'if not find_spec("bench")' in first.source
    assert first.outputs == []


def test_committed_notebook_shows_its_figures(committed):
    """A reader on GitHub sees a figure in every section, and no log, failure or unfinished cell."""
    said = {number: "\n".join(texts(cells)) for number, cells in sections(committed).items() if number}
    kinds = {output.output_type for cell in committed.cells if cell.cell_type == "code" for output in cell.outputs}

    if not kinds:
        pytest.skip("`python docs/codelab.py` has not been run on a quiet machine since the notebook changed")
    assert [number for number, text in said.items() if "images/s" not in text] == []
    assert kinds <= {"stream", "display_data"}


def test_committed_notebook_is_small(codelab):
    """It is read on GitHub, and every clone takes it along."""
    assert codelab.NOTEBOOK.stat().st_size < MOST_BYTES
