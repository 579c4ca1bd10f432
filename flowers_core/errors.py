"""Errors that a command line shows as one sentence and never as a traceback: wrong use, and runs that failed."""

from collections.abc import Collection, Iterable


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
        raise InputError(
            f"`{name}` must be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}{near(value, allowed)}"
        )


def near(value: object, allowed: Iterable) -> str:
    """What a misspelt name was probably meant to be, as the end of a message: `; did you mean squeezenet?`.

    Empty where nothing is close.
    """
    from difflib import get_close_matches

    typed, names = str(value).lower(), {str(name).lower(): str(name) for name in allowed}
    close = get_close_matches(typed, names)
    close.sort(key=lambda name: sorted(name) != sorted(typed))  # two letters that changed places come first
    return f"; did you mean {names[close[0]]}?" if close else ""
