"""What TensorBoard reads, and TensorBoard itself in a real browser."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from bench.machine.facts import PROJECT_ROOT
from bench.report import access_token, tensorboard
from bench.results import store
from bench.run import profiler_trace

TOKEN = access_token.new()
PATIENCE = 300_000  # milliseconds: a machine may be busy


def test_write_makes_a_run_of_each_cell(tmp_path, measured):
    """Failures are no runs."""
    for measurement in (
        measured(),
        measured(model="convnet", batch_size=8),
        measured(model="dense", status="oom", batch_size=4),
    ):
        store.append(measurement, tmp_path)
    folder = tensorboard.write(tmp_path)
    runs = sorted(run for run in (folder / "hparams").iterdir() if run.is_dir())

    assert [run.name for run in runs] == ["convnet resident float32 b8", "dense resident float32 b32"]


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

    assert [run.name.split()[0] for run in (tmp_path / "hparams").iterdir()] == ["dense"]
    assert (tmp_path / "traces" / "cell").is_dir()


# Stands for TensorBoard, which takes seconds and a gigabyte to start: it listens, and says who it is.
LISTENER = """
import os, socket, sys, time
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with socket.create_server((options["--host"], int(options["--port"]))):
    with open("listener", "w") as file:
        print(os.getpid(), os.environ["FLOWERS_TENSORBOARD_TOKEN"], file=file)
    time.sleep(600)
"""
SERVING = """
import signal, sys, types
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored, by all that a shell starts
from pathlib import Path
import click
from bench.report import access_token, tensorboard
from flowers_core.cli import entry
tensorboard.offline_profile = types.SimpleNamespace(__name__="listener_of_a_test")
port = int(sys.argv.pop())
entry.enter(click.Command("tensorboard", callback=lambda: sys.exit(tensorboard.serve(Path("."), port=port, token="t"))))
"""


def is_alive(pid):
    """Whether a process runs; one that has ended may wait for its parent to be told."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_serve_ends_with_its_parent(tmp_path, number):
    """Whatever ends `bench tensorboard`, its process and port are free a moment later."""
    (tmp_path / "listener_of_a_test.py").write_text(LISTENER)
    with socket.socket() as free:
        free.bind((tensorboard.HOST, 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}:{tmp_path}"}
    with subprocess.Popen([sys.executable, "-c", SERVING, str(port)], cwd=tmp_path, env=env) as parent:
        listener, deadline = tmp_path / "listener", time.monotonic() + 200
        while not (listener.exists() and listener.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.05)
        pid, token = listener.read_text().split()
        pid = int(pid)
        parent.send_signal(number)
        parent.wait(100)
        while is_alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)

    assert not is_alive(pid)
    assert token == "t"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((tensorboard.HOST, port))


def test_trace_address_is_that_of_xprof(tmp_path):
    """Of the session below the trace, quoted; none of a trace that is gone or lies elsewhere."""
    trace = tmp_path / "store" / "traces" / "a cell" / "20261127"
    (trace / "plugins" / "profile" / "2026_11_27").mkdir(parents=True)
    address = tensorboard.trace_address(trace, tmp_path / "store")

    assert address.endswith(
        ":6006/data/plugin/profile/index.html?tool=overview_page&run=traces/a%20cell/20261127/2026_11_27"
    )
    assert tensorboard.trace_address(trace.parent, tmp_path / "store") == ""
    assert tensorboard.trace_address(trace, tmp_path / "other") == ""


@pytest.fixture(scope="module")
def traced(tmp_path_factory, measured):
    """The log directory of a store with a trace and a measurement, and the name of the trace's run."""
    import tensorflow as tf

    square = tf.random.stateless_uniform((300, 300), (0, 0))
    product = tf.function(lambda: tf.reduce_sum(square @ square))
    product()
    results = tmp_path_factory.mktemp("store")
    folder = store.trace_folder("some-cell", results)
    taken = profiler_trace.take(lambda: product().numpy(), folder, backend="tensorflow", step_seconds=0.25)
    assert taken["problem"] == ""
    store.append(measured(), results)
    (session,) = (folder / "plugins" / "profile").iterdir()
    return tensorboard.write(results), f"traces/some-cell/{folder.name}/{session.name}"


@pytest.fixture(scope="module")
def served(traced):
    """TensorBoard over it, as `bench tensorboard` starts it: its address."""
    with socket.socket() as free:
        free.bind((tensorboard.HOST, 0))
        port = free.getsockname()[1]
    command, environment = tensorboard.command(traced[0], port=port), {**os.environ, access_token.VARIABLE: TOKEN}
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=nowhere, stderr=nowhere) as process:
        yield f"http://{tensorboard.HOST}:{port}"
        process.terminate()


@pytest.fixture
def shown(browser, served, traced):
    """A page of a real browser without a network, when TensorBoard has found the run; what it asked others for."""
    from playwright import sync_api

    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE)
    for _ in range(1500):
        with suppress(sync_api.Error):  # it has not started to listen yet
            if traced[1] in page.request.get(f"{served}/data/plugin/profile/runs?token={TOKEN}").text():
                break
        time.sleep(0.2)
    else:
        pytest.fail(f"TensorBoard did not find {traced[1]}")
    strange, refused = [], []
    page.on("response", lambda response: refused.append(response.url) if response.status == 403 else None)
    page.route(
        lambda url: not url.startswith((served, "data:", "blob:")),
        lambda route: (strange.append(route.request.url), route.abort()),
    )
    yield page
    page.close()
    assert strange == refused == []


