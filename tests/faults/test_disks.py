"""Sweeps, records and trainings whose disk fails, or whose process or power is cut, at each of their calls in turn."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import power_cut, scenarios

ROOT = Path(__file__).parents[2]
KILLS = dict.fromkeys(scenarios.CALLS, "signal=SIGKILL")
REFUSALS = {"write": "error=ENOSPC", "fsync": "error=EIO", "rename": "error=EIO"}


@pytest.fixture(scope="module")
def strace():
    """Runs a scenario under strace: `strace(options, "sweep", folder, "spoil", 9)`; gives what it met, if anything."""
    program = shutil.which("strace")
    if not program:
        pytest.skip("no strace here, and `make test` could not install it")
    if subprocess.run([program, "-f", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here: ptrace is forbidden")

    def run(options, *words):
        prefix = [program, "-f", "-qq", *options] if options else []
        command = [*prefix, sys.executable, "-m", "tests.faults.scenarios", *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
        assert not done.returncode, done.stderr[-3000:]
        met = words[1] / "met.json"
        return json.loads(met.read_text()) if met.exists() else None

    return run


@pytest.mark.parametrize("faults", [KILLS, REFUSALS], ids=["killed", "refused"])
@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_no_call_that_fails_loses_what_was_promised(strace, tmp_path, name, faults):
    """A kill, a full disk or a failing disk at any write, fsync or rename keeps every promise, half-writes nothing.

    What has stopped can be resumed, and an error names the path.
    """
    injected = [f"--inject={call}:{fault}:when={scenarios.FAR}" for call, fault in faults.items()]
    met = strace(
        ["-o", "/dev/null", f"--trace={','.join(faults)}", *injected], name, tmp_path, "spoil", scenarios.FAR - 1
    )

    assert [(call, entry) for call, entries in met.items() for entry in entries if entry[3]] == []
    for entries in met.values():  # each call was spoilt, and then there was none left
        assert len(entries) > 2
        assert all(code for _, code, *_ in entries[:-1])
        assert entries[-1][1] == 0


@pytest.fixture
def replayed(strace, tmp_path):
    """Records a scenario, and gives how many states a power cut may leave and what is wrong in the first bad one."""

    def run(name, without=""):
        log, disk, states = (tmp_path / part for part in ("log", "disk", "states"))
        for folder in (disk, states):
            folder.mkdir()
        options = ["-xx", "-s", "1000000", "-o", str(log), f"--trace={power_cut.TRACED}"]
        strace(options, name, disk, "record", without)
        return strace([], name, states, "replay", log, disk)

    return run


@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_a_power_cut_loses_nothing_that_was_promised(replayed, name):
    """Whatever of the unsynced is lost at any moment, promises are kept, files are whole, and the rest can be done."""
    states, fault = replayed(name)

    assert not fault
    assert states > 10


@pytest.mark.parametrize(("name", "without"), [("sweep", "fsync"), ("sweep", "folders"), ("records", "folders")])
def test_a_power_cut_would_show_what_is_not_synced(replayed, name, without):
    """The same program that syncs nothing, or no folder, does lose what it promised: the test can fail."""
    _, fault = replayed(name, without)

    assert "promises" in fault
