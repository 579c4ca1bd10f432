"""Tests of `flowers_core.cli.entry`."""

import json

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


@pytest.mark.parametrize("words", [["--of", "b,a"], ["--of", "b", "--of", "a"], ["--of", "b, a", "--of", "b"]], ids=str)
def test_listed_takes_commas_and_repetition(words):
    """Both at once, too; each value counts once, in its order."""
    given = []

    @click.command()
    @entry.list_option("--of", "kinds", kind=entry.Choice(["a", "b"]))
    def command(kinds):
        given.append(kinds)

    command.main(words, standalone_mode=False)
    command.main([], standalone_mode=False)

    assert given == [("b", "a"), ()]


def test_listed_answers_a_misspelt_name():
    """Each of the names is checked."""
    command = entry.list_option("--of", kind=entry.Choice(["photos", "records"]))(click.command()(lambda of: of))

    with pytest.raises(click.BadParameter, match="did you mean records"):
        command.main(["--of", "photos,recrods"], standalone_mode=False)


def test_json_line_is_json_for_every_program():
    """Python's own NaN and Infinity are none; what is finite stays as it was."""
    values = {"loss": float("nan"), "rows": [1.5, (float("inf"), "x")], "none": None}

    assert json.loads(entry.json_line(values), parse_constant=pytest.fail) == {
        "loss": None, "rows": [1.5, [None, "x"]], "none": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (
            ["x/bench/__main__.py", "sweep", "--budget", "9m", "--results", "here"],
            "-m bench sweep --resume --results here",
        ),
        (["x/bench/__main__.py", "stall", "--model", "my net"], "-m bench stall --model 'my net'"),
        (["x/flowers_core/__main__.py", "train", "dense"], "-m flowers_core train dense --resume"),
        (["/usr/bin/flowers", "train", "dense", "--resume"], "flowers train dense --resume"),
        (["x/bench/__main__.py", "scaling", "--replicas", "1,2"], "-m bench scaling --replicas 1,2 --resume"),
    ],
)
def test_again_is_the_command_that_goes_on(words, command):
    """With what it needs to go on where it was interrupted, and words as a shell reads them."""
    assert entry.again(words).endswith(command)


def test_how_to_go_on_says_whether_it_begins_again():
    """Where nothing is kept, and of commands that cannot go on, it is the command as it was typed."""
    assert entry.how_to_go_on(["bench", "scaling"]) == "this goes on: bench scaling --resume"
    assert entry.how_to_go_on(["bench", "scaling"], kept=False) == "this begins again: bench scaling"
    assert entry.how_to_go_on(["bench", "noise"]) == "this begins again: bench noise"
