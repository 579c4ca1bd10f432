"""What makes this machine noisy, and what to do about it: all findings, as a table and as a verdict."""

import os
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, thread_time

from bench.machine import checks, facts
from bench.machine.facts import BUSY_SHARE
from bench.machine.finding import LEVELS, Finding, Said, named

COLOURS = {"bad": "bold red", "note": "yellow", "unknown": "dim", "ok": "green"}
SEEN_SHARE = 0.02  # what an idle system does for itself stays below it
LOOPS, LOOP_SECONDS = 200, 0.005  # each as short as a quick step; 10 of them lie beyond the 95th percentile
# Here the 95th percentile of the wait was under 0.1 % of a loop when quiet, and 140 % with more threads than cores.
WAIT_SHARE = 0.05
CPU_SPREAD = 1.1  # 95th percentile over median of the CPU time of a loop: here 1.03 to 1.05 when quiet
SLOWED, CAPPED = 0xE8, 0x04  # NVML's bits: slowed by hardware, heat or power brake; held at the limit of power
SMI_SECONDS = 20  # without persistence the driver starts anew for each call, which takes some seconds

Processes = dict[int, tuple[str, float]]  # name and CPU seconds of each


def processes() -> Processes:
    """All processes but this one that can be seen."""
    import psutil

    found = {}
    for one in psutil.process_iter(["name", "cpu_times"]):
        times = one.info["cpu_times"]
        if times and one.pid != os.getpid():
            found[one.pid] = one.info["name"] or "?", times.user + times.system
    return found


@named("foreign load")
def foreign_load(share: float, before: Processes, after: Processes, *, seconds: float) -> Said:
    """How much CPU time others used, and who.

    Args:
        share: CPU time of others over all there was, 0 to 1.
        before: Processes when the watch began …
        after: … and when it ended; those that came meanwhile used all their time meanwhile.
        seconds: How long the watch was.
    """
    used = {pid: total - before.get(pid, (name, 0.0))[1] for pid, (name, total) in after.items()}
    busiest = [pid for pid in sorted(used, key=used.get, reverse=True)[:3] if used[pid] > 0]
    found = f"others used {100 * share:.0f} % of {os.cpu_count()} cores in {seconds:.0f} s"
    if share <= SEEN_SHARE:
        return "ok", found, ""
    level = "bad" if share > BUSY_SHARE else "note"
    if not busiest:
        return level, f"{found}, none of it a process seen here", "they ended meanwhile, or are the host's"
    who = ", ".join(f"{after[pid][0]} (pid {pid})" for pid in busiest)
    pids = ",".join(map(str, busiest))
    return level, f"{found}, most of it {who}", f"stop them or wait until they end: `ps -o pid,etime,args -p {pids}`"


def loops(seconds: float) -> tuple[list[float], list[float]]:
    """Times a fixed busy loop, at least `LOOPS` times and until `seconds` are over.

    Returns:
        Wall seconds and CPU seconds of this thread, one of each a loop.
    """

    def timed(length: int) -> tuple[float, float]:
        start, cpu_start = perf_counter(), thread_time()
        sum(range(length))
        return perf_counter() - start, thread_time() - cpu_start

    probe = 50_000
    length = int(probe * LOOP_SECONDS / min(timed(probe)[0] for _ in range(20)))
    end, times = perf_counter() + seconds, []
    while len(times) < LOOPS or perf_counter() < end:
        times.append(timed(length))
    walls, cpus = zip(*times, strict=True)
    return list(walls), list(cpus)


@named("clock jitter")
def jitter(walls: list[float], cpus: list[float]) -> Said:
    """Whether a loop that is always the same takes always the same time.

    A wait (wall time that is not CPU time) is time in which another thread or guest had the core.
    """
    wall, cpu = median(walls), median(cpus)
    late_wall, late_cpu = quantiles(walls, n=20)[-1] / wall, quantiles(cpus, n=20)[-1] / cpu
    wait = quantiles([one - other for one, other in zip(walls, cpus, strict=True)], n=20)[-1] / cpu
    found = (
        f"loop of {1e3 * wall:.2f} ms, p95/median {late_wall:.2f} (CPU {1e3 * cpu:.2f} ms, {late_cpu:.2f}); "
        f"p95 of waiting {100 * max(0.0, wait):.1f} %"
    )
    if wait > WAIT_SHARE:
        return "bad", found, "others had our core: stop what runs beside, or take a machine of your own"
    if late_cpu > CPU_SPREAD:
        return "note", found, "the same work takes uneven CPU time: look at clock, heat and guests that share caches"
    return "ok", found, ""


