"""A fresh process a cell: whatever becomes of it, there is a measurement with a reason."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from multiprocessing import shared_memory
from pathlib import Path
from statistics import median

import psutil
import pytest

from bench.results.cell import Cell
from bench.run import process
from bench.run.data_source import Source
from bench.run.measure import Job
from bench.run.timing import Effort
from flowers_core import durable
from flowers_core.data import storage
from flowers_core.errors import RunFailed

CELL = Cell(model="dense_single", batch_size=4, image_size=32)
JOB = Job(cell=CELL, effort=Effort(seconds=0.2, least_steps=3))

CUINIT = "E0000 00:00:1795773847.766694   29928 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error"


def child(code):
    """A measuring process that does something else."""
    return (
        sys.executable,
        "-c",
        "import json, os, sys, time\njob = json.loads(input())\n" + textwrap.dedent(code),
    )


CONNECTED = (
    "import subprocess, sys, time\nfrom bench.run import child\norders, answer = child.connect()\njob = next(orders)\n"
)


def following(code, folder):
    """A process that runs code when it knows its job."""
    command = [sys.executable, "-c", CONNECTED + code]
    return process.ChildProcess(command, folder, name="test", env=process.environment())


def module(folder, monkeypatch, code):
    """The same code as a module that fresh processes find."""
    (folder / "module_of_a_test.py").write_text(CONNECTED + code)
    env = process.environment()
    monkeypatch.setattr(process, "environment", lambda *_: {**env, "PYTHONPATH": f"{env['PYTHONPATH']}:{folder}"})


@pytest.fixture(scope="module")
def done():
    """One real measurement of a small step."""
    return process.spawn(JOB)


def test_spawn_measures_a_cell(done):
    """One process yields first step, all step times on both clocks, memory, loss, machine and code."""
    assert (done.status, done.reason, done.cell) == ("ok", "", CELL)
    assert len(done.step_seconds) == len(done.step_cpu_seconds) >= 3
    assert done.first_step_seconds > median(done.step_seconds)
    assert done.images_per_second == pytest.approx(4 / median(done.step_seconds))
    assert done.loss_finite
    assert done.peak_bytes > 10**8
    assert 0 <= done.foreign_cpu_share <= 1
    assert {"cpu", "usable_cores", "memory_bytes", "packages", "load_before"} <= set(done.machine)
    assert set(done.code) == {"commit", "dirty", "digest"}
    assert done.process_seconds > sum(done.step_seconds)


def test_spawn_starts_a_fresh_process(done):
    """The cell ran in a process that had not loaded a framework before: loading is part of its life."""
    assert done.process_seconds > done.first_step_seconds + 0.5


@pytest.mark.parametrize(
    ("cell", "status", "said"),
    [
        (Cell(model="dense_single", precision="mixed_float16"), "n/a", "bfloat16"),
        (Cell(model="none", pipeline="records_parallel"), "error", "--records"),
    ],
    ids=["precision", "data"],
)
def test_spawn_gives_the_reason_of_what_is_unavailable(cell, status, said):
    """What makes no sense or is not there is n/a; data that is missing is an error; both keep the reason."""
    told = process.spawn(Job(cell=cell, source=Source()))

    assert told.status == status
    assert said in told.reason


def test_spawn_ends_a_process_that_hangs():
    """A timeout is a measurement, with the limit in its reason."""
    told = process.spawn(JOB, timeout=1.0, command=child("time.sleep(60)"))

    assert told.status == "timeout"
    assert "1 s" in told.reason


def test_spawn_ends_a_process_at_its_memory_limit():
    """The limit is kept from outside, and the reason names it."""
    hungry = "eaten = []\nwhile True:\n    eaten.append(bytearray(20_000_000))\n    time.sleep(0.02)"
    told = process.spawn(JOB, timeout=60, memory_bytes=300_000_000, command=child(hungry))

    assert told.status == "oom"
    assert "300 MB" in told.reason
    assert told.peak_bytes > 300_000_000


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("os.kill(os.getpid(), 11)", "crash", "SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "oom", "SIGKILL"),
        ("sys.stderr.write('no luck\\n'); sys.exit(7)", "crash", "exit code 7; it said: no luck"),
        (f"sys.stderr.write('no luck\\n{CUINIT}\\n'); sys.exit(7)", "crash", "exit code 7; it said: no luck"),
        ("sys.exit(139)", "crash", "SIGSEGV"),
        ("pass", "crash", "without an answer"),
    ],
)
def test_spawn_says_how_a_process_died(code, status, said):
    """Signals and exit codes are put into words; what the process said last is kept."""
    told = process.spawn(JOB, command=child(code))

    assert told.status == status
    assert said in told.reason


def test_spawn_ends_a_process_whose_children_take_the_memory():
    """Decode workers hold photos that the process itself does not."""
    hungry = """
        import subprocess
        hold = "held = bytearray(400_000_000); held[::4096] = b'x' * len(held[::4096]); import time; time.sleep(30)"
        subprocess.run([sys.executable, "-c", hold])
    """
    told = process.spawn(JOB, timeout=60, memory_bytes=300_000_000, command=child(hungry))
    assert (told.status, "--memory" in told.reason) == ("oom", True)


def test_spawn_takes_death_near_the_limit_for_want_of_memory():
    """A framework that dies by a signal with its memory almost used up ran out of it."""
    code = (
        "eaten = bytearray(250_000_000)\nfor i in range(0, len(eaten), 4096): eaten[i] = 1\ntime.sleep(1)\nos.abort()"
    )
    told = process.spawn(JOB, memory_bytes=320_000_000, command=child(code))

    assert (told.status, "SIGABRT" in told.reason) == ("oom", True)


def test_spawn_keeps_prints_out_of_the_answer():
    """What a framework prints does not get into the measurement."""
    answer = json.dumps(process.Measurement(cell=CELL, status="n/a", reason="made up").to_json())
    code = f"print('{{noise' * 999); sys.stderr.write('noise'); print({answer!r}, file=open(int(sys.argv[1]), 'w'))"

    assert process.spawn(JOB, command=child(code)).reason == "made up"


def test_child_ends_with_its_parent(tmp_path):
    """A kill -9 of a sweep leaves no process behind that would disturb the next."""
    code = f"""
