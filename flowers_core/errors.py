"""Mistakes of the user, which a command line shows as one sentence and never as a traceback."""


class InputError(ValueError):
    """What was given cannot be used; the message says what was expected, what was received, what to do."""


def one_of(name: str, value: object, allowed) -> None:
    """Checks a choice.

    Raises:
        InputError: If `value` is not among `allowed`; the message lists them.
    """
    if value not in allowed:
        raise InputError(f"`{name}` must be one of {', '.join(map(str, allowed))}. Received: {name}={value!r}")
