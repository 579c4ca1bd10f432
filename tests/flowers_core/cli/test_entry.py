"""Tests of `flowers_core.cli.entry`."""

import click
import pytest

from flowers_core import errors
from flowers_core.cli import entry


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("`size` must be 1 or more. Received: 0"), entry.WRONG_USE),
        (errors.RunFailed("the process that was to measure ended by signal 9"), entry.FAILED),
        (OSError(28, "No space left on device"), entry.FAILED),
    ],
)
def test_enter_turns_errors_into_a_line_and_exit_code(capsys, monkeypatch, error, code):
    """A user's mistake is 2, a run that failed is 1, and neither is a traceback."""

    @click.command()
    def fail():
        raise error

    monkeypatch.setattr("sys.argv", ["flowers"])
    with pytest.raises(SystemExit) as ended:
        entry.enter(fail)

    printed = capsys.readouterr().err
    assert ended.value.code == code
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