def opened(shown, served, traced, tool):
    """The page with one of XProf's tools, and how many charts it shows when the first is drawn."""
    shown.goto(f"{served}/data/plugin/profile/index.html?tool={tool}&run={traced[1]}")
    shown.locator("svg.offline-chart").first.wait_for()
    return shown


def test_overview_draws_its_graph_without_a_network(shown, served, traced):
    """Step time and its graph are there, of steps on a CPU, too; hovering tells a step's parts."""
    page = opened(shown, served, traced, "overview_page")
    page.get_by_text("Average Step Time").wait_for()
    graph = page.locator("step-time-graph svg.offline-chart")
    graph.hover(position={"x": 150, "y": 200})
    page.locator(".offline-chart-tooltip").get_by_text("Host compute").wait_for()

    assert graph.locator(".marks path").count() >= 2
    assert graph.get_by_text("train 1", exact=True).count() == 1
    assert graph.get_by_text("Step Time (in milliseconds)").is_visible()


def test_operations_are_sorted_and_filtered_without_a_network(shown, served, traced):
    """Two pies; the table's rows answer to its headings and to the field above it."""
    page = opened(shown, served, traced, "framework_op_stats")
    table = page.locator("table.google-visualization-table-table").first
    table.get_by_text("MatMul").first.wait_for()
    rows = table.locator("tbody tr")
    before = rows.locator("td:first-child").all_inner_texts()
    table.get_by_role("columnheader", name="Total time (us)").click()
    table.locator("th[aria-sort=ascending]").get_by_text("Total time").wait_for()
    slowest_last = rows.last.inner_text()
    page.get_by_label("Operation Type").fill("matmul")
    page.get_by_label("Operation Type").press("Enter")
    page.wait_for_function(
        f"document.querySelector('table.google-visualization-table-table').tBodies[0].rows.length < {len(before)}"
    )

    assert page.locator("svg.offline-chart").count() == 2
    assert before[:2] == ["1", "2"]
    assert "MatMul" in slowest_last
    assert rows.count() == rows.filter(has_text="MatMul").count() > 0


@pytest.mark.parametrize(("tool", "charts"), [("input_pipeline_analyzer", 2), ("memory_profile", 1)])
def test_other_tools_draw_their_charts_without_a_network(shown, served, traced, tool, charts):
    """Input pipeline and memory."""
    page = opened(shown, served, traced, tool)

    assert page.locator("svg.offline-chart .marks > *").count() >= charts
    assert page.get_by_text("not drawn without a network").count() == 0


def test_stand_in_has_all_that_xprof_names(shown, served, traced):
    """Every name that the installed version of XProf takes from Google Charts."""
    page = opened(shown, served, traced, "overview_page")
    bundle = page.request.get(f"{served}/data/plugin/profile/bundle.js").text()
    names = set(re.findall(r"\bgoogle\.((?:visualization|charts)(?:\.\w+)+)", bundle))
    kinds = {name: page.evaluate(f"typeof google.{name.replace('.', '?.')}") for name in sorted(names)}
    missing = [name for name, kind in kinds.items() if kind == "undefined"]

    assert len(names) > 15
    assert missing == []


def test_tensorboard_shows_trace_and_table(shown, served, traced):
    """The Profile tab names the run, the trace viewer has our steps, and the HParams tab names the run by words."""
    run = traced[1]
    tools = shown.request.get(f"{served}/data/plugin/profile/run_tools?run={run}").text()
    events = shown.request.get(f"{served}/data/plugin/profile/data?run={run}&tag=trace_viewer&format=json").text()
    shown.goto(f"{served}/#profile")
    shown.frame_locator("iframe").get_by_text("traces/some-cell", exact=False).first.wait_for(timeout=PATIENCE)
    shown.goto(f"{served}/#hparams")
    shown.get_by_text("dense resident float32 b32").first.wait_for(timeout=PATIENCE)

    assert {"overview_page", "trace_viewer", "framework_op_stats"} <= {tool.rstrip("@") for tool in json.loads(tools)}
    assert "train" in events


@pytest.mark.usefixtures("shown")
def test_tensorboard_wants_the_token(browser, served):
    """Of a browser without it; one that has it opens a link from elsewhere, such as a report, by one more click."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    assert page.goto(f"{served}/data/plugin/profile/runs").status == 403
    assert page.get_by_text("open the address that its command printed").is_visible()
    assert page.goto(f"{served}/data/plugin/profile/runs?token={TOKEN}").status == 200
    page.goto(f"data:text/html,<a href='{served}/data/environment'>the trace</a>")
    page.get_by_text("the trace").click()
    page.get_by_text("go on").click()
    page.get_by_text("data_location").wait_for()
    assert page.evaluate("document.cookie") == ""
    page.close()


def test_tensorboard_listens_here_alone(tmp_path):
    """It shows files: to this machine only."""
    assert "--host 127.0.0.1 --port 6006" in " ".join(tensorboard.command(tmp_path, port=6006))
