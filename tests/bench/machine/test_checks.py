"""Checks of the kernel's files, on made-up machines."""

import re
from pathlib import Path

import pytest

from bench.machine import checks, finding

CGROUP = "sys/fs/cgroup"
ALLOWED = {"proc/self/status": "Name:\tpython\nCpus_allowed_list:\t0-3\n"}
MEMORY = "MemTotal:       16000000 kB\nMemAvailable:   {free} kB\nSwapTotal: {total} kB\nSwapFree: {left} kB\n"
ROOMY = {"proc/meminfo": MEMORY.format(free=8_000_000, total=0, left=0)}
IN_GROUP = {"proc/self/cgroup": "0::/a/b\n", f"{CGROUP}/a/b/cgroup.procs": ""}
IN_OLD_GROUP = {"proc/self/cgroup": "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/\n"}
OLD_QUOTA = {
    f"{CGROUP}/cpu,cpuacct/a/cpu.cfs_quota_us": "50000",
    f"{CGROUP}/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
    f"{CGROUP}/cpu,cpuacct/cpu.cfs_quota_us": "-1",
    f"{CGROUP}/cpu,cpuacct/cpu.cfs_period_us": "100000",
}
UNLIMITED = {f"{CGROUP}/memory/memory.limit_in_bytes": "9223372036854771712"}


@pytest.fixture
def machine(tmp_path):
    """Writes the files of a made-up machine; later ones replace earlier ones."""

    def write(*trees):
        for path, text in {path: text for tree in trees for path, text in tree.items()}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return tmp_path

    return write


STATES = [
    (checks.free_memory, ROOMY, "ok", "8.2 of 16.4 GB"),
    (checks.free_memory, {"proc/meminfo": MEMORY.format(free=900_000, total=0, left=0)}, "bad", "0.9 of 16.4 GB"),
    (checks.free_memory, {"proc/meminfo": "MemTotal: lots"}, "unknown", "MemAvailable"),
    (checks.cpu_quota, ALLOWED | IN_GROUP, "ok", "none below the 4 usable cores"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/b/cpu.max": "max 100000\n"}, "ok", "none"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/b/cpu.max": "400000 100000\n"}, "ok", "none"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/cpu.max": "250000 100000\n"}, "bad", "2.5 of 4 cores"),
    (checks.cpu_quota, ALLOWED | IN_GROUP | {f"{CGROUP}/a/cpu.max": "much"}, "unknown", "unpack"),
    (checks.cpu_quota, ALLOWED, "unknown", "No such file"),
    (checks.cpu_quota, ALLOWED | {"proc/self/cgroup": "0::/\n"}, "unknown", "no control groups"),
    (checks.cpu_quota, ALLOWED | IN_OLD_GROUP | OLD_QUOTA, "bad", "0.5 of 4 cores"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "max"}, "ok", "none below 16.4 GB"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "4000000000"}, "note", "4.0 of 16.4 GB"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/b/memory.max": "900000000"}, "bad", "0.9 of 16.4 GB"),
    (checks.memory_limit, ROOMY | IN_OLD_GROUP | UNLIMITED, "ok", "none"),
    (checks.memory_limit, ROOMY | IN_GROUP | {f"{CGROUP}/a/memory.max": "all"}, "unknown", "all"),
]


def assert_finding(found, level, words):
    """A finding says what it should; a harmless one has no remedy, a harmful one has one that fits a line."""
    assert (found.level, words in found.fact) == (level, True), found
    assert bool(found.remedy) == (level in ("bad", "note"))
    assert [command for command in re.findall(r"`([^`]+)`", found.remedy) if len(command) > 75] == []


@pytest.mark.parametrize(("check", "files", "level", "words"), STATES)
def test_state_is_classified(check, files, level, words, machine):
    """Each check tells a good machine from a bad one, and says why it cannot tell."""
    assert_finding(check(machine(files)), level, words)


