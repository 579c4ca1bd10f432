"""Two workers train one model; one is killed, and the same command goes on to the losses of an unbroken run."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from flowers_core.data.shards import Shards
from flowers_core.errors import InputError
from flowers_core.train import over_hosts
from flowers_core.train.meeting import Place

BACKEND = "jax"  # the one that starts soonest
EPOCH = re.compile(r"^epoch (\d+): loss ([\d.]+), accuracy ([\d.]+); validation: loss ([\d.]+)")
UNBROKEN = 4  # epochs before a worker is killed


@pytest.fixture
def workers(small_records, tmp_path, monkeypatch):
    """Starts the command of a training as two workers, until the test ends: `workers(4)` of so many epochs."""
    for name in ("KERAS_BACKEND", "TF_CONFIG", "XLA_FLAGS"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:

        def start(epochs):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            words = [sys.executable, "-m", "flowers_core", "train", "dense_single", "--backend", BACKEND, "--resume"]
            words += ["--records", small_records, "--output", str(tmp_path / "run"), "--device", "cpu", "--json"]
            words += ["--batch-size", "4", "--epochs", str(epochs), "--seed", "1", "--precision", "float32"]
            words += ["--coordinator", f"127.0.0.1:{port}", "--workers", "2", "--no-keep-memory"]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            started = [subprocess.Popen([*words, "--rank", str(rank)], **pipes) for rank in (0, 1)]
            for process in started:
                stack.enter_context(process)
                stack.callback(process.kill)
            return started

        yield start


def test_training_that_lost_a_worker_goes_on(workers):
    """The lost one is named and the others end; started again, epochs that are trained anew end where they did."""
    first, second = workers(epochs=5000)
    printed = {}
    for line in first.stderr:
        if found := EPOCH.match(line):
            printed[int(found[1])] = [float(value) for value in found.groups()[1:]]
        if len(printed) == UNBROKEN:
            break
    second.send_signal(signal.SIGKILL)
    said = first.stderr.read()
    assert len(printed) == UNBROKEN, said
    assert re.search(r"error: worker 1 of 2 \(.*\) was lost: its connection ended; the same command", said)
    assert first.wait(60) == 1

    first, second = workers(epochs=UNBROKEN)
    out, err = first.communicate(timeout=120)
    assert (first.returncode, second.wait(60)) == (0, 0), err + second.stderr.read()
    rows = {row["epoch"]: row for row in json.loads(out)["history"]}
    for epoch, (loss, accuracy, validation) in printed.items():
        row = rows[epoch]
        assert row["loss"] == pytest.approx(loss, rel=1e-3, abs=1e-3)
        assert row["accuracy"] == pytest.approx(accuracy, abs=1e-3)
        assert row["val_loss"] == pytest.approx(validation, rel=1e-3, abs=1e-3)


def test_shards_are_parted_among_workers():
    """Each is read by one; a worker without any is a sentence."""
    shards = Shards(["c", "a", "b"])
    places = [Place(coordinator=("a", 1), rank=rank, workers=2) for rank in (0, 1)]

    assert [tuple(over_hosts.own_shards(shards, place)) for place in places] == [("a", "c"), ("b",)]
    with pytest.raises(InputError, match=r"for each of 4 workers. Received: 3. Write them with more `--shards`"):
        over_hosts.own_shards(shards, Place(coordinator=("a", 1), rank=0, workers=4))