import sys
from bench.run import process as spawn
from bench.results.cell import Cell
from bench.run.timing import Effort
from bench.run.measure import Job
job = Job(cell=Cell(model="dense_single", batch_size=4, image_size=32), effort=Effort(seconds=600))
open({str(tmp_path / "ready")!r}, "w").close()
spawn.spawn(job)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=process.facts.PROJECT_ROOT)
    try:
        deadline = time.monotonic() + 60
        measuring = []
        while not measuring and time.monotonic() < deadline:
            time.sleep(0.1)
            children = psutil.Process(parent.pid).children()
            measuring = [process for process in children if "bench.run.measure" in process.cmdline()]
        assert measuring
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        _, alive = psutil.wait_procs(measuring, timeout=30)
    finally:
        parent.kill()

    assert alive == []


def test_environment_follows_the_cell():
    """Backend and visible devices of a measuring process follow its cell."""
    chosen = process.environment(Cell(model="dense", backend="jax", xla=True))

    assert chosen["KERAS_BACKEND"] == "jax"
    assert chosen["JAX_PLATFORMS"] == "cpu"
    assert chosen["CUDA_VISIBLE_DEVICES"] == "-1"


def test_hold_stops_all_that_the_process_started(tmp_path):
    """Processes that make batches stand still, too, and go on when it does."""
    code = "subprocess.Popen(['sleep', '60'])\nanswer({'ready': job['number']})\ntime.sleep(60)"
    with following(code, tmp_path) as process:
        assert process.ask({"number": 7}, timeout=60) == {"ready": 7}
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
        for act, held in ((process.hold, True), (process.release, False)):
            act()
            deadline = time.monotonic() + 60  # the kernel stops the leader first, a busy machine the others later
            while any((member.status() == psutil.STATUS_STOPPED) is not held for member in family):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    _, alive = psutil.wait_procs(family, timeout=30)

    assert alive == []


def test_answers_come_as_they_are_made(tmp_path, monkeypatch):
    """The first arrives before the process has ended; how it died then is said, with its last words."""
    module(tmp_path, monkeypatch, "print('noise')\nanswer({'got': job['number']})\nsys.exit('out of luck')")
    answers = process.answers("module_of_a_test", {"number": 7}, timeout=60)

    assert next(answers) == {"got": 7}
    with pytest.raises(RunFailed, match=r"module_of_a_test.*out of luck"):
        next(answers)


def test_answers_end_with_the_process(tmp_path, monkeypatch):
    """One that is done is no failure, unless an answer was expected."""
    module(tmp_path, monkeypatch, "for number in range(2): answer({'got': number})")
    assert list(process.answers("module_of_a_test", {}, timeout=60)) == [{"got": 0}, {"got": 1}]

    module(tmp_path, monkeypatch, "")
    with pytest.raises(RunFailed, match="without an answer"):
        process.ask("module_of_a_test", {}, timeout=60)


def test_ask_has_a_time_limit(tmp_path):
    """A process that hangs is not waited for, also where its memory is not watched."""
    with following("time.sleep(60)", tmp_path) as process, pytest.raises(RunFailed, match="no answer within 0 s"):
        process.ask({}, timeout=0.1)


