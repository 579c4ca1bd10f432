"""How a process died, in words: its status, and the reason with what it said last."""

import signal

from bench.machine.own import last_words
from bench.results import format
from bench.run.product import RunFailed

# The kernel's out-of-memory killer sends SIGKILL. TensorFlow dies by SIGSEGV or SIGABRT when an allocation fails,
# without a word; near the limit that is what it was.
NEAR_LIMIT = 0.7


class Died(RunFailed):
    """A process ended without what was asked of it, or was ended at a limit.

    Attributes:
        status: One of `measurement.STATUSES`: `timeout`, `oom` or `crash`.
        reason: Why; the error's message begins with the name of the process.
    """

    def __init__(self, name: str, status: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.status, self.reason = status, reason


def explain(code: int, printed: bytes, *, held_bytes: int, limit_bytes: int) -> tuple[str, str]:
    """Status and reason of a process that ended with an exit code other than 0.

    Args:
        code: The exit code; that of a signal is negative, or beyond 128 as shells report it.
        printed: What it wrote to standard error.
        held_bytes: The most memory that it was seen to hold; 0 where nobody looked.
        limit_bytes: Of its memory.
    """
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if not number:
        return "crash", f"exit code {code}{quote(printed)}"
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL or held_bytes > NEAR_LIMIT * limit_bytes:
        held = f" holding {format.size(held_bytes)}" if held_bytes else ""
        # Who is killed has no last words: what it said before is of something else.
        said = "" if number == signal.SIGKILL else quote(printed)
        return "oom", f"killed by {name}{held}, most likely for want of memory{said}"
    return "crash", f"memory or crash: ended by {name}{quote(printed)}"


def quote(printed: bytes) -> str:
    """What a process said last, as the end of a reason."""
    said = last_words.last_words(printed)
    return f"; it said: {said}" if said else "; it said nothing"
