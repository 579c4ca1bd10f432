"""`object-store` as a user meets it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from bench.input.object_store.measure import ObjectStoreResult
from bench.machine.facts import PROJECT_ROOT
from bench.results import store


def test_disk_and_store_are_read_in_turns(tmp_path, synthetic_photos, synthetic_records, command_line):
    """One round of one pipeline: two measurements, of which the second asked a store; a table; exit code 0."""
    few = ("--latency", "1ms", "--pipeline", "records_parallel", "--rounds", "1", "--seconds", "0.1")
    data = ("--photos", synthetic_photos, "--records", synthetic_records, "--results", tmp_path)
    done = command_line("bench", "object-store", *few, *data)
    disk, remote = store.load(ObjectStoreResult, tmp_path).results

    assert done.code == 0, done.err
    assert (disk.latency_seconds, remote.latency_seconds) == (None, 0.001)
    assert remote.requests["read"] / remote.files == pytest.approx(1.0, abs=0.1)
    assert remote.connections >= sum(remote.requests.values())
    assert "1 ms" in (tmp_path / "tables" / "object-store.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_prints_what_another_program_needs(synthetic_photos, synthetic_records, tmp_path, number):
    """Lines to export, then it serves until Ctrl-C, `kill` or the end of the terminal: exit code 130, nothing left."""
    data = ("--photos", str(synthetic_photos), "--records", str(synthetic_records))
    variables = {"PYTHONUNBUFFERED": "1", "TMPDIR": str(tmp_path)}
    serving = subprocess.Popen(
        [sys.executable, "-m", "bench", "object-store", "--serve", *data], cwd=PROJECT_ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **variables},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it is ignored
    )  # fmt: skip
    err = serving.stderr.readline()
    serving.send_signal(number)
    printed, _ = serving.communicate(timeout=30)

    assert serving.returncode == 130
    assert f"gs://{synthetic_photos.name}, gs://{synthetic_records.name}" in err
    assert re.search(r"export HTTPS_PROXY=http://flowers:\S{40,}@127\.0\.0\.1:", printed)
    assert list(tmp_path.glob(".flowers-bench-*")) == []
    assert "export CURL_CA_BUNDLE=" in printed
