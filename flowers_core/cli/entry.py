"""The front door of both command lines: what went wrong is one sentence and an exit code, never a traceback."""

import os
import sys
import tempfile
from importlib import import_module

import click

from flowers_core import backends
from flowers_core.data import storage
from flowers_core.errors import InputError, RunFailed

WRONG_USE, FAILED, INTERRUPTED = 2, 1, 130

INSTALL = "Install what is missing: `make bench EXTRAS=[jax]`, `[gpu]` or `[tpu]`"


def enter(command: click.Command) -> None:
    """Runs a command line and exits: 0 done, 1 it failed (disk, network, a lost process), 2 wrong use, 130 Ctrl-C."""
    try:
        code = command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        code = WRONG_USE
    except RunFailed as error:
        click.echo(f"error: {error}", err=True)
        code = FAILED
    except OSError as error:
        click.echo(f"error: {error.filename or ''} {error.strerror or error}".replace("  ", " "), err=True)
        code = FAILED
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the same command goes on, or begins again", err=True)
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def load(framework: str) -> None:
    """Imports a framework without its chatter, which TensorFlow 2.21 prints below Python at any log level.

    Raises:
        InputError: If it is not installed, or KERAS_BACKEND names none; what it said is printed then.
    """
    backends.name_from_environment()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # "no CUDA here" is an error to TensorFlow, not to a user
    storage.configure_client(os.environ)
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import_module(framework)
        except ImportError as error:
            said.seek(0)
            os.write(stderr, said.read())
            raise InputError(f"{error}. {INSTALL}") from error
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
