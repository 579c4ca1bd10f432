"""Tests of `flowers_core.cli.entry`."""

import importlib
import sys

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


def test_quiet_import_holds_back_what_a_package_prints(tmp_path, monkeypatch, capfd):
    """Whoever imports it; what it prints later, and other packages, are not held back."""
    for name in ("noisy_package", "other_package"):
        (tmp_path / f"{name}.py").write_text("import os; os.write(2, f'{__name__} says\\n'.encode())")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.meta_path", [entry.QuietImport("noisy_package"), *sys.meta_path])
    modules = [importlib.import_module(name) for name in ("noisy_package", "other_package")]

    assert capfd.readouterr().err == "other_package says\n"
    assert [module.__name__ for module in modules] == ["noisy_package", "other_package"]


def test_quiet_import_prints_what_failed(tmp_path, monkeypatch, capfd):
    """What was said before a package could not be imported may be the reason."""
    code = "import os; os.write(2, b'no such library\\n'); import nothing_of_this_name"
    (tmp_path / "broken_package.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.meta_path", [entry.QuietImport("broken_package"), *sys.meta_path])
    with pytest.raises(ImportError):
        importlib.import_module("broken_package")

    assert "no such library" in capfd.readouterr().err


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
    ],
)
def test_again_is_the_command_that_goes_on(words, command):
    """With what it needs to go on where it was interrupted, and words as a shell reads them."""
    assert entry.again(words).endswith(command)
