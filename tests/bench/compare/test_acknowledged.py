"""What a project accepts: the file as it is read, what it covers, and a sentence for each way of writing it wrongly."""

from datetime import UTC, datetime, timedelta

import pytest

from bench.compare import acknowledged
from bench.compare.acknowledged import Acknowledged, Slowdown
from bench.results.cell import NO_MODEL, Cell
from flowers_core.errors import InputError

SQUEEZENET = Cell(model="squeezenet", batch_size=8)
RECORDS = Cell(model=NO_MODEL, pipeline="records_parallel")
WHOLE = """
[[slowdown]]
reason = "labels are checked"
cells = ["squeezenet-train-*", "records_*"]
at_most = "10 %"
commit = "0123456789"

[[budget]]
cells = ["records_parallel-192-b32"]
first_batch = "200 ms"
memory = "1.5 GB"
"""


@pytest.fixture
def file(tmp_path):
    """Writes the file and gives its path."""

    def write(text):
        path = tmp_path / "acknowledged.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def _commits(monkeypatch):
    """What the candidate has and the base has not; of any other range the last of them."""
    added = ["0123456789abcdef", "fedcba98765"]
    monkeypatch.setattr(acknowledged, "between", lambda span: added if span == "main..head" else added[-1:])


def test_load_reads_slowdowns_and_budgets(file):
    """Shares and quantities become numbers of seconds and bytes."""
    read = acknowledged.load(file(WHOLE))
    (slowdown,) = read.slowdowns

    assert slowdown.at_most == pytest.approx(1.10)
    assert [(budget.what, budget.limit) for budget in read.budgets] == [("first_batch", 0.2), ("memory", 1.5e9)]


def test_load_acknowledges_nothing_without_a_file(tmp_path):
    """A project that accepts nothing needs no file."""
    assert acknowledged.load(tmp_path / "acknowledged.toml") == acknowledged.NOTHING


def test_load_reads_the_file_of_the_project():
    """The committed file is one that can be read."""
    assert isinstance(acknowledged.load(), Acknowledged)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[[slowdown]]", "[[slowdown"), "must be TOML"),
        (('reason = "labels are checked"', ""), "missing required field `reason`"),
        (('reason = "labels are checked"', 'reason = ""'), "length >= 1"),
        (("squeezenet-train-*", "squeeznet-train-*"), "did you mean squeezenet?"),
        (("records_parallel-192-b32", "nothing-*"), "must begin with a model or pipeline"),
        (('cells = ["squeezenet-train-*", "records_*"]', "cells = []"), "length >= 1"),
        (("10 %", "10"), "`at_most` must be a number above 0 with a unit"),
        (("200 ms", "200 MB"), "`first_batch` must be a number above 0 with a unit"),
        (("1.5 GB", "1.5"), "`memory` must be a number above 0 with a unit"),
        (("1.5 GB", "0 GB"), "above 0"),
        (("0123456789", "main"), "`commit` must be 7 to 40 digits"),
        (('commit = "0123456789"', ""), "needs `commit`, or `until`"),
        (("at_most", "at_moost"), "at_moost"),
        (('first_batch = "200 ms"\nmemory = "1.5 GB"', ""), "a budget needs"),
    ],
)
def test_load_refuses_bad_entries_in_a_sentence(file, change, said):
    """Each names the file, what was expected and what was received."""
    before, after = change
    assert before in WHOLE
    with pytest.raises(InputError, match=r"^acknowledged\.toml") as refused:
        acknowledged.load(file(WHOLE.replace(before, after)))

    assert said in str(refused.value)


def test_load_refuses_a_folder(tmp_path):
    """What cannot be read is said before anything is measured."""
    with pytest.raises(InputError, match="must be a readable file"):
        acknowledged.load(tmp_path)


@pytest.mark.usefixtures("_commits")
def test_why_wants_cell_ratio_and_commit(file):
    """A slowdown is accepted in its cells, up to its ratio, of its commit."""
    accepted = acknowledged.load(file(WHOLE))

    assert accepted.why(SQUEEZENET.id, 1.08, "main", "head") == "labels are checked"
    assert accepted.why(SQUEEZENET.id, 1.11, "main", "head") == ""
    assert accepted.why("dense-train-resident", 1.08, "main", "head") == ""
    assert accepted.why(SQUEEZENET.id, 1.08, "other", "head") == ""
    assert accepted.why(SQUEEZENET.id, 1.08, "", "") == ""


@pytest.mark.usefixtures("_commits")
def test_why_takes_a_range_of_which_a_commit_is_new(file):
    """A range covers a comparison that holds one of its commits."""
    accepted = acknowledged.load(file(WHOLE.replace("0123456789", "aaaaaaa..fedcba9")))

    assert accepted.why(SQUEEZENET.id, 1.08, "main", "head") == "labels are checked"


def test_covers_until_its_last_day():
    """It holds on its last day and not the day after."""
    today = datetime.now(UTC).date()
    slowdown = Slowdown(reason="why", cells=("squeezenet-*",), at_most=1.1, until=today)
    ended = Slowdown(reason="why", cells=("squeezenet-*",), at_most=1.1, until=today - timedelta(days=1))

    assert slowdown.covers(SQUEEZENET.id, 1.0, tuple)
    assert not ended.covers(SQUEEZENET.id, 1.0, tuple)


def test_budget_is_for_cells_of_its_kind(file):
    """First batches are of pipelines alone, first steps of models; memory is of both."""
    text = '[[budget]]\ncells = ["*"]\nfirst_batch = "1 s"\nfirst_step = "9 s"\nmemory = "1 GB"\n'
    budgets = acknowledged.load(file(text)).budgets

    assert [budget.what for budget in budgets if budget.is_for(RECORDS)] == ["first_batch", "memory"]
    assert [budget.what for budget in budgets if budget.is_for(SQUEEZENET)] == ["first_step", "memory"]
