"""Writes docs/commands.md, the `--help` of every command of both command lines: `make docs`."""

from collections.abc import Iterator
from pathlib import Path

import click

from bench.cli import main as bench_cli
from flowers_core.cli import main as core_cli

PAGE = Path(__file__).with_suffix(".md")
WIDTH = 100
HEAD = """# Commands

Generated from `--help` by `make docs`; do not edit. Once the wheel is installed, `flowers-bench` is
`python -m bench`, and `flowers` is `python -m flowers_core`.
"""


def text() -> str:
    """The page."""
    harness = _sections(bench_cli.cli, "python -m bench")
    package = _sections(core_cli.cli, "python -m flowers_core")
    return "\n".join([HEAD, *harness, *package])


def _sections(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """A section for a command and, below it, one for each of its own commands."""
    settings = command.context_settings
    context = click.Context(command, parent=parent, info_name=name, terminal_width=WIDTH, **settings)
    level = "##" if parent is None else "###"
    yield f"{level} {context.command_path}\n\n```\n{context.get_help()}\n```\n"
    if isinstance(command, click.Group):
        for child, grandchild in sorted(command.commands.items()):
            yield from _sections(grandchild, child, context)


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
