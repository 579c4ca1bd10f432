"""Exit codes of the command lines."""

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
def test_what_goes_wrong_is_one_line_and_an_exit_code(capsys, monkeypatch, error, code):
    """A user's mistake is 2, a run that failed is 1, and neither is a traceback."""

    @click.command()
    def fail():
        raise error

    monkeypatch.setattr("sys.argv", ["flowers"])
    with pytest.raises(SystemExit) as ended:
        entry.enter(fail)

    said = capsys.readouterr().err
    assert ended.value.code == code
    assert said.startswith("error: ")
    assert said.count("\n") == 1
