"""Errors that a command line shows as one sentence and never as a traceback: wrong use, and runs that failed."""

from collections.abc import Collection


class ReportedError(ValueError):
    """An error whose message says everything; raise one of its two subclasses."""


class InputError(ReportedError):
    """Wrong use: the message says what was expected, what was received, and what to do."""


class RunFailed(ReportedError):
    """The use was right, but the run failed: a process died, a worker was lost, an installation failed."""


def one_of(name: str, value: object, allowed: Collection) -> None:
    """Checks a choice.

    Raises:
        InputError: If `value` is not among `allowed`; the message lists them.
    """
    if value not in allowed:
        raise InputError(f"`{name}` must be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}")
