"""What makes a machine noisy: load, waiting, GPUs, and how the findings are shown."""

import io
import json
import os
import re
from collections import namedtuple

import pytest
from rich.console import Console

from bench.machine import doctor, finding
from bench.machine.finding import Finding

QUIET = {1: ("init", 5.0), 7: ("python3", 10.0), 9: ("cc1", 1.0), 11: ("bash", 0.0)}


@pytest.mark.parametrize(
    ("share", "after", "level", "words"),
    [
        (0.004, QUIET, "ok", "others used 0 % of"),
        (0.05, QUIET | {9: ("cc1", 1.2)}, "note", "most of it cc1 (pid 9)"),
        (0.34, QUIET | {7: ("python3", 11.5), 12: ("ld", 0.3)}, "bad", "most of it python3 (pid 7), ld (pid 12)"),
        (0.34, QUIET, "bad", "none of it by a visible process"),
        (0.34, QUIET | {8: ("\x1b[2Jx", 9.0)}, "bad", "?[2Jx (pid 8)"),
        (0.5, {pid: ("x", pid) for pid in range(12, 99)}, "bad", "x (pid 98), x (pid 97), x (pid 96)"),
    ],
)
def test_foreign_load_names_processes(share, after, level, words):
    """The finding names the processes whose CPU time grew most, and how long they were watched."""
    load = doctor.foreign_load(share, QUIET, after, seconds=3.0)

    assert (load.level, words in load.fact, bool(load.remedy)) == (level, True, level != "ok")
    assert "in 3 s" in load.fact


def test_processes_are_others(monkeypatch):
    """This process and those whose times are hidden are left out."""
    Times, Process = namedtuple("Times", "user system"), namedtuple("Process", "pid info")
    listed = [
        Process(os.getpid(), {"name": "me", "cpu_times": Times(9.0, 9.0)}),
        Process(5, {"name": None, "cpu_times": Times(1.0, 0.5)}),
        Process(6, {"name": "secret", "cpu_times": None}),
    ]
    monkeypatch.setattr("psutil.process_iter", lambda _: listed)

    assert doctor.processes() == {5: ("?", 1.5)}


STEADY = [0.005] * 200


@pytest.mark.parametrize(
    ("walls", "cpus", "level", "words"),
    [
        (STEADY, STEADY, "ok", "percentile 0.0 %"),
        ([0.005] * 180 + [0.008] * 20, STEADY, "bad", "percentile 60.0 %"),
        ([0.010] * 200, STEADY, "bad", "percentile 100.0 %"),
        ([0.005] * 199 + [0.1], STEADY, "ok", "percentile 0.0 %"),
        (STEADY, [0.0] * 200, "unknown", "zero"),
        ([0.005], [0.005], "unknown", "data point"),
    ],
)
def test_waiting_is_wall_time_without_cpu_time(walls, cpus, level, words):
    """Waiting is bad even if all loops wait alike; a rare hiccup is not."""
    wait = doctor.waiting(walls, cpus)

    assert (wait.level, words in wait.fact, bool(wait.remedy)) == (level, True, level == "bad")


def test_busy_loops_are_timed_on_both_clocks(monkeypatch):
    """There are as many loops as asked for, and none takes more CPU time than it lasts."""
    monkeypatch.setattr(doctor, "LOOPS", 20)
    walls, cpus = doctor.busy_loops(0.0)

    assert len(walls) == len(cpus) == 20
    assert 0 < sum(cpus) <= 1.01 * sum(walls)


@pytest.fixture
def smi(monkeypatch, tmp_path):
    """Puts a made-up `nvidia-smi` on the path, which knows the given fields and fails for others."""

    def install(answers):
        cases = "\n".join(f"--query-gpu={field}) printf '{answer}' ;;" for field, answer in answers.items())
        script = f'#!/bin/sh\ncase "$1" in\n{cases}\n*) echo no such field; exit 2 ;;\nesac\n'
        (tmp_path / "nvidia-smi").write_text(script)
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


