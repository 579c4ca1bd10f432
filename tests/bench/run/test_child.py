"""A process that answers line by line."""

import pytest

from bench.run import child
from flowers_core.errors import RunFailed


def run(tmp_path, monkeypatch, body, timeout=60.0):
    (tmp_path / "worker_of_a_test.py").write_text(f"from bench.run import child\njob, answer = child.work()\n{body}\n")
    environment = child.process.environment

    def with_test(cell):
        chosen = environment(cell)
        return {**chosen, "PYTHONPATH": f"{chosen['PYTHONPATH']}:{tmp_path}"}

    monkeypatch.setattr(child.process, "environment", with_test)
    return child.answers("worker_of_a_test", {"number": 7}, timeout=timeout)


def test_answers_come_as_they_are_made(tmp_path, monkeypatch):
    """Nothing that is printed gets in between."""
    body = "print('noise')\nfor i in range(2): answer({'got': job['number'] + i})"

    assert list(run(tmp_path, monkeypatch, body)) == [{"got": 7}, {"got": 8}]


def test_a_death_keeps_what_was_answered(tmp_path, monkeypatch):
    """The first answer arrives; then the user hears how the process died."""
    found = run(tmp_path, monkeypatch, "answer({'got': 1})\nraise SystemExit('out of luck')")

    assert next(found) == {"got": 1}
    with pytest.raises(RunFailed, match="out of luck"):
        next(found)


def test_it_is_ended_in_time(tmp_path, monkeypatch):
    """A process that hangs is ended, and that is said."""
    with pytest.raises(RunFailed, match="ended after"):
        list(run(tmp_path, monkeypatch, "import time\ntime.sleep(60)", timeout=3.0))
