"""What makes a machine noisy, on made-up machines and on this one."""

import io
import json
import os
import re
from collections import namedtuple
from pathlib import Path

import pytest
from rich.console import Console

from bench.machine import checks, doctor, finding
from bench.machine.finding import Finding

CPU = checks.CPU
HUGE = checks.HUGE
CLOCK = checks.CLOCK
CGROUP = "sys/fs/cgroup"
ALLOWED = {"proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-3\n"}
GUEST = {"proc/cpuinfo": "processor : 0\nflags\t\t: fpu vme hypervisor lm\n"}
HOST = {"proc/cpuinfo": "processor : 0\nflags\t\t: fpu vme lm\n"}
MEMORY = "MemTotal:       16000000 kB\nMemAvailable:   {free} kB\nSwapTotal: {total} kB\nSwapFree: {left} kB\n"
ROOMY = {"proc/meminfo": MEMORY.format(free=8_000_000, total=0, left=0)}
IN_GROUP = {"proc/self/cgroup": "0::/a/b\n", f"{CGROUP}/a/b/cgroup.procs": ""}
IN_OLD_GROUP = {"proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/\n"}


def siblings(*lists):
    return {f"{CPU}/cpu{number}/topology/thread_siblings_list": text for number, text in enumerate(lists)}


def policies(name, *texts):
    return {f"{CPU}/cpufreq/policy{number}/{name}": text for number, text in enumerate(texts)}


def huge(enabled, defrag):
    return {f"{HUGE}/enabled": enabled, f"{HUGE}/defrag": defrag}


def clocks(current, available="tsc hpet acpi_pm kvm-clock"):
    return {f"{CLOCK}/current_clocksource": current, f"{CLOCK}/available_clocksource": available}


@pytest.fixture
def machine(tmp_path):
    """Lays files of a made-up machine; later ones replace earlier ones."""

    def lay(*trees):
        for path, text in {path: text for tree in trees for path, text in tree.items()}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return lay