@pytest.mark.parametrize("field", ["clocks_event_reasons.active", "clocks_throttle_reasons.active"])
@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("0x0000000000000001\\n", "ok", "GPU 0: reasons 0x1"),
        ("0x0000000000000004\\n", "note", "power limit"),
        ("0x0000000000000000\\n0x0000000000000040\\n", "bad", "GPU 1: reasons 0x40"),
        ("[N/A]\\n", "unknown", "[N/A]"),
        ("", "ok", "no GPU"),
    ],
)
def test_gpu_clocks_under_either_name(field, answer, level, words, smi):
    """A GPU that heat slows is bad under either name of the field."""
    smi({field: answer})
    clocks = doctor.gpu_clocks()

    assert (clocks.level, words in clocks.fact) == (level, True)


def test_broken_driver_is_unknown(smi):
    """The tool's own message is the reason."""
    smi({})

    assert (doctor.gpu_clocks().level, "no such field" in doctor.gpu_clocks().fact) == ("unknown", True)


@pytest.fixture(scope="module")
def examined():
    """An examination of this machine."""
    return doctor.examine(seconds=0.1)


def test_this_machine_is_examined(examined):
    """A real examination gives every finding once, each with a fact."""
    names = [found.name for found in examined]

    assert {"foreign load", "waiting for a core", "steal time", "CPU quota", "throttling", "free memory"} <= set(names)
    assert len(set(names)) == len(names) >= 9
    assert all(found.fact for found in examined)


def test_machine_without_files_is_unknown(monkeypatch, tmp_path):
    """Where no file can be read no finding is `ok` because of it, and nothing fails."""
    monkeypatch.setattr(doctor, "LOOPS", 5)
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    findings = doctor.examine(seconds=0.0, root=tmp_path)

    assert {found.level for found in findings if found.name not in ("foreign load", "waiting for a core")} == {
        "unknown"
    }


def findings_of(*levels):
    remedies = {"bad": "fix it: `sudo fix --all`, then `reboot`", "note": "know it"}
    return [
        Finding(name=f"thing {level}", level=level, fact=f"[red]{level}", remedy=remedies.get(level, ""))
        for level in levels
    ]


def render(findings):
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    doctor.show(findings, console)
    return console.file.getvalue()


def test_worst_finding_comes_first(examined):
    """Rows go from bad to ok with a word for each level, and texts are not taken for markup."""
    assert [finding.LEVELS.index(found.level) for found in examined] == sorted(
        finding.LEVELS.index(found.level) for found in examined
    )
    text = render(findings_of("bad", "unknown"))

    assert re.findall(r"^ (\w+) +thing", text, re.MULTILINE) == ["bad", "unknown"]
    assert "[red]unknown" in text


def test_commands_can_be_copied():
    """Each is whole on a line of its own, with its number in the table."""
    lines = render(findings_of("bad", "bad")).splitlines()

    assert "(1) sudo fix --all" in lines
    assert "(4) reboot" in lines
    assert any("fix it: (3), then (4)" in line for line in lines)


def test_table_fits_80_columns(examined):
    """Neither this machine's findings nor the longest possible are wider."""
    longest = Finding(name="n" * 30, level="bad", fact="x" * finding.MAX_TEXT, remedy=f"`{'y' * 200}`")

    for findings in (examined, [longest]):
        assert max(map(len, render(findings).splitlines())) <= 80


@pytest.mark.parametrize(
    ("levels", "code", "sentence"),
    [
        (["ok", "note", "unknown"], 0, "Quiet: nothing bad in 2 findings, 1 worth knowing; 1 unknown here."),
        (["bad", "ok"], 1, "Noisy: 1 problem to fix; until then intervals are wider."),
        (["bad", "ok", "bad"], 1, "Noisy: 2 problems to fix; until then intervals are wider."),
    ],
)
def test_verdict_and_exit_code(levels, code, sentence):
    """A sentence below the table sums up, a pointer to pyperf ends it; the exit code is 1 if something is bad."""
    findings = findings_of(*levels)

    assert render(findings).splitlines()[-2:] == [sentence, doctor.POINTER]
    assert doctor.exit_code(findings) == code


def test_findings_are_plain_values():
    """A program gets what the table shows."""
    values = doctor.to_json(findings_of("bad", "ok"))

    assert json.loads(json.dumps(values)) == values
    assert list(values[0]) == ["name", "level", "fact", "remedy"]
