"""Cells that benchmarks of one asv run share: who measures, who reads, round after round."""

import os

import psutil
import pytest

from bench.results.cell import Cell
from bench.run import shared_cells
from bench.run.shared_cells import SharedCells

CELL = Cell(model="dense", batch_size=8)


@pytest.fixture
def process(measured):
    """Stands for processes that measure: each gives a step time of its own; `process.count` of them have run."""

    class Process:
        count = 0

        def __call__(self):
            self.count += 1
            return measured(model="dense", batch_size=8, seconds=(float(self.count),))

    return Process()


def test_get_measures_a_cell_once_a_round(tmp_path, process):
    """Three benchmarks and two rounds are two processes, whichever benchmark comes first."""
    cells = SharedCells(tmp_path)
    first = [cells.get(CELL, asker, process).step_seconds for asker in ("time", "memory", "compile")]
    second = [cells.get(CELL, asker, process).step_seconds for asker in ("compile", "time", "memory")]

    assert (first, second, process.count) == ([(1.0,)] * 3, [(2.0,)] * 3, 2)


def test_get_keeps_cells_and_commits_apart(tmp_path, process, monkeypatch):
    """Another batch size, or the same cell of another commit in the same environment, is another measurement."""
    cells = SharedCells(tmp_path)
    cells.get(CELL, "time", process)
    cells.get(Cell(model="dense", batch_size=32), "time", process)
    monkeypatch.setenv("ASV_COMMIT", "f" * 40)
    cells.get(CELL, "memory", process)

    assert process.count == 3


def test_get_measures_for_itself_without_asv(process):
    """Nothing is shared where asv did not start the process."""
    cells = shared_cells.of(None)
    cells.get(CELL, "time", process)
    cells.get(CELL, "memory", process)

    assert process.count == 2


def test_a_cell_that_killed_its_process_kills_no_other(tmp_path):
    """The other benchmarks of the round are told, and the next round tries again."""
    cells = SharedCells(tmp_path)

    def die():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cells.get(CELL, "time", die)
    told = cells.get(CELL, "memory", die)

    assert (told.status, told.reason) == (
        "crash",
        "the process that measured this cell for another benchmark of the same round died",
    )
    with pytest.raises(KeyboardInterrupt):
        cells.get(CELL, "time", die)


def test_of_removes_what_ended_runs_have_left(tmp_path, monkeypatch):
    """The folder of a living process stays; that of another with its id does not."""
    monkeypatch.setattr(shared_cells.tempfile, "gettempdir", lambda: str(tmp_path))
    for name in (f"{os.getpid()}-1", "4194303-1", "odd"):
        (tmp_path / f"{shared_cells.PREFIX}{name}").mkdir()
    ours = shared_cells.of(psutil.Process())
    again = shared_cells.of(psutil.Process())

    assert ours == again
    assert list(tmp_path.iterdir()) == [ours.folder]
    assert ours.folder.stat().st_mode & 0o077 == 0


def test_of_shares_nothing_by_another_users_link(tmp_path, monkeypatch):
    """Where a link stands in place of the folder each process measures for itself: files would go where it leads."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "shared"))
    asv = psutil.Process()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shared").mkdir()
    folder = tmp_path / "shared" / f"{shared_cells.PREFIX}{asv.pid}-{asv.create_time():.0f}"
    folder.symlink_to(tmp_path / "elsewhere")

    assert shared_cells.of(asv).folder is None