STATES = [
    (checks.load_average, ALLOWED | {"proc/loadavg": "0.50 0.12 0.05 3/93 4090\n"}, "ok", "0.50 in the last minute"),
    (checks.load_average, ALLOWED | {"proc/loadavg": "6.00 0.12 0.05 3/93 4090\n"}, "note", "6.00"),
    (checks.load_average, ALLOWED | {"proc/loadavg": "nan"}, "unknown", "nan"),
    (checks.load_average, {"proc/loadavg": "0.50 0.12 0.05 3/93 4090\n"}, "unknown", "No such file"),
    (checks.governor, policies("scaling_governor", "performance\n", "performance\n"), "ok", "performance"),
    (checks.governor, policies("scaling_governor", "performance", "powersave"), "bad", "powersave"),
    (checks.governor, {}, "unknown", "no scaling_governor here"),
    (checks.governor, GUEST, "unknown", "a virtual machine hides it"),
    (checks.turbo, {f"{CPU}/intel_pstate/no_turbo": "1"}, "ok", "off"),
    (checks.turbo, {f"{CPU}/intel_pstate/no_turbo": "0"}, "note", "on"),
    (checks.turbo, {f"{CPU}/cpufreq/boost": "0"}, "ok", "off"),
    (checks.turbo, {f"{CPU}/cpufreq/boost": "1"}, "note", "on"),
    (checks.turbo, {f"{CPU}/cpufreq/boost": "perhaps"}, "unknown", "perhaps"),
    (checks.turbo, GUEST, "unknown", "a virtual machine hides it"),
    (checks.clock_spread, policies("scaling_cur_freq", "3400000", "3390000"), "ok", "3.39 to 3.40 GHz"),
    (checks.clock_spread, policies("scaling_cur_freq", "3400000", "800000"), "note", "0.80 to 3.40 GHz"),
    (checks.clock_spread, policies("scaling_cur_freq", "<unknown>"), "unknown", "<unknown>"),
    (checks.clock_spread, policies("scaling_cur_freq", "0"), "unknown", "zero"),
    (checks.memory_free, ROOMY, "ok", "8.2 of 16.4 GB"),
    (checks.memory_free, {"proc/meminfo": MEMORY.format(free=900_000, total=0, left=0)}, "bad", "0.9 of 16.4 GB"),
    (checks.memory_free, {"proc/meminfo": "MemTotal: lots"}, "unknown", "MemAvailable"),
    (checks.temperature, {"sys/class/thermal/thermal_zone0/temp": "41000\n"}, "ok", "41 °C"),
    (
        checks.temperature,
        {"sys/class/thermal/thermal_zone0/temp": "41000", "sys/class/thermal/thermal_zone1/temp": "97000"},
        "bad",
        "97 °C",
    ),
    (checks.temperature, {"sys/class/thermal/thermal_zone0/temp": "warm"}, "unknown", "warm"),
    (checks.hyper_threads, HOST | siblings("0", "1"), "ok", "2 physical cores"),
    (checks.hyper_threads, siblings("0,2", "1,3", "0,2", "1,3"), "note", "4 logical cores on 2 physical"),
    (checks.hyper_threads, siblings("0-1", "0-1"), "note", "2 logical cores on 1 physical"),
    (checks.hyper_threads, GUEST | siblings("0", "1"), "unknown", "virtual machine"),
    (checks.hyper_threads, siblings("one"), "unknown", "one"),
    (checks.affinity, ALLOWED | {f"{CPU}/online": "0-3\n"}, "ok", "4 of 4"),
    (checks.affinity, ALLOWED | {f"{CPU}/online": "0-7,16\n"}, "note", "4 of 9"),
    (checks.affinity, ALLOWED | {f"{CPU}/online": ""}, "unknown", "''"),
    (checks.cpu_quota, ALLOWED | IN_GROUP, "ok", "none below the 4 cores"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/b/cpu.max": "max 100000\n"}, "ok", "none"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/b/cpu.max": "400000 100000\n"}, "ok", "none"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/cpu.max": "250000 100000\n"}, "bad", "2.5 of 4 cores"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/cpu.max": "much"}, "unknown", "unpack"),
    (checks.cpu_quota, ALLOWED, "unknown", "No such file"),
    (checks.cpu_quota, ALLOWED | {"proc/self/cgroup": "0::/\n"}, "unknown", "no control groups"),
    (
        checks.cpu_quota,
        ALLOWED
        | IN_OLD_GROUP
        | {
            f"{CGROUP}/cpu,cpuacct/a/cpu.cfs_quota_us": "50000",
            f"{CGROUP}/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            f"{CGROUP}/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            f"{CGROUP}/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
        "bad",
        "0.5 of 4 cores",
    ),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "max"}, "ok", "none below 16.4 GB"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "4000000000"}, "note", "4.0 of 16.4 GB"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/b/memory.max": "900000000"}, "bad", "0.9 of 16.4 GB"),
    (
        checks.memory_limit,
        ROOMY | IN_OLD_GROUP | {f"{CGROUP}/memory/memory.limit_in_bytes": "9223372036854771712"},
        "ok",
        "none",
    ),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "all"}, "unknown", "all"),
    (checks.huge_pages, huge("always [madvise] never", "always defer [madvise] never"), "ok", "madvise"),
    (checks.huge_pages, huge("[always] madvise never", "[always] defer madvise never"), "note", "may wait"),
    (checks.huge_pages, huge("always madvise [never]", "[always] defer madvise never"), "ok", "never"),
    (checks.huge_pages, huge("always", "never"), "unknown", "always"),
    (checks.numa, {"sys/devices/system/node/online": "0\n"}, "ok", "1 node"),
    (checks.numa, {"sys/devices/system/node/online": "0-1\n"}, "note", "2 nodes"),
    (checks.numa, {}, "unknown", "No such file"),
    (checks.virtual_machine, HOST, "ok", "no"),
    (checks.virtual_machine, GUEST, "note", "other guests"),
    (checks.virtual_machine, {"proc/cpuinfo": "Features : fp asimd"}, "unknown", "Features"),
    (checks.clock_source, clocks("tsc\n"), "ok", "tsc"),
    (checks.clock_source, clocks("kvm-clock\n"), "note", "kvm-clock"),
    (checks.clock_source, clocks("hpet\n"), "bad", "slow to read"),
    (checks.clock_source, clocks("sundial"), "unknown", "sundial"),
]


def check(found, level, words):
    """A finding says what it should; what is no harm needs no mending, what is some has a remedy."""
    assert (found.level, words in found.found) == (level, True), found
    assert bool(found.mend) == (level in ("bad", "note"))
    assert [command for command in re.findall(r"`([^`]+)`", found.mend) if len(command) > 75] == []
    assert found.mend.count("`") % 2 == 0


@pytest.mark.parametrize(("look", "files", "level", "words"), STATES)
def test_a_state_is_read_and_judged(look, files, level, words, machine):
    """Each look tells a good machine from a bad one, and says why it cannot tell."""
    check(look(machine(files)), level, words)


def stat(*, steal=0, idle=1000):
    return {"proc/stat": f"cpu  100 0 50 {idle} 5 0 7 {steal} 0 0\ncpu0 100 0 50 {idle} 5 0 7 {steal} 0 0\n"}


