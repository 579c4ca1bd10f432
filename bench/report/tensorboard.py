"""TensorBoard over a store: the sweep as a table of its HParams tab, beside traces and curves of trainings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from bench.report import access_token, hparams, offline_profile
from bench.results import store, summary
from bench.results.measurement import Measurement
from bench.run import child
from flowers_core.cli import quiet

HOST = "127.0.0.1"  # TensorBoard shows files: to this machine alone
PORT = 6006  # unless another is asked for


def write(results: Path) -> Path:
    """Writes a run for each cell anew to `results/hparams`; traces and trainings lie beside it.

    Returns:
        The log directory of all three, which is the store itself: XProf follows no links.
    """
    folder = Path(results) / "hparams"
    shutil.rmtree(folder, ignore_errors=True)
    entries = summary.by_cell(store.load(Measurement, results).results)
    hparams.write([entry for entry in entries if entry.status == "ok"], folder)
    return Path(results)


def trace_address(trace: Path, results: Path) -> str:
    """Where TensorBoard, when it runs over a store, shows a trace; empty if the trace is not there any more.

    Args:
        trace: Its log directory.
        results: The store.
    """
    sessions = sorted(trace.glob("plugins/profile/*/"))
    root = Path(results).resolve()
    if not sessions or not trace.resolve().is_relative_to(root):
        return ""
    run = f"{trace.resolve().relative_to(root)}/{sessions[-1].name}"
    return f"http://{HOST}:{PORT}{offline_profile.PROFILE}index.html?tool=overview_page&run={quote(run)}"


def command(folder: Path, *, port: int) -> list[str]:
    """TensorBoard's command line; it ends with this process, even if that is killed: it holds a gigabyte and a port."""
    options = ["--host", HOST, "--port", str(port), "--logdir", str(folder)]
    program = [sys.executable, "-m", offline_profile.__name__, *options]
    return [sys.executable, "-IS", child.__file__, str(os.getpid()), *program]


def serve(folder: Path, *, port: int, token: str) -> int:
    """Runs TensorBoard, which demands a token of every client, until it is interrupted; gives its exit code."""
    try:
        environment = {**os.environ, access_token.VARIABLE: token}
        quiet.variables(environment)
        return subprocess.run(command(folder, port=port), env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
