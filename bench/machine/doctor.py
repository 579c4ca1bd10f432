"""What makes this machine noisy, and what to do about it: all findings, as a table and in one sentence.

Why not `pyperf system`: it shows and sets clock frequencies, turbo, interrupts and scheduling, and does that well, so
none of it is here. It says nothing of who else uses the machine (load, steal by the host), of a container's quota, of
memory or of GPUs, which is what spoils figures on shared and rented machines.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from bench.machine import checks
from bench.machine.cpu_time import ForeignLoad
from bench.machine.facts import BUSY_SHARE
from bench.machine.finding import LEVELS, Answer, Finding, check

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {"bad": "bold red", "note": "yellow", "unknown": "dim", "ok": "green"}
IDLE_SHARE = 0.02  # what an idle system does for itself stays below it
LOOPS, LOOP_SECONDS = 200, 0.005  # each as short as a quick step; 10 of them lie beyond the 95th percentile
# Here the 95th percentile of the wait was under 0.1 % of a loop when quiet, and 140 % with more threads than cores.
WAIT_SHARE = 0.05
SLOWED, CAPPED = 0xE8, 0x04  # NVML's bits: slowed by hardware, heat or power brake; held at the power limit
SMI_SECONDS = 20  # without persistence the driver starts anew for each call, which takes some seconds
POINTER = "For clock frequencies, turbo, interrupts and ASLR: `uvx pyperf system show`."

Processes = dict[int, tuple[str, float]]  # name and CPU seconds by id


def processes() -> Processes:
    """All visible processes but this one."""
    import psutil

    seen = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times and process.pid != os.getpid():
            seen[process.pid] = process.info["name"] or "?", times.user + times.system
    return seen


@check("foreign load")
def foreign_load(share: float, before: Processes, after: Processes, *, seconds: float) -> Answer:
    """Whether others used CPU time, and who.

    Args:
        share: CPU time of others over all there was, 0 to 1.
        before: Processes when the watch began.
        after: Processes when it ended; those that started in between used all their time in between.
        seconds: How long the watch was.
    """
    used = {pid: total - before.get(pid, (name, 0.0))[1] for pid, (name, total) in after.items()}
    busiest = [pid for pid in sorted(used, key=lambda pid: used[pid], reverse=True)[:3] if used[pid] > 0]
    fact = f"others used {100 * share:.0f} % of {os.cpu_count()} cores in {seconds:.0f} s"
    if share <= IDLE_SHARE:
        return "ok", fact, ""
    level = "bad" if share > BUSY_SHARE else "note"
    if not busiest:
        return level, f"{fact}, none of it by a visible process", "they have ended, or belong to the host"
    names = ", ".join(f"{after[pid][0]} (pid {pid})" for pid in busiest)
    pids = ",".join(map(str, busiest))
    return level, f"{fact}, most of it {names}", f"stop them or wait until they end: `ps -o pid,etime,args -p {pids}`"


def busy_loops(seconds: float) -> tuple[list[float], list[float]]:
    """Times a fixed busy loop, at least `LOOPS` times and until `seconds` are over.

    Returns:
        Wall seconds and CPU seconds of this thread, of each loop.
    """

    def loop_seconds(length: int) -> tuple[float, float]:
        start, cpu_start = perf_counter(), thread_time()
        sum(range(length))
        return perf_counter() - start, thread_time() - cpu_start

    probe = 50_000
    length = int(probe * LOOP_SECONDS / min(loop_seconds(probe)[0] for _ in range(20)))
    end, times = perf_counter() + seconds, []
    while len(times) < LOOPS or perf_counter() < end:
        times.append(loop_seconds(length))
    walls, cpus = zip(*times, strict=True)
    return list(walls), list(cpus)


@check("waiting for a core")
def waiting(walls: Sequence[float], cpus: Sequence[float]) -> Answer:
    """Whether a busy loop waits: wall time that is not CPU time is another thread's or guest's turn on our core."""
    waits = [(wall - cpu) / cpu for wall, cpu in zip(walls, cpus, strict=True)]
    late = quantiles(waits, n=20)[-1]
    fact = f"95th percentile {100 * max(0.0, late):.1f} % of a busy loop's CPU time"
    if late <= WAIT_SHARE:
        return "ok", fact, ""
    return "bad", fact, "others had our core: stop what runs beside, or use a machine of your own"


def _query_gpus(field: str) -> str:
    """What nvidia-smi says of a field, a line per GPU."""
    command = ("nvidia-smi", f"--query-gpu={field}", "--format=csv,noheader")
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=SMI_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"nvidia-smi took over {SMI_SECONDS} s") from error
    if done.returncode:
        raise ValueError(f"nvidia-smi failed: {(done.stdout or done.stderr).strip()}")
    return done.stdout.strip()


@check("GPU clocks")
def gpu_clocks() -> Answer:
    """Whether a GPU is slowed down."""
    try:
        text = _query_gpus("clocks_event_reasons.active")
    except ValueError:
        text = _query_gpus("clocks_throttle_reasons.active")  # the name in older drivers
    reasons = [int(line, 16) for line in text.splitlines()]
    fact = ", ".join(f"GPU {number}: reasons 0x{reason:x}" for number, reason in enumerate(reasons))
    if any(reason & SLOWED for reason in reasons):
        return "bad", f"slowed by heat or hardware ({fact})", "check heat and power: `nvidia-smi -q -d PERFORMANCE`"
    if any(reason & CAPPED for reason in reasons):
        return "note", f"held at the power limit ({fact})", "for steadier clocks: `sudo nvidia-smi -lgc MIN,MAX`"
    return "ok", fact or "no GPU", ""


def examine(*, seconds: float = 3.0, root: Path = Path("/")) -> list[Finding]:
    """Runs every check once, worst findings first.

    It keeps one core busy while it watches, since the host steals time only from a guest that wants to run.

    Args:
        seconds: How long to watch what changes; at least a second.
        root: Where the kernel's files are.
    """
    before, others, load, start = checks.counters(root), processes(), ForeignLoad(), perf_counter()
    walls, cpus = busy_loops(seconds)
    share, elapsed = load.share(), perf_counter() - start
    after = checks.counters(root)
    findings = [
        foreign_load(share, others, processes(), seconds=elapsed),
        waiting(walls, cpus),
        *(check_change(before, after) for check_change in checks.OF_CHANGE),
        *(check_state(root) for check_state in checks.OF_STATE),
        *([gpu_clocks()] if shutil.which("nvidia-smi") else []),
    ]
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def verdict(findings: Sequence[Finding]) -> str:
    """All findings in one sentence."""
    count = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
    if count["bad"]:
        problems = "1 problem" if count["bad"] == 1 else f"{count['bad']} problems"
        return f"Noisy: {problems} to fix; until then intervals are wider."
    known = len(findings) - count["unknown"]
    return f"Quiet: nothing bad in {known} findings, {count['note']} worth knowing; {count['unknown']} unknown here."


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if nothing is bad, 1 if something is."""
    return int(any(finding.level == "bad" for finding in findings))


def to_json(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Findings as plain values."""
    return [asdict(finding) for finding in findings]


def show(findings: Sequence[Finding], console: "Console") -> None:
    """Draws findings and the verdict; fits 80 columns.

    Commands are printed below the table, where they can be copied whole; the table has their numbers.
    """
    from rich import box, table, text

    drawing = table.Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in ("", "name", "found", "what to do"):
        drawing.add_column(column, overflow="fold")
    commands: list[str] = []

    def number(command: re.Match[str]) -> str:
        commands.append(command[1])
        return f"({len(commands)})"

    for finding in findings:
        remedy = re.sub(r"`([^`]+)`", number, finding.remedy)
        level = text.Text(finding.level, style=COLOURS[finding.level])
        drawing.add_row(level, *map(text.Text, (finding.name, finding.fact, remedy)))
    console.print(drawing)
    for place, command in enumerate(commands, start=1):
        console.print(f"({place}) {command}", markup=False, highlight=False)
    style = COLOURS["bad" if exit_code(findings) else "ok"]
    console.print(f"\n{verdict(findings)}", style=style, markup=False, highlight=False)
    console.print(POINTER, style="dim", markup=False, highlight=False)