def swapped(pages, *, total=0, left=0):
    return {
        "proc/meminfo": MEMORY.format(free=8_000_000, total=total, left=left),
        "proc/vmstat": f"nr_free_pages 1\npswpin {pages}\npswpout 0\n",
    }


def throttled(*counts):
    return {f"{CPU}/cpu{number}/thermal_throttle/core_throttle_count": text for number, text in enumerate(counts)}


def stalled(text):
    return IN_GROUP | {f"{CGROUP}/a/cpu.stat": text}


CHANGES = [
    (checks.steal, stat(), stat(idle=2000), "ok", "took 0.0 %"),
    (checks.steal, stat(), stat(steal=250, idle=1750), "bad", "took 25.0 %"),
    (checks.steal, stat(steal=5), stat(idle=2000), "unknown", "backwards"),
    (checks.steal, {}, {}, "unknown", "cannot read proc/stat"),
    (checks.steal, {"proc/stat": "cpu 1 2 3"}, {"proc/stat": "cpu 2 3 4"}, "unknown", "cpu 1 2 3"),
    (checks.swap, swapped(7), swapped(7), "ok", "none"),
    (checks.swap, swapped(7, total=4_000_000, left=4_000_000), {}, "ok", "0.0 of 4.1 GB used"),
    (checks.swap, swapped(7, total=4_000_000, left=1_000_000), {}, "note", "3.1 of 4.1 GB used"),
    (checks.swap, swapped(7, total=9, left=9), swapped(1007, total=9, left=9), "bad", "MB moved meanwhile"),
    (checks.swap, swapped("many"), {}, "unknown", "pswpin"),
    (checks.throttling, throttled("0", "0"), {}, "ok", "0 times meanwhile"),
    (checks.throttling, throttled("3", "1"), {}, "note", "4 since the start"),
    (checks.throttling, throttled("3", "1"), throttled("3", "6"), "bad", "5 times meanwhile"),
    (checks.throttling, throttled("hot"), {}, "unknown", "hot"),
    (checks.throttling, {}, throttled("0"), "unknown", "cannot read"),
    (checks.throttling, {}, {}, "unknown", "no core_throttle_count"),
    (checks.quota_stalls, stalled("nr_periods 9\nnr_throttled 4\n"), {}, "ok", "0 times"),
    (checks.quota_stalls, stalled("nr_throttled 4\n"), stalled("nr_throttled 9\n"), "bad", "5 times"),
    (checks.quota_stalls, stalled("nr_throttled often\n"), {}, "unknown", "often"),
    (checks.quota_stalls, {}, {}, "unknown", "no control group"),
]


@pytest.mark.parametrize(("look", "first", "then", "level", "words"), CHANGES)
def test_a_change_is_read_and_judged(look, first, then, level, words, machine):
    """What counts is judged by how it grew while it was watched, not by what it was before."""
    before = checks.counters(machine(first))
    after = checks.counters(machine(then))

    check(look(before, after), level, words)


def test_every_look_is_taken():
    """Each finding that the files can give is in one of the two lists, once."""
    looks = [thing for thing in vars(checks).values() if hasattr(thing, "__wrapped__")]

    assert sorted(map(str, looks)) == sorted(map(str, (*checks.STATES, *checks.CHANGES)))
    assert {look for look, *_ in STATES} == set(checks.STATES)
    assert {look for look, *_ in CHANGES} == set(checks.CHANGES)


@pytest.mark.parametrize("junk", ["", "\n\n", "-", "0-99999999999", "9" * 5000, "\x1b[31m", "a:b", ":::", "[", "0 0"])
def test_junk_never_raises(junk, machine):
    """Whatever a file holds, a look gives a finding, short and of printable letters."""
    files = {path: junk for _, tree, *_ in STATES for path in tree}
    root = machine(files, {path: junk for _, *trees, _, _ in CHANGES for tree in trees for path in tree})
    found = [look(root) for look in checks.STATES]
    found += [look(checks.counters(root), checks.counters(root)) for look in checks.CHANGES]

    assert all(len(one.found) <= finding.LONGEST and one.found.isprintable() for one in found)


def test_a_forbidden_file_is_unknown(machine, monkeypatch):
    """What may not be read is unknown, and why."""

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    root = machine({"proc/loadavg": "0.50 0.12 0.05 3/93 4090\n"})
    monkeypatch.setattr(Path, "read_text", refuse)

    check(checks.load_average(root), "unknown", "loadavg: Permission denied")