def test_printed_by_gives_what_a_command_printed(tmp_path):
    """One that knows nothing of the harness prints, and fails with its exit code."""
    assert process.printed_by(["echo", "said"], tmp_path, name="echo", timeout=60) == b"said\n"
    with pytest.raises(RunFailed, match="false: exit code 1"):
        process.printed_by(["false"], tmp_path, name="false", timeout=60)


def test_printed_by_tells_what_is_said_meanwhile(tmp_path):
    """Line by line, while it still runs; its variables are its own."""
    heard, script = [], tmp_path / "script"
    script.write_text('echo "first $WORD" >&2; while [ ! -e heard ]; do sleep 0.1; done; echo last >&2; sleep 1')

    def hear(line):
        heard.append(line)
        (tmp_path / "heard").touch()

    process.printed_by(["sh", str(script)], tmp_path, name="sh", timeout=60, variables={"WORD": "word"}, listen=hear)
    assert heard == ["first word", "last"]


@pytest.mark.parametrize(
    ("program", "reason"), [("no-such-program", "No such file or directory"), ("/etc/passwd", "Permission denied")]
)
def test_run_to_end_says_that_a_program_is_nowhere(tmp_path, program, reason):
    """Whatever else the folders of PATH are: one of them may be closed to this user, or a file."""
    (file := tmp_path / "file").touch()
    with pytest.raises(RunFailed, match=f"{program}: it cannot be started: {reason}"):
        process.run_to_end([program], env={"PATH": f"{file}:{tmp_path}"}, timeout=60)


@pytest.mark.parametrize(("padding", "inside"), [("", True), ("a-path-to-which-no-socket-can-be-added-" * 3, False)])
def test_what_a_process_leaves_among_temporary_files_goes_with_its_folder(padding, inside):
    """TensorFlow writes code there, which nobody removes when it is killed; unless sockets would find no room."""
    with process.scratch() as scratch:
        (folder := scratch / padding).mkdir(exist_ok=True)
        with following("import tempfile; answer({'folder': tempfile.gettempdir()})", folder) as running:
            running.tell({})
            assert (running.answer(timeout=60)["folder"] == str(folder)) is inside


SHARING = """
import multiprocessing
from multiprocessing import shared_memory
context = multiprocessing.get_context("spawn")
lock, block = context.Lock(), shared_memory.SharedMemory(create=True, size=100)
answer({"names": [f"/dev/shm/{block.name}", f"/dev/shm/sem.{lock._semlock.name.strip('/')}"]})
time.sleep(600)
"""


def test_end_removes_what_is_left_in_shared_memory(tmp_path):
    """Blocks and semaphores of killed processes have no owner any more; those of others stay."""
    others = shared_memory.SharedMemory(create=True, size=100)
    with following(SHARING, tmp_path) as running:
        running.tell({})
        names = [*map(Path, running.answer(timeout=60)["names"])]

        assert all(name.exists() for name in names)
    assert not any(name.exists() for name in names)
    assert Path(f"/dev/shm/{others.name}").exists()
    others.close()
    others.unlink()


def test_files_of_shared_memory_that_go_meanwhile_end_nothing(tmp_path, monkeypatch):
    """Others make and remove theirs at any time, and the disk that keeps the note may be full."""
    monkeypatch.setattr(process, "_shared_names", lambda: {"sem.mp-gone"})
    folder = tmp_path / "run"
    folder.mkdir()
    with following("answer({})\ntime.sleep(60)", folder) as running:
        running.tell({})
        running.answer(timeout=60)
        shutil.rmtree(folder)
        running.hold()
    assert not running.is_alive


@pytest.mark.parametrize("is_held", [True, False])
def test_what_a_killed_run_left_in_shared_memory_is_removed_at_the_next_start(tmp_path, monkeypatch, is_held):
    """Where everybody who would have removed it was killed: by a note in the run's folder, of its own alone."""
    monkeypatch.setattr(process, "FAMILY_SECONDS", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    others = shared_memory.SharedMemory(create=True, size=100)
    folder = tmp_path / f"{durable.TEMPORARY}abcdefg0" / "loader"
    folder.mkdir(parents=True)
    running = following(SHARING, folder)
    running.tell({})
    names = [*map(Path, running.answer(timeout=60)["names"])]
    if is_held:  # as loaders and pairs are, whose memory is not watched
        running.hold()
    else:
        with pytest.raises(RunFailed, match="no answer"):
            running.answer(timeout=0.5, memory_bytes=1 << 40)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(timeout=60, accepted=[-signal.SIGKILL])
    assert all(name.exists() for name in names)

    os.utime(folder.parent, (0, 0))
    storage.prune_temporary()
    assert not any(path.exists() for path in (*names, folder))
    assert Path(f"/dev/shm/{others.name}").exists()
    running.end()
    others.close()
    others.unlink()
