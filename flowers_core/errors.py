"""Errors that a command line shows as one sentence and never as a traceback: the user's mistakes, failed runs."""


class ReportedError(ValueError):
    """An error whose message says all that there is to know; what is raised is one of the two below."""


class InputError(ReportedError):
    """What was given cannot be used; the message says what was expected, what was received, what to do."""


class RunFailed(ReportedError):
    """What was asked for was right, but the run failed: a process died, a worker was lost, an installation failed."""


def one_of(name: str, value: object, allowed) -> None:
    """Checks a choice.

    Raises:
        InputError: If `value` is not among `allowed`; the message lists them.
    """
    if value not in allowed:
        raise InputError(f"`{name}` must be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}")
