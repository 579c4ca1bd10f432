"""Command lines in processes of their own, as a user starts them, whose measuring processes load no framework."""

import json
import subprocess
import sys

import pytest

from bench.machine.facts import PROJECT_ROOT
from bench.run import process

# The first of these answers at once with what a file holds, of its own cell. Later ones hang where they are told to.
MEASURING = """
import json, sys, time
from pathlib import Path
here, job = Path(__file__).parent, json.loads(input())
if sys.argv[1] == "hang" and (here / "answered").exists(): time.sleep(600)
(here / "answered").touch()
answer = {**json.loads((here / "measurement.json").read_text()), "cell": job["cell"]}
print(json.dumps(answer), file=open(int(sys.argv[2]), "w"))
"""
# The first pair of these is timed, all its steps alike. Later ones hang.
PAIR_WORKER = """
import json, sys, time
from pathlib import Path
orders, answers = map(json.loads, iter(sys.stdin.readline, "")), open(int(sys.argv[1]), "w")
def answer(**values):
    answers.write(json.dumps(values) + "\\n"); answers.flush()
with open(Path(__file__).with_name("started"), "ab") as started:
    started.write(b"."); started.flush()
    if started.tell() > 2: time.sleep(600)
next(orders)
answer(ready=True)
for order in orders:
    if order["do"] == "calibrate": answer(call_seconds=0.1, burst=1, alone=False)
    else: answer(sample=[order["calls"], 0.1 * order["calls"], 0.1 * order["calls"], 0.0])
"""
COMMAND_LINE = """
import sys
from bench.compare import pair
from bench.run import process
folder = sys.argv.pop(1)
process.spawn.__kwdefaults__["command"] = (sys.executable, f"{folder}/measuring.py", "hang")
pair.COMMAND = ("-P", f"{folder}/pair_worker.py")
from bench.cli.main import main
main()
"""


@pytest.fixture
def quick(tmp_path_factory, measured, monkeypatch):
    """Replaces measuring processes of commands in this process by ones that answer at once; gives their folder."""
    folder = tmp_path_factory.mktemp("quick")
    (folder / "measurement.json").write_text(json.dumps(measured().to_json()))
    (folder / "measuring.py").write_text(MEASURING)
    (folder / "pair_worker.py").write_text(PAIR_WORKER)
    answering = (sys.executable, str(folder / "measuring.py"), "answer")
    monkeypatch.setitem(process.spawn.__kwdefaults__, "command", answering)
    return folder


@pytest.fixture
def started(quick):
    """Starts a command line, `started("sweep", ...)`, whose first measurement or pair ends, and the next one never."""
    running = []

    def start(*arguments):
        command = [sys.executable, "-c", COMMAND_LINE, quick, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen([*map(str, command)], cwd=PROJECT_ROOT, **pipes))
        return running[-1]

    yield start
    for command in running:
        command.kill()
        command.communicate()
