"""TensorBoard over a store: the sweep as a table of its HParams tab, beside traces and curves of trainings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.results import store, summary
from bench.results.measurement import Measurement
from bench.results.summary import Summary

HOST = "127.0.0.1"  # TensorBoard shows files: to this machine alone
FIELDS = ("model", "batch_size", "precision", "device", "pipeline", "mode", "image_size", "backend", "xla")
METRICS = {
    "step_ms": "ms a step",
    "images_per_second": "images/s",
    "input_percent": "% of a step waiting for input",
    "first_step_seconds": "first step, s",
    "peak_mb": "MB",
}


def write(results: Path) -> Path:
    """Writes a run for each cell, anew, to `results/hparams`; traces and trainings lie beside it.

    Returns:
        The log directory of all three, which is the store itself: XProf follows no links.
    """
    room = Path(results) / "hparams"
    shutil.rmtree(room, ignore_errors=True)
    _columns(room)
    for one in summary.by_cell(store.load(Measurement, results).results):
        if one.status == "ok":
            _run(one, room)
    return Path(results)


def _columns(room: Path) -> None:
    """What the table shows, in this order."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    with tf.summary.create_file_writer(str(room)).as_default():
        api.hparams_config(
            hparams=[api.HParam(field) for field in (*FIELDS, "host")],
            metrics=[api.Metric(tag, display_name=name) for tag, name in METRICS.items()],
        )


def _run(one: Summary, room: Path) -> None:
    """One cell on one machine, of one code, as one run."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    made = one.measurement
    name = "-".join(filter(None, (one.cell.id, made.machine.get("id"), made.code.get("digest"))))
    values = {field: getattr(one.cell, field) for field in FIELDS} | {"host": made.machine.get("host") or "unknown"}
    figures = {
        "step_ms": 1000 * one.batch_seconds,
        "images_per_second": one.images_per_second,
        "first_step_seconds": one.first_step_seconds,
        "peak_mb": (one.peak_bytes or 0) / 1e6,
    }
    share = made.trace.get("input_share")  # known where a trace was taken
    figures |= {} if share is None else {"input_percent": 100 * share}
    with tf.summary.create_file_writer(str(room / name)).as_default():
        api.hparams(values, trial_id=name)
        for metric, value in figures.items():
            tf.summary.scalar(metric, value, step=0)


def command(room: Path, *, port: int) -> list[str]:
    """TensorBoard's command line."""
    return [sys.executable, "-m", "tensorboard.main", "--host", HOST, "--port", str(port), "--logdir", str(room)]


def serve(room: Path, *, port: int) -> int:
    """Runs TensorBoard until it is interrupted; gives its exit code."""
    try:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.run(command(room, port=port), env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
