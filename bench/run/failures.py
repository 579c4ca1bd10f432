"""Errors that a command line shows as one sentence, as the measured code knows them.

asv runs the laboratory beside commits of `flowers_core` that know the `InputError` alone; there it stands for all.
"""

from flowers_core.errors import InputError

try:
    from flowers_core.errors import ReportedError, RunFailed
except ImportError:
    ReportedError = RunFailed = InputError

__all__ = ["InputError", "ReportedError", "RunFailed"]
