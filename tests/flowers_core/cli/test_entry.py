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


@pytest.mark.parametrize(
    "error",
    [
        errors.InputError("Received: 'roses\x1b[2J\u202e'"),
        OSError(28, "No space left on device", "roses\x1b[2J\u202e"),
        click.UsageError("No such option: --roses\x1b[2J\u202e"),
        click.BadParameter("roses\x1b[2J\u202e", param_hint="--photos"),
    ],
)
def test_enter_prints_names_that_command_no_terminal(capsys, monkeypatch, error):
    """An escape sequence in the name of a file, or in a mistyped option, is spelt out or left out."""

    @click.command()
    def fail():
        raise error

    monkeypatch.setattr("sys.argv", ["flowers"])
    with pytest.raises(SystemExit):
        entry.enter(fail)

    printed = capsys.readouterr().err
    assert "roses" in printed
    assert r"\u202e" in printed
    assert "\x1b" not in printed


def test_print_table_shows_cells_whole_and_as_they_are(capsys, monkeypatch):
    """Markup and escape codes in names are shown, not obeyed, and no figure of 40 columns is cut off."""
    monkeypatch.setenv("COLUMNS", "80")
    titles = ["class", *(f"as {number}" for number in range(40))]
    entry.print_table(titles, [["roses [garden]\x1b[2J", *(str(1000 + number) for number in range(40))]], title="a [b]")
    title, heads, _, row = (line for line in capsys.readouterr().out.splitlines() if line.strip())

    assert title.strip() == "a [b]"
    assert heads.split()[-2:] == ["as", "39"]
    assert row.split() == ["roses", r"[garden]\x1b[2J", *(str(1000 + number) for number in range(40))]
