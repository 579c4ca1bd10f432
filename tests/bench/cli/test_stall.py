"""`stall` as a user starts it: interrupted, and given files of something else."""

import json
import signal
import time


def test_ctrl_c_keeps_what_has_ended(tmp_path, synthetic_photos, synthetic_records, started):
    """Interrupted in the second process, it exits with 130, without a traceback, and the first measurement is kept."""
    data = ("--photos", synthetic_photos, "--records", synthetic_records, "--results", tmp_path)
    running = started("stall", "--model", "dense_single", "--batch-size", 4, *data)
    while running.poll() is None and not list(tmp_path.glob("measurements/*.jsonl")):
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    err = running.communicate(timeout=60)[1]
    (stored,) = tmp_path.glob("measurements/*.jsonl")

    assert running.returncode == 130, err
    assert "what has ended is kept" in err
    assert "Traceback" not in err
    assert json.loads(stored.read_text().splitlines()[0])["status"] == "ok"


def test_step_times_of_another_file_are_refused(tmp_path, synthetic_records, command_line):
    """Exit code 2, and a sentence that says what was expected; nothing is measured."""
    path = tmp_path / "other.jsonl"
    path.write_text('{"hello": 1}\n')
    options = ("--model", "dense", "--records", synthetic_records, "--step-times", path, "--results", tmp_path)
    done = command_line("bench", "stall", *options)

    assert done.code == 2
    assert "training steps on a resident batch" in done.err
    assert not (tmp_path / "measurements").exists()