def _smi(field: str) -> str:
    """What NVIDIA's tool says of a field, one line a GPU."""
    command = ("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SMI_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise ValueError(f"nvidia-smi took over {SMI_SECONDS} s") from late
    if done.returncode:
        raise ValueError(f"nvidia-smi failed: {(done.stdout or done.stderr).strip()}")
    return done.stdout.strip()


@named("GPU clocks")
def gpu_clocks() -> Said:
    """Whether a GPU is slowed down."""
    try:
        text = _smi("clocks_event_reasons.active")
    except ValueError:
        text = _smi("clocks_throttle_reasons.active")  # as older drivers call it
    reasons = [int(line, 16) for line in text.splitlines()]
    found = ", ".join(f"GPU {number}: reasons 0x{reason:x}" for number, reason in enumerate(reasons))
    if any(reason & SLOWED for reason in reasons):
        return "bad", f"slowed by heat or hardware ({found})", "look at heat and power: `nvidia-smi -q -d PERFORMANCE`"
    if any(reason & CAPPED for reason in reasons):
        return "note", f"held at the limit of power ({found})", "for steadier clocks: `sudo nvidia-smi -lgc MIN,MAX`"
    return "ok", found or "no GPU", ""


@named("GPU persistence")
def gpu_persistence() -> Said:
    """Whether the driver stays loaded between processes."""
    modes = _smi("persistence_mode").splitlines()
    if unclear := set(modes) - {"Enabled", "Disabled"}:
        raise ValueError(f"expected Enabled or Disabled. Received: {sorted(unclear)}")
    if "Disabled" in modes:
        return "note", "off: each process waits for the driver", "`sudo nvidia-smi -pm 1`"
    return "ok", "on", ""


def examine(*, seconds: float = 3.0, root: Path = Path("/")) -> list[Finding]:
    """Looks at everything, once; keeps one core busy while it watches, since only who wants to run is kept waiting.

    Args:
        seconds: How long to watch what changes; at least a second.
        root: Where the system's files lie.
    """
    before, others, load, start = checks.counters(root), processes(), facts.ForeignLoad(), perf_counter()
    walls, cpus = loops(seconds)
    share, elapsed = load.share(), perf_counter() - start
    after = checks.counters(root)
    return [
        foreign_load(share, others, processes(), seconds=elapsed),
        jitter(walls, cpus),
        *(change(before, after) for change in checks.CHANGES),
        *(state(root) for state in checks.STATES),
        *([gpu_clocks(), gpu_persistence()] if shutil.which("nvidia-smi") else []),
    ]


def verdict(findings: list[Finding]) -> str:
    """All findings in one sentence."""
    count = {level: sum(one.level == level for one in findings) for level in LEVELS}
    if count["bad"]:
        things = "1 thing" if count["bad"] == 1 else f"{count['bad']} things"
        return f"Noisy: {things} to mend; figures carry wider intervals until then."
    told = len(findings) - count["unknown"]
    return f"Quiet: nothing bad in {told} findings, {count['note']} to know; {count['unknown']} cannot be told here."


def exit_code(findings: list[Finding]) -> int:
    """0 if nothing is bad, 1 if something is."""
    return int(any(one.level == "bad" for one in findings))


def to_json(findings: list[Finding]) -> list[dict[str, str]]:
    """Findings as plain values, in the order of the table."""
    return [asdict(one) for one in _worst_first(findings)]


def _worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: LEVELS.index(one.level))


def show(findings: list[Finding], console) -> None:
    """Draws findings on a rich console, worst first, and the verdict; fits 80 columns.

    Commands stand below the table, where they can be copied whole; the table has their numbers.
    """
    from rich import box, table, text

    drawn = table.Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("", "name", "found", "what to do"):
        drawn.add_column(column, overflow="fold")
    commands = []

    def numbered(command: re.Match) -> str:
        commands.append(command[1])
        return f"({len(commands)})"

    for one in _worst_first(findings):
        mend = re.sub(r"`([^`]+)`", numbered, one.mend)
        level = text.Text(one.level, style=COLOURS[one.level])
        drawn.add_row(level, *map(text.Text, (one.name, one.found, mend)))
    console.print(drawn)
    for number, command in enumerate(commands, start=1):
        console.print(f"({number}) {command}", markup=False, highlight=False)
    style = COLOURS["bad" if exit_code(findings) else "ok"]
    console.print(f"\n{verdict(findings)}", style=style, markup=False, highlight=False)
