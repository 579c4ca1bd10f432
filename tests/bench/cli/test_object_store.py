"""The word store, as a user meets it."""

import os
import signal
import subprocess
import sys

import pytest

from bench.input.object_store.measure import Reading
from bench.machine.facts import PROJECT_ROOT
from bench.results import store as ledger


@pytest.fixture
def command(synthetic_photos, synthetic_records, tmp_path):
    """The word with small data and a store of its own."""
    data = ["--photos", str(synthetic_photos), "--records", str(synthetic_records), "--results", str(tmp_path)]
    return [sys.executable, "-m", "bench", "object-store", *data]


def test_disk_and_store_are_read_in_turns(command, tmp_path):
    """One round of one pipeline: two readings, of which the second asked a store; a table; exit 0."""
    few = ["--latency", "1ms", "--pipeline", "records_parallel", "--rounds", "1", "--seconds", "0.1"]
    done = subprocess.run([*command, *few], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    disk, far = ledger.load(Reading, tmp_path).results

    assert done.returncode == 0, done.stderr
    assert (disk.latency_seconds, far.latency_seconds) == (None, 0.001)
    assert far.requests["read"] / far.files == pytest.approx(1.0, abs=0.1)
    assert far.connections >= sum(far.requests.values())
    assert "1 ms" in (tmp_path / "tables" / "object-store.md").read_text()


def test_serving_prints_what_another_program_needs(command):
    """Lines to export, then it serves until Ctrl-C: exit 130."""
    serving = subprocess.Popen(
        [*command, "--serve"], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said = serving.stderr.readline()
    serving.send_signal(signal.SIGINT)
    printed, _ = serving.communicate(timeout=30)

    assert serving.returncode == 130
    assert "gs://photos, gs://records" in said
    assert "export HTTPS_PROXY=http://127.0.0.1:" in printed
    assert "export CURL_CA_BUNDLE=" in printed
