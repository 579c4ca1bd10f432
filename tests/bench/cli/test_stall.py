"""The words on feeding, as a user starts them: interrupted, and given what is not theirs."""

import json
import signal
import subprocess
import sys
import time

from bench.machine.facts import PROJECT_ROOT


def command(*arguments):
    return [sys.executable, "-m", "bench", *map(str, arguments)]


def test_ctrl_c_keeps_what_has_ended(tmp_path, synthetic_photos, synthetic_records):
    """Interrupted in the second process, it exits with 130, without a traceback, and the first measurement is kept."""
    data = ("--photos", synthetic_photos, "--records", synthetic_records, "--results", tmp_path)
    words = command("stall", "--model", "dense_single", "--batch-size", 4, "--seconds", 0.1, *data)
    with subprocess.Popen(
        words, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        while running.poll() is None and not list(tmp_path.glob("measurements/*.jsonl")):
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]
    (stored,) = tmp_path.glob("measurements/*.jsonl")

    assert running.returncode == 130, said
    assert "what has ended is kept" in said
    assert "Traceback" not in said
    assert json.loads(stored.read_text().splitlines()[0])["status"] == "ok"


def test_a_file_that_is_no_store_is_refused(tmp_path, synthetic_records):
    """Wrong use: exit code 2, and a sentence that says what was expected; nothing is measured."""
    path = tmp_path / "other.jsonl"
    path.write_text('{"hello": 1}\n')
    words = command(
        "stall", "--model", "dense", "--records", synthetic_records, "--step-times", path, "--results", tmp_path
    )
    done = subprocess.run(words, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "training steps on a resident batch" in done.stderr
    assert not (tmp_path / "measurements").exists()


def test_nothing_to_feed_with_is_refused(tmp_path):
    """An empty folder of records is named."""
    words = command("stall", "--model", "dense", "--records", tmp_path, "--results", tmp_path / "results")
    done = subprocess.run(words, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "must hold records" in done.stderr
