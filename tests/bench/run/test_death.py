"""How a process died, in words."""

import pytest

from bench.run import death

START_UP = b"2026-11-27 09:30:17.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.\n"


@pytest.mark.parametrize(
    ("code", "held_bytes", "status", "reason"),
    [
        (7, 0, "crash", "exit code 7; it said: KeyError: 'image'"),
        (139, 0, "crash", "memory or crash: ended by SIGSEGV; it said: KeyError: 'image'"),
        (
            -6,
            80_000,
            "oom",
            "killed by SIGABRT holding 80.0 kB, most likely for want of memory; it said: KeyError: 'image'",
        ),
        (-9, 0, "oom", "killed by SIGKILL, most likely for want of memory"),
    ],
)
def test_reason_names_the_cause_and_not_the_start(code, held_bytes, status, reason):
    """What TensorFlow prints when it starts is no reason; who was killed said nothing of that."""
    printed = b"KeyError: 'image'\n" + START_UP

    told = death.explain(code, printed, held_bytes=held_bytes, limit_bytes=100_000)
    assert told == (status, reason)


def test_start_up_alone_is_nothing_said():
    """Rather no reason than a wrong one."""
    assert death.quote(START_UP) == "; it said nothing"
