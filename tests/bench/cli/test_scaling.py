"""`bench scaling` as a user meets it: what it shows, keeps and refuses, without a framework."""

import json
import sys

import pytest

from bench.results import store
from bench.run.scaling import hosts, processes
from bench.run.scaling.result import ScalingResult
from flowers_core import backends, connection

MEMBER = """
import json, os, signal, sys, time
out, job = open(int(sys.argv[1]), "w"), json.loads(sys.stdin.readline())
def tell(**values):
    out.write(json.dumps(values) + "\\n"); out.flush()
tell(event="joined")
if job["rank"] == KILLED: os.kill(os.getpid(), signal.SIGKILL)
if job["rank"] or KILLED < len(job["addresses"]): time.sleep(60)
found = {"losses": [2.0, 1.0, 0.5]} if job["check"] else {"device": "CPU", "step_seconds": [0.1, 0.1], "steady": True}
tell(event="ended", **found)
sys.stdin.read()
"""
SMALL = ("scaling", "--model", "dense", "--image-size", 16, "--batch-size", 4, "--rounds", 1, "--device", "cpu")
SMALL = (*SMALL, "--backend", backends.default())


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Processes that load no framework; that of a rank may be killed: `members(killed=1)`."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def replace(killed=99):
        script = tmp_path / "member.py"
        script.write_text(MEMBER.replace("KILLED", str(killed)))
        monkeypatch.setattr(processes, "COMMAND", [sys.executable, str(script)])

    return replace


def test_scaling_shows_stores_and_keeps_a_table(members, tmp_path, command_line):
    """A row a group with efficiency and the verdict on losses; results and table are in the store."""
    members()
    done = command_line("bench", *SMALL, "--workers", "1,2", "--replicas", 1, "--results", tmp_path)

    assert done.code == 0, done.err
    assert "100.0%" in done.out
    assert "equal" in done.out
    assert [result.workers for result in store.load(ScalingResult, tmp_path).results] == [1, 2]
    assert "bench scaling" in (tmp_path / "tables" / "scaling.md").read_text()


def test_json_is_an_object_a_group(members, tmp_path, command_line):
    """`--json` gives programs one object a group, as it is stored."""
    members()
    done = command_line("bench", *SMALL, "--replicas", 1, "--json", "--results", tmp_path)

    (line,) = done.out.splitlines()
    assert (json.loads(line)["replicas"], json.loads(line)["losses"]) == (1, [2.0, 1.0, 0.5])


def test_lost_worker_is_a_sentence(members, tmp_path, command_line):
    """Who was lost, and how to go on; exit code 1. The same command with `--resume` measures what is left alone."""
    members(killed=1)
    words = (*SMALL, "--workers", "1,2", "--replicas", 1, "--results", tmp_path)
    done = command_line("bench", *words)

    assert done.code == 1
    assert "error: worker 1 of 2 (process " in done.err
    assert "Traceback" not in done.err
    members()
    resumed = command_line("bench", *words, "--resume", "--json")
    assert (resumed.code, [json.loads(line)["workers"] for line in resumed.out.splitlines()]) == (0, [2]), resumed.err


CONFIG = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 1}}


@pytest.mark.parametrize(
    ("config", "words", "message"),
    [
        ("{", (), "not JSON"),
        ("[]", (), "its parts must be objects"),
        (json.dumps({"cluster": {}, "task": {}}), (), "it lacks 'worker'"),
        (json.dumps({**CONFIG, "task": {"index": 2}}), (), "from 0 to 1"),
        (json.dumps(CONFIG), ("--workers", "1"), "number of workers in TF_CONFIG, 2. Received: 1"),
        ("", ("--rank", 0), "needs `--coordinator`"),
        ("", ("--coordinator", "there", "--rank", 0), "such as 10.0.0.2:5070. Received: 'there'"),
        ("", ("--coordinator", "127.0.0.1:1"), "`--rank` must be from 0 to 0"),
        ("", ("--scaling", "strong", "--replicas", "3"), "multiple of its 3 replicas"),
        ("", ("--replicas", "0"), "--replicas"),
        ("", ("--model", "resnet"), "squeezenet"),
        ("", ("--model", "timm:resnet50"), "Models of other libraries are measured on one device"),
        ("", ("--pipeline", "records_turbe"), "did you mean records_turbo"),
        ("", ("--pipeline", "nothing.py:batches"), "nothing.py must be a Python file"),
        ("", ("--resume",), "no campaign to resume"),
    ],
)
def test_usage_error_is_one_sentence(config, words, message, tmp_path, command_line, monkeypatch):
    """What was expected and what came; exit code 2, no traceback, nothing measured."""
    monkeypatch.setenv("TF_CONFIG", config)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    done = command_line("bench", *SMALL, *words, "--results", tmp_path)

    assert done.code == 2, done.err
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rank", 1), "could not be reached within 0.5 s (`--meet`): Connection refused"),
        (("--rank", 0), "Workers 1 of 2 did not come within 0.5 s"),
    ],
)
def test_hosts_that_do_not_meet_are_said(words, message, tmp_path, command_line, monkeypatch):
    """An unreachable coordinator, or workers that do not come, are a sentence after a stated time; exit code 1."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    (port,) = processes.free_ports("127.0.0.1", 1)
    meeting = ("--workers", "1,2", "--coordinator", f"127.0.0.1:{port}", "--meet", "0.5", "--results", tmp_path)
    done = command_line("bench", *SMALL, *meeting, *words)

    assert done.code == 1
    assert message in " ".join(done.err.split())


def test_interrupted_coordinator_tells_the_others(members, tmp_path, command_line, monkeypatch):
    """Ctrl-C on the coordinator ends the run everywhere, as a failure."""
    members()
    told = []

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(hosts, "gather", lambda *_, **__: [])
    monkeypatch.setattr(hosts, "dismiss", lambda _, reason: told.append(reason))
    monkeypatch.setattr(processes, "outcome", interrupt)
    (port,) = processes.free_ports("127.0.0.1", 1)
    meeting = ("--coordinator", f"127.0.0.1:{port}", "--rank", 0, "--results", tmp_path)
    done = command_line("bench", *SMALL, *meeting)

    assert (done.code, told) == (130, ["The coordinator was interrupted"])


def test_tf_config_says_where_to_meet(members, tmp_path, command_line, monkeypatch):
    """TF_CONFIG of a cluster gives the coordinator's address and this worker's rank."""
    members()
    asked = []
    monkeypatch.setattr(connection, "connect", lambda address, *, seconds: asked.append((address, seconds)))
    monkeypatch.setattr(connection, "Line", lambda _: None)
    monkeypatch.setattr(hosts, "serve", lambda _, rank, lost_seconds: asked.append((rank, lost_seconds)))
    monkeypatch.setenv("TF_CONFIG", json.dumps(CONFIG))
    done = command_line("bench", *SMALL, "--workers", "1,2", "--meet", "5s", "--results", tmp_path)

    assert (done.code, asked) == (0, [(("127.0.0.1", 1), 5.0), (1, 30.0)])
