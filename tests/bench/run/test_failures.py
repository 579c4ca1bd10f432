"""Errors of the measured code, whichever commit it is of."""

import importlib

from bench.run import failures
from flowers_core import errors


def test_a_dead_process_is_no_mistake():
    """Whoever catches what is reported catches both kinds, which are not each other's."""
    assert issubclass(failures.RunFailed, failures.ReportedError)
    assert issubclass(failures.InputError, failures.ReportedError)
    assert not issubclass(failures.RunFailed, failures.InputError)


def test_a_commit_that_knows_input_errors_alone_can_be_measured(monkeypatch):
    """There the one error stands for all."""
    with monkeypatch.context() as old:
        old.delattr(errors, "RunFailed")
        importlib.reload(failures)

        assert failures.RunFailed is failures.ReportedError is errors.InputError
    importlib.reload(failures)

    assert failures.RunFailed is errors.RunFailed