def stat(*, steal=0, idle=1000):
    return {"proc/stat": f"cpu  100 0 50 {idle} 5 0 7 {steal} 0 0\ncpu0 100 0 50 {idle} 5 0 7 {steal} 0 0\n"}


def swapped(pages, *, total=0, left=0):
    vmstat = f"nr_free_pages 1\npswpin {pages}\npswpout 0\n"
    return {"proc/meminfo": MEMORY.format(free=8_000_000, total=total, left=left), "proc/vmstat": vmstat}


def throttled(*counts):
    folder = "sys/devices/system/cpu"
    return {f"{folder}/cpu{cpu}/thermal_throttle/core_throttle_count": text for cpu, text in enumerate(counts)}


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
    (checks.swap, swapped(7, total=9, left=9), swapped(1007, total=9, left=9), "bad", "MB moved during"),
    (checks.swap, swapped("many"), {}, "unknown", "pswpin"),
    (checks.throttling, throttled("0", "0"), {}, "ok", "0 times during"),
    (checks.throttling, throttled("3", "1"), {}, "note", "4 since boot"),
    (checks.throttling, throttled("3", "1"), throttled("3", "6"), "bad", "5 times during"),
    (checks.throttling, throttled("hot"), {}, "unknown", "hot"),
    (checks.throttling, {}, throttled("0"), "unknown", "cannot read"),
    (checks.throttling, {}, {}, "unknown", "no core_throttle_count"),
    (checks.quota_stalls, stalled("nr_periods 9\nnr_throttled 4\n"), {}, "ok", "0 times"),
    (checks.quota_stalls, stalled("nr_throttled 4\n"), stalled("nr_throttled 9\n"), "bad", "5 times"),
    (checks.quota_stalls, stalled("nr_throttled often\n"), {}, "unknown", "often"),
    (checks.quota_stalls, {}, {}, "unknown", "no control group"),
]


@pytest.mark.parametrize(("check", "first", "then", "level", "words"), CHANGES)
def test_change_is_classified(check, first, then, level, words, machine):
    """What counts is classified by its growth during the watch, not by its value before."""
    before = checks.counters(machine(first))
    after = checks.counters(machine(then))

    assert_finding(check(before, after), level, words)


def test_every_check_is_listed():
    """Each check of the files is in one of the two lists, once, and tested above."""
    functions = [thing for thing in vars(checks).values() if hasattr(thing, "__wrapped__")]

    assert sorted(map(str, functions)) == sorted(map(str, (*checks.OF_STATE, *checks.OF_CHANGE)))
    assert {check for check, *_ in STATES} == set(checks.OF_STATE)
    assert {check for check, *_ in CHANGES} == set(checks.OF_CHANGE)


@pytest.mark.parametrize("junk", ["", "\n\n", "-", "0-99999999999", "9" * 5000, "\x1b[31m", "a:b", ":::", "[", "0 0"])
def test_junk_never_raises(junk, machine):
    """Whatever a file holds, a check gives a finding, short and of printable letters."""
    files = {path: junk for _, tree, *_ in STATES for path in tree}
    root = machine(files, {path: junk for _, *trees, _, _ in CHANGES for tree in trees for path in tree})
    findings = [check(root) for check in checks.OF_STATE]
    findings += [check(checks.counters(root), checks.counters(root)) for check in checks.OF_CHANGE]

    assert all(len(found.fact) <= finding.MAX_TEXT and found.fact.isprintable() for found in findings)


def test_forbidden_file_is_unknown(machine, monkeypatch):
    """A file that may not be read makes its finding unknown, with the reason."""

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    root = machine(ROOMY)
    monkeypatch.setattr(Path, "read_text", refuse)

    assert_finding(checks.free_memory(root), "unknown", "meminfo: Permission denied")


def test_folder_in_place_of_file_is_unknown(machine):
    """A path that is not a file does not end the examination."""
    assert_finding(checks.free_memory(machine({"proc/meminfo/x": ""})), "unknown", "Is a directory")
