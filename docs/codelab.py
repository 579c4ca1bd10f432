"""Runs docs/codelab.ipynb from start to end, and keeps in it what a reader wants to see.

`python docs/codelab.py` takes some five minutes; run it on a quiet machine, for its figures are shown on GitHub.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).with_name("codelab.ipynb")
CELL_SECONDS = 900
SHOWN = ("image/png", "text/markdown")  # what a table or a picture is kept as, of several forms


def execute(folder: Path, *, shrunken: bool) -> nbformat.NotebookNode:
    """Runs the notebook in a folder, which gets its photos, records and results.

    Args:
        folder: Where the kernel works.
        shrunken: Whether sizes are those of the tests.

    Returns:
        The notebook with its outputs.

    Raises:
        CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)

    def tell(cell_index: int, **_: object) -> None:
        print(f"cell {cell_index + 1} of {len(notebook.cells)}", file=sys.stderr)

    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=tell,
    )
    client.execute(env={**os.environ, "CODELAB_SHRUNKEN": "1" if shrunken else ""})
    return notebook


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leaves text, tables and pictures: no logs, no bars of progress, no times of execution."""
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs if (kept := _tidy_output(output))]
    notebook.metadata.language_info = nbformat.NotebookNode(name="python")
    return notebook


def _tidy_output(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    if output.output_type == "stream":
        return output if output.name == "stdout" and output.text.strip() else None
    for form in SHOWN:
        if form in output.get("data", {}):
            output.data, output.metadata = nbformat.NotebookNode({form: output.data[form]}), nbformat.NotebookNode()
            return output
    return None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as work:
        executed = execute(Path(work), shrunken=False)
    nbformat.write(tidy(executed), NOTEBOOK)
