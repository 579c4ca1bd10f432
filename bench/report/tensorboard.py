"""TensorBoard over a store: the sweep as a table of its HParams tab, beside traces and curves of trainings."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.report import offline_profile
from bench.results import identity, store, summary
from bench.results.cell import COMPILERS, Cell
from bench.results.measurement import Measurement
from bench.results.summary import Summary
from bench.run import child

HOST = "127.0.0.1"  # TensorBoard shows files: to this machine alone
FIELDS = ("model", "batch_size", "precision", "device", "pipeline", "mode", "image_size", "backend", *COMPILERS)
FACTS = ("host", "cores", "photos", "commit", "apart")  # of the measurement; `apart`: from other runs of the cell
METRICS = {
    "step_ms": "ms a step",
    "images_per_second": "images/s",
    "input_percent": "% of a step waiting for input",
    "first_step_seconds": "first step, s",
    "peak_mb": "MB",
}


def write(results: Path) -> Path:
    """Writes a run for each cell anew to `results/hparams`; traces and trainings lie beside it.

    Returns:
        The log directory of all three, which is the store itself: XProf follows no links.
    """
    folder = Path(results) / "hparams"
    shutil.rmtree(folder, ignore_errors=True)
    _columns(folder)
    cells: dict[Cell, list[Summary]] = {}
    for entry in summary.by_cell(store.load(Measurement, results).results):
        if entry.status == "ok":
            cells.setdefault(entry.cell, []).append(entry)
    for entries in cells.values():
        apart = identity.each_apart([entry.measurement for entry in entries])
        for entry, text in zip(entries, apart, strict=True):
            _run(entry, folder, text)
    return Path(results)


def _columns(folder: Path) -> None:
    """Writes what the table shows, in this order."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    with tf.summary.create_file_writer(str(folder)).as_default():
        api.hparams_config(
            hparams=[api.HParam(field) for field in (*FIELDS, *FACTS)],
            metrics=[api.Metric(tag, display_name=name) for tag, name in METRICS.items()],
        )


def _run(entry: Summary, folder: Path, apart: str) -> None:
    """Writes a cell in one setting as a run; `apart` says what tells it from those of others."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    last = entry.measurement
    setting = hashlib.sha256(identity.setting(last).encode()).hexdigest()[:8]
    name = "-".join(filter(None, (entry.cell.id, last.machine.get("id"), last.code.get("digest"), setting)))
    facts = (
        last.machine.get("host") or "unknown",
        float(last.machine.get("usable_cores") or 0),
        last.data.get("photos", ""),
        last.code.get("commit", "")[:8],
        apart,
    )
    values = {field: getattr(entry.cell, field) for field in FIELDS} | dict(zip(FACTS, facts, strict=True))
    figures = {
        "step_ms": 1000 * (entry.batch_seconds or 0.0),
        "images_per_second": entry.images_per_second,
        "first_step_seconds": entry.first_step_seconds,
        "peak_mb": (entry.peak_bytes or 0) / 1e6,
    }
    share = last.trace.get("input_share")  # known where a trace was taken
    figures |= {} if share is None else {"input_percent": 100 * share}
    with tf.summary.create_file_writer(str(folder / name)).as_default():
        api.hparams(values, trial_id=name)
        for metric, value in figures.items():
            tf.summary.scalar(metric, value, step=0)


def command(folder: Path, *, port: int) -> list[str]:
    """TensorBoard's command line; it ends with this process, even if that is killed: it holds a gigabyte and a port."""
    options = ["--host", HOST, "--port", str(port), "--logdir", str(folder)]
    program = [sys.executable, "-m", offline_profile.__name__, *options]
    return [sys.executable, "-IS", child.__file__, str(os.getpid()), *program]


def serve(folder: Path, *, port: int) -> int:
    """Runs TensorBoard until it is interrupted; gives its exit code."""
    try:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.run(command(folder, port=port), env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