def test_a_folder_in_a_files_place_is_unknown(machine):
    """A path that is not a file does not end the examination."""
    root = machine({f"{CLOCK}/current_clocksource/x": "", f"{CLOCK}/available_clocksource": "tsc"})

    check(checks.clock_source(root), "unknown", "Is a directory")


QUIET = {1: ("init", 5.0), 7: ("python3", 10.0), 9: ("cc1", 1.0), 11: ("bash", 0.0)}


@pytest.mark.parametrize(
    ("share", "after", "level", "words"),
    [
        (0.004, QUIET, "ok", "others used 0 % of"),
        (0.05, QUIET | {9: ("cc1", 1.2)}, "note", "most of it cc1 (pid 9)"),
        (0.34, QUIET | {7: ("python3", 11.5), 12: ("ld", 0.3)}, "bad", "most of it python3 (pid 7), ld (pid 12)"),
        (0.34, QUIET, "bad", "none of it a process seen here"),
        (0.34, QUIET | {8: ("\x1b[2Jx", 9.0)}, "bad", "?[2Jx (pid 8)"),
    ],
)
def test_foreign_load_names_who(share, after, level, words):
    """The finding names the processes whose CPU time grew most, and how long they were watched."""
    found = doctor.foreign_load(share, QUIET, after, seconds=3.0)

    check(found, level, words)
    assert "in 3 s" in found.found


def test_foreign_load_names_three():
    """A long list would hide the busiest."""
    after = {pid: ("x", float(pid)) for pid in range(100, 110)}

    assert doctor.foreign_load(0.5, {}, after, seconds=3.0).found.count("pid") == 3


def test_processes_are_others(monkeypatch):
    """This process and those whose times are hidden are left out."""
    Times, One = namedtuple("Times", "user system"), namedtuple("One", "pid info")
    some = [
        One(os.getpid(), {"name": "me", "cpu_times": Times(9.0, 9.0)}),
        One(5, {"name": None, "cpu_times": Times(1.0, 0.5)}),
        One(6, {"name": "secret", "cpu_times": None}),
    ]
    monkeypatch.setattr("psutil.process_iter", lambda _: some)

    assert doctor.processes() == {5: ("?", 1.5)}


STEADY = [0.005] * 200


@pytest.mark.parametrize(
    ("walls", "cpus", "level", "words"),
    [
        (STEADY, STEADY, "ok", "loop of 5.00 ms, p95/median 1.00 (CPU 5.00 ms, 1.00); p95 of waiting 0.0 %"),
        ([0.005] * 180 + [0.008] * 20, STEADY, "bad", "p95 of waiting 60.0 %"),
        ([0.010] * 200, STEADY, "bad", "p95/median 1.00 (CPU 5.00 ms, 1.00); p95 of waiting 100.0 %"),
        ([0.005] * 199 + [0.1], STEADY, "ok", "p95/median 1.00"),
        ([0.005] * 180 + [0.007] * 20, [0.005] * 180 + [0.007] * 20, "note", "p95/median 1.40"),
        (STEADY, [0.0] * 200, "unknown", "zero"),
        ([0.005], [0.005], "unknown", "data point"),
    ],
)
def test_jitter_is_judged_on_both_clocks(walls, cpus, level, words):
    """Waiting is bad even if all loops wait alike; a rare hiccup is not; uneven CPU time is worth a note."""
    check(doctor.jitter(walls, cpus), level, words)


def test_loops_are_timed_on_both_clocks(monkeypatch):
    """There are as many loops as asked for, of about the length asked for, and none takes more CPU than it lasts."""
    monkeypatch.setattr(doctor, "LOOPS", 20)
    walls, cpus = doctor.loops(0.0)

    assert len(walls) == len(cpus) == 20
    assert sum(cpus) <= 1.01 * sum(walls)
    assert min(walls) > doctor.LOOP_SECONDS / 10


