"""Checks of the kernel's files for what makes a machine noisy: load, steal, quota, throttling, memory."""

import os
from collections.abc import Mapping
from pathlib import Path

from bench.machine.finding import (
    UNREADABLE,
    Answer,
    check,
    growth,
    read,
    read_all,
    search,
    usable_cores,
)
from bench.machine.own import resources

STEAL_SHARE = 0.01  # medians of a quiet machine differ by about 1 %: the host should take less than that
NEEDED_BYTES = 2e9  # TensorFlow itself takes 0.7 GB, the dense model with its optimizer another 0.9 GB
THROTTLE_COUNTS = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count"

Counters = Mapping[str, str]  # texts of files that count, by their path under the root


def counters(root: Path) -> Counters:
    """The files that count, as they are now; a check of change compares those of before and after a watch."""
    texts = {}
    for pattern in ("proc/stat", "proc/vmstat", "proc/meminfo", THROTTLE_COUNTS):
        texts |= read_all(root, pattern)
    try:
        folders = resources.control_groups("cpu", root)
    except UNREADABLE:
        return texts
    for folder in folders:
        texts |= read_all(root, f"{folder.relative_to(root)}/cpu.stat")
    return texts


def _bytes(meminfo: str, name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    return 1024 * int(search(rf"^{name}:\s+(\d+) kB$", meminfo))


@check("steal time")
def steal(before: Counters, after: Counters) -> Answer:
    """Whether the host ran other guests while we wanted to run."""
    first, last = (
        [int(ticks) for ticks in search(r"^cpu((?: +\d+){8})", texts["proc/stat"]).split()] for texts in (before, after)
    )
    share = growth(first[7], last[7]) / growth(sum(first), sum(last))
    fact = f"the host took {100 * share:.1f} % of CPU time"
    if share <= STEAL_SHARE:
        return "ok", fact, ""
    return "bad", fact, "the host is overbooked: try another hour, or a machine with dedicated cores"


@check("CPU quota")
def cpu_quota(root: Path) -> Answer:
    """Whether a control group grants less CPU time than the cores have, which frameworks do not see."""
    quota, cores = resources.cpu_quota(root), usable_cores(root)
    if quota >= len(cores):
        return "ok", f"none below the {len(cores)} usable cores", ""
    few = cores[: max(1, int(quota))]
    span = f"{few[0]}-{few[-1]}" if few[-1] - few[0] == len(few) - 1 else ",".join(map(str, few))
    fact = f"{quota:.2g} of {len(cores)} cores; beyond it all threads wait"
    return "bad", fact, f"raise it, or use as many cores: `taskset -c {span} python -m bench sweep`"


@check("quota stalls")
def quota_stalls(before: Counters, after: Counters) -> Answer:
    """Whether that quota stopped us during the watch."""
    names = [name for name, text in after.items() if name.endswith("cpu.stat") and "nr_throttled" in text]
    if not names:
        return "unknown", "no control group counts them here", ""
    counts = [sum(int(search(r"^nr_throttled (\d+)$", texts[name])) for name in names) for texts in (before, after)]
    fact = f"stopped {growth(*counts)} times during the watch"
    return ("bad", fact, "raise the CPU quota, or use fewer cores") if growth(*counts) else ("ok", fact, "")


@check("throttling")
def throttling(before: Counters, after: Counters) -> Answer:
    """Whether the CPU slows down because it is too hot."""
    names = [name for name in after if name.endswith("_throttle_count")]
    if not names:
        return "unknown", "no core_throttle_count here", ""
    grew = sum(growth(int(before[name]), int(after[name])) for name in names)
    ever = sum(int(after[name]) for name in names)
    fact = f"{grew} times during the watch, {ever} since boot"
    if grew:
        return "bad", fact, "let it cool and clean the fans; put a laptop on its charger and a hard table"
    return ("note", fact, "watch the temperature in long sweeps") if ever else ("ok", fact, "")


@check("free memory")
def free_memory(root: Path) -> Answer:
    """Whether a cell finds room."""
    text = read(root, "proc/meminfo")
    free, total = _bytes(text, "MemAvailable"), _bytes(text, "MemTotal")
    fact = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB"
    if free >= NEEDED_BYTES:
        return "ok", fact, ""
    return "bad", fact, "find out who holds it: `ps -eo rss,pid,args --sort=-rss | head`"


@check("memory limit")
def memory_limit(root: Path) -> Answer:
    """Whether a control group grants less memory than there is."""
    total = _bytes(read(root, "proc/meminfo"), "MemTotal")
    limit = min(total, resources.memory_limit(root))
    if limit == total:
        return "ok", f"none below {total / 1e9:.1f} GB", ""
    level = "note" if limit >= NEEDED_BYTES else "bad"
    fact = f"{limit / 1e9:.1f} of {total / 1e9:.1f} GB"
    return level, fact, "large batches may be killed: raise it, or leave them out"


@check("swap")
def swap(before: Counters, after: Counters) -> Answer:
    """Whether memory is written to a disk and read back."""
    total, free = (_bytes(after["proc/meminfo"], name) for name in ("SwapTotal", "SwapFree"))
    pages = [
        sum(int(search(rf"^{name} (\d+)$", texts["proc/vmstat"])) for name in ("pswpin", "pswpout"))
        for texts in (before, after)
    ]
    moved = growth(*pages) * os.sysconf("SC_PAGE_SIZE")
    if not total and not moved:
        return "ok", "there is none", ""
    fact = f"{(total - free) / 1e9:.1f} of {total / 1e9:.1f} GB used, {moved / 1e6:.1f} MB moved during the watch"
    if moved:
        return "bad", fact, "free memory, then bring everything back: `sudo swapoff -a`"
    return ("note", fact, "bring it back: `sudo swapoff -a`") if total > free else ("ok", fact, "")


OF_STATE = (cpu_quota, free_memory, memory_limit)  # what the files say at one moment
OF_CHANGE = (steal, quota_stalls, throttling, swap)  # how they changed during the watch
