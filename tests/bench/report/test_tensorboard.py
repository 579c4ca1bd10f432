"""What TensorBoard reads, and TensorBoard itself in a real browser."""

import json
import socket
import subprocess
import time
from contextlib import suppress

import pytest

from bench.report import tensorboard
from bench.results import store
from bench.run import profiler_trace


def test_write_makes_a_run_of_each_cell(tmp_path, measured):
    """Its fields as hyperparameters, its figures as metrics; failures are no runs."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for measurement in (
        measured(),
        measured(model="convnet", batch_size=8),
        measured(model="dense", status="oom", batch_size=4),
    ):
        store.append(measurement, tmp_path)
    folder = tensorboard.write(tmp_path)
    runs = sorted(run for run in (folder / "hparams").iterdir() if run.is_dir())
    read = EventAccumulator(str(runs[0]), size_guidance={"tensors": 0}).Reload()

    assert [run.name.split("-")[0] for run in runs] == ["convnet", "dense"]
    assert set(read.Tags()["tensors"]) >= {"step_ms", "images_per_second", "first_step_seconds", "peak_mb"}


def test_write_pools_no_settings(tmp_path, measured):
    """A quota makes a run of its own, which says what sets it apart; else one would overwrite the other."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for cores in (2, 0.5):
        store.append(measured(machine={"usable_cores": cores}), tmp_path)
    folder = tensorboard.write(tmp_path) / "hparams"
    read = [EventAccumulator(str(run)).Reload() for run in folder.iterdir() if run.is_dir()]
    shown = [str(run.summary_metadata["_hparams_/session_start_info"]) for run in read]

    assert len(shown) == 2
    assert {cores for cores in ("2", "0.5") if any(f"usable_cores {cores}" in text for text in shown)} == {"2", "0.5"}


def test_write_replaces_earlier_runs(tmp_path, measured):
    """What is no longer in the store is no longer in the table; traces beside it are left alone."""
    store.append(measured(), tmp_path)
    for place in ("hparams/old", "traces/cell"):
        (tmp_path / place).mkdir(parents=True)
    tensorboard.write(tmp_path)

    assert [run.name.split("-")[0] for run in (tmp_path / "hparams").iterdir() if run.is_dir()] == ["dense"]
    assert (tmp_path / "traces" / "cell").is_dir()


@pytest.fixture
def traced(tmp_path, measured):
    """The log directory of a store with a trace and a measurement, and the name of the trace's run."""
    import tensorflow as tf

    product = tf.function(lambda: tf.reduce_sum(tf.ones((300, 300)) @ tf.ones((300, 300))))
    product()
    folder = store.trace_folder("some-cell", tmp_path)
    taken = profiler_trace.take(lambda: product().numpy(), folder, backend="tensorflow", step_seconds=0.25)
    assert taken["problem"] == ""
    store.append(measured(), tmp_path)
    (session,) = (folder / "plugins" / "profile").iterdir()
    return tensorboard.write(tmp_path), f"traces/some-cell/{folder.name}/{session.name}"


@pytest.fixture
def served(traced):
    """TensorBoard over it, as `bench tensorboard` starts it: its address."""
    with socket.socket() as free:
        free.bind((tensorboard.HOST, 0))
        port = free.getsockname()[1]
    command = tensorboard.command(traced[0], port=port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"http://{tensorboard.HOST}:{port}"
        process.terminate()


@pytest.fixture
def shown(browser, served, traced):
    """A page of a real browser, when TensorBoard has found the run."""
    from playwright import sync_api

    page = browser.new_page()
    for _ in range(1500):
        with suppress(sync_api.Error):  # it has not started to listen yet
            if traced[1] in page.request.get(f"{served}/data/plugin/profile/runs").text():
                break
        time.sleep(0.2)
    else:
        pytest.fail(f"TensorBoard did not find {traced[1]}")
    yield page
    page.close()


def test_tensorboard_shows_trace_and_table(shown, served, traced):
    """The Profile tab names the run, the trace viewer has our steps, and the HParams tab has the fields of a cell."""
    run = traced[1]
    tools = shown.request.get(f"{served}/data/plugin/profile/run_tools?run={run}").text()
    events = shown.request.get(f"{served}/data/plugin/profile/data?run={run}&tag=trace_viewer&format=json").text()
    shown.goto(f"{served}/#profile")
    shown.frame_locator("iframe").get_by_text("traces/some-cell", exact=False).first.wait_for(timeout=300_000)
    shown.goto(f"{served}/#hparams")
    shown.get_by_text("batch_size").first.wait_for(timeout=300_000)

    assert {"overview_page", "trace_viewer", "framework_op_stats"} <= {tool.rstrip("@") for tool in json.loads(tools)}
    assert "train" in events


def test_tensorboard_listens_here_alone(tmp_path):
    """It shows files: to this machine only."""
    assert "--host 127.0.0.1 --port 6006" in " ".join(tensorboard.command(tmp_path, port=6006))