@pytest.fixture
def smi(monkeypatch, tmp_path):
    """Puts a made-up `nvidia-smi` on the path: it answers each field as told and fails for others."""

    def install(answers):
        cases = "\n".join(f"--query-gpu={field}) printf '{answer}' ;;" for field, answer in answers.items())
        (tmp_path / "nvidia-smi").write_text(
            f'#!/bin/sh\ncase "$1" in\n{cases}\n*) echo no such field; exit 2 ;;\nesac\n'
        )
        (tmp_path / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return install


@pytest.mark.parametrize("field", ["clocks_event_reasons.active", "clocks_throttle_reasons.active"])
@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("0x0000000000000001\\n", "ok", "GPU 0: reasons 0x1"),
        ("0x0000000000000004\\n", "note", "limit of power"),
        ("0x0000000000000000\\n0x0000000000000040\\n", "bad", "GPU 1: reasons 0x40"),
        ("[N/A]\\n", "unknown", "[N/A]"),
        ("", "ok", "no GPU"),
    ],
)
def test_gpu_clocks_are_judged(field, answer, level, words, smi):
    """A GPU that heat slows is bad under either name of the field."""
    smi({field: answer})

    check(doctor.gpu_clocks(), level, words)


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ("Enabled\\nEnabled\\n", "ok", "on"),
        ("Enabled\\nDisabled\\n", "note", "off"),
        ("[Not Supported]", "unknown", "Supported"),
    ],
)
def test_gpu_persistence_is_judged(answer, level, words, smi):
    """One GPU without persistence is worth a note."""
    smi({"persistence_mode": answer})

    check(doctor.gpu_persistence(), level, words)


def test_a_broken_driver_is_unknown(smi):
    """What the tool says when it fails is the reason."""
    smi({})

    check(doctor.gpu_clocks(), "unknown", "no such field")
    check(doctor.gpu_persistence(), "unknown", "no such field")


def test_this_machine_is_examined():
    """A real examination gives every finding once, with a fact for each."""
    findings = doctor.examine(seconds=0.1)
    names = [one.name for one in findings]

    assert {"foreign load", "clock jitter", "steal time", "governor", "virtual machine"} <= set(names)
    assert len(set(names)) == len(names) >= 20
    assert all(one.found for one in findings)
    assert len({one.level for one in findings}) > 1


def test_an_empty_machine_is_unknown(monkeypatch, tmp_path):
    """Where no file can be read nothing is said to be fine because of it, and nothing fails."""
    monkeypatch.setattr(doctor, "LOOPS", 5)
    monkeypatch.setattr(doctor.shutil, "which", lambda _: None)
    findings = doctor.examine(seconds=0.0, root=tmp_path)

    assert {one.level for one in findings if one.name not in ("foreign load", "clock jitter")} == {"unknown"}


def some(*levels):
    mends = {"bad": "mend it: `sudo mend --all`, then `reboot`", "note": "know it"}
    return [
        Finding(name=f"thing {level}", level=level, found=f"[red]{level}", mend=mends.get(level, ""))
        for level in levels
    ]


def drawn(findings):
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    doctor.show(findings, console)
    return console.file.getvalue()


def test_the_table_puts_the_worst_first():
    """Rows go from bad to ok with a word for each level, and texts stand as they are."""
    text = drawn(some("ok", "unknown", "bad", "note"))

    assert re.findall(r"^ (\w+) +thing", text, re.MULTILINE) == ["bad", "note", "unknown", "ok"]
    assert "[red]unknown" in text


def test_commands_can_be_copied():
    """Each stands whole on a line of its own, and its number in the table."""
    lines = drawn(some("bad", "bad")).splitlines()

    assert "(1) sudo mend --all" in lines
    assert "(4) reboot" in lines
    assert any("mend it: (3), then (4)" in line for line in lines)


def test_the_table_fits_80_columns():
    """Neither this machine's findings nor the longest there may be are wider."""
    long = Finding(name="n" * 30, level="bad", found="x" * finding.LONGEST, mend=f"`{'y' * 200}`")

    for findings in (doctor.examine(seconds=0.1), [long]):
        assert max(map(len, drawn(findings).splitlines())) <= 80


@pytest.mark.parametrize(
    ("levels", "code", "sentence"),
    [
        (["ok", "note", "unknown"], 0, "Quiet: nothing bad in 2 findings, 1 to know; 1 cannot be told here."),
        (["bad", "ok"], 1, "Noisy: 1 thing to mend; figures carry wider intervals until then."),
        (["bad", "ok", "bad"], 1, "Noisy: 2 things to mend; figures carry wider intervals until then."),
    ],
)
def test_the_verdict(levels, code, sentence):
    """One sentence ends the table; the exit code is 1 if something is bad."""
    findings = some(*levels)

    assert drawn(findings).splitlines()[-1] == sentence
    assert doctor.exit_code(findings) == code


def test_findings_are_plain_values():
    """A program gets the same, worst first."""
    values = doctor.to_json(some("ok", "bad"))

    assert json.loads(json.dumps(values)) == values
    assert [value["level"] for value in values] == ["bad", "ok"]
    assert list(values[0]) == ["name", "level", "found", "mend"]


def test_there_are_four_levels():
    """A level that a table could not rank is refused."""
    with pytest.raises(ValueError, match="`level` must be one of bad, note, unknown, ok"):
        Finding(name="n", level="fatal", found="f")
