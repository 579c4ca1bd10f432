"""What the system's files say of the things that make a machine noisy: one short function for each."""

import os
from pathlib import Path

from bench.machine.finding import (
    TROUBLE,
    Said,
    each,
    find,
    groups,
    growth,
    hidden,
    is_guest,
    listed,
    named,
    read,
    texts,
    usable_cores,
)

STOLEN_SHARE = 0.01  # medians of a quiet machine lie about 1 % apart: the host should take less than that
LEAST_BYTES = 2e9  # TensorFlow itself takes 0.7 GB, the dense model with its optimizer another 0.9 GB
UNEVEN_CLOCKS = 1.1  # fastest over slowest core
HOT_CELSIUS = 90  # most CPUs slow down between 95 and 105
GOOD_CLOCKS = {"tsc", "arch_sys_counter"}  # read by one instruction
SLOW_CLOCKS = {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"}  # each reading enters the kernel, or is rough

CPU = "sys/devices/system/cpu"
CLOCK = "sys/devices/system/clocksource/clocksource0"
HUGE = "sys/kernel/mm/transparent_hugepage"
Counters = dict[str, str]  # texts of files that count, by their path under the root


def counters(root: Path) -> Counters:
    """What the files that count say now; those of before and after a watch make a finding."""
    found = {}
    for pattern in ("proc/stat", "proc/vmstat", "proc/meminfo", f"{CPU}/cpu[0-9]*/thermal_throttle/*_throttle_count"):
        found |= texts(root, pattern)
    try:
        folders = groups(root, "cpu")
    except TROUBLE:
        return found
    for folder in folders:
        found |= texts(root, f"{folder.relative_to(root)}/cpu.stat")
    return found


def _kibibytes(text: str, name: str) -> int:
    """A line of /proc/meminfo, in bytes."""
    return 1024 * int(find(rf"^{name}:\s+(\d+) kB$", text))


@named("load average")
def load_average(root: Path) -> Said:
    """How many threads wanted to run in the last minute, ours among them."""
    load, cores = float(find(r"^(\d+\.\d+) ", read(root, "proc/loadavg"))), len(usable_cores(root))
    found = f"{load:.2f} in the last minute, {cores} cores"
    if load <= cores / 2:
        return "ok", found, ""
    return "note", found, "if that was not you, see who it is: `ps -eo pcpu,pid,etime,args --sort=-pcpu | head`"


@named("steal time")
def steal(before: Counters, after: Counters) -> Said:
    """Time in which we wanted to run and the host let others run."""
    then, now = (
        [int(ticks) for ticks in find(r"^cpu((?: +\d+){8})", of["proc/stat"]).split()] for of in (before, after)
    )
    share = growth(then[7], now[7]) / growth(sum(then), sum(now))
    found = f"the host took {100 * share:.1f} % of CPU time"
    if share <= STOLEN_SHARE:
        return "ok", found, ""
    return "bad", found, "the host is overbooked: take another hour, or a machine with cores of its own"


@named("governor")
def governor(root: Path) -> Said:
    """Who chooses the clock of the cores."""
    names = sorted(set(each(root, f"{CPU}/cpufreq/policy*/scaling_governor")))
    found = ", ".join(names)
    if names == ["performance"]:
        return "ok", found, ""
    return "bad", f"{found}: the clock follows the load", "keep it up: `sudo cpupower frequency-set -g performance`"


@named("turbo")
def turbo(root: Path) -> Said:
    """Whether cores may exceed the clock they can keep."""
    for path, on in ((f"{CPU}/intel_pstate/no_turbo", "0"), (f"{CPU}/cpufreq/boost", "1")):
        if (root / path).exists():
            value = find(r"^([01])$", read(root, path))
            if value != on:
                return "ok", "off", ""
            return (
                "note",
                "on: the clock depends on heat and on how many cores work",
                (f"for steadier, slower figures: `echo {1 - int(on)} | sudo tee /{path}`"),
            )
    return "unknown", f"no switch for it here{hidden(root)}", ""


@named("clock spread")
def clock_spread(root: Path) -> Said:
    """Whether all cores run at one clock."""
    clocks = [int(kilohertz) / 1e6 for kilohertz in each(root, f"{CPU}/cpufreq/policy*/scaling_cur_freq")]
    found = f"{min(clocks):.2f} to {max(clocks):.2f} GHz over the cores"
    if max(clocks) / min(clocks) <= UNEVEN_CLOCKS:
        return "ok", found, ""
    return "note", found, "idle cores may be slow; if busy ones are, keep to cores of one kind with `taskset`"


@named("swap")
def swap(before: Counters, after: Counters) -> Said:
    """Whether memory is written to a disk and read from it."""
    sizes = [_kibibytes(after["proc/meminfo"], name) for name in ("SwapTotal", "SwapFree")]
    pages = [
        sum(int(find(rf"^{name} (\d+)$", of["proc/vmstat"])) for name in ("pswpin", "pswpout"))
        for of in (before, after)
    ]
    moved = growth(*pages) * os.sysconf("SC_PAGE_SIZE")
    if not sizes[0] and not moved:
        return "ok", "there is none", ""
    found = f"{(sizes[0] - sizes[1]) / 1e9:.1f} of {sizes[0] / 1e9:.1f} GB used, {moved / 1e6:.1f} MB moved meanwhile"
    if moved:
        return "bad", found, "free memory, then bring all back: `sudo swapoff -a`"
    return ("note", found, "bring it back: `sudo swapoff -a`") if sizes[0] > sizes[1] else ("ok", found, "")


@named("memory free")
def memory_free(root: Path) -> Said:
    """Whether a cell finds room."""
    text = read(root, "proc/meminfo")
    free, total = _kibibytes(text, "MemAvailable"), _kibibytes(text, "MemTotal")
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB"
    if free >= LEAST_BYTES:
        return "ok", found, ""
    return "bad", found, "see who holds it: `ps -eo rss,pid,args --sort=-rss | head`"


@named("throttling")
def throttling(before: Counters, after: Counters) -> Said:
    """Whether the CPU slows down because it is too hot."""
    names = sorted(name for name in after if name.endswith("_throttle_count"))
    if not names:
        return "unknown", "no core_throttle_count here", ""
    grew = sum(growth(int(before[name]), int(after[name])) for name in names)
    ever = sum(int(after[name]) for name in names)
    found = f"{grew} times meanwhile, {ever} since the start"
    if grew:
        return "bad", found, "let it cool, clean the fans; a laptop on its power supply and a hard table"
    return ("note", found, "watch the heat in long sweeps") if ever else ("ok", found, "")


@named("temperature")
def temperature(root: Path) -> Said:
    """How hot the hottest part is."""
    hottest = max(int(text) for text in each(root, "sys/class/thermal/thermal_zone*/temp")) / 1000
    found = f"{hottest:.0f} °C at the hottest"
    return ("ok", found, "") if hottest < HOT_CELSIUS else ("bad", found, "let it cool before measuring")


@named("hyper-threads")
def hyper_threads(root: Path) -> Said:
    """Whether two logical cores share one that computes."""
    siblings = each(root, f"{CPU}/cpu[0-9]*/topology/thread_siblings_list")
    logical, physical = len(siblings), len({tuple(listed(text)) for text in siblings})
    if physical < logical:
        return (
            "note",
            f"{logical} logical cores on {physical} physical ones",
            (f"steadier without: `echo off | sudo tee /{CPU}/smt/control`"),
        )
    if is_guest(root):
        return "unknown", f"{logical} cores shown as physical ones, which a virtual machine may make up", ""
    return "ok", f"none: {physical} physical cores", ""


@named("affinity")
def affinity(root: Path) -> Said:
    """Whether this process may use all cores."""
    usable, online = len(usable_cores(root)), len(listed(read(root, f"{CPU}/online")))
    found = f"{usable} of {online} cores usable"
    if usable >= online:
        return "ok", found, ""
    return "note", found, f"if others use the rest, caches are shared; to have all: `taskset -cp 0-{online - 1} $$`"


def _quota(folder: Path) -> float:
    """Cores' worth of CPU time that a control group grants; infinite where it sets no limit."""
    if (folder / "cpu.max").exists():
        quota, period = read(folder, "cpu.max").split()
    elif (folder / "cpu.cfs_quota_us").exists():
        quota, period = read(folder, "cpu.cfs_quota_us"), read(folder, "cpu.cfs_period_us")
    else:
        return float("inf")
    return float("inf") if quota in ("max", "-1") else int(quota) / int(period)


@named("CPU quota")
def cpu_quota(root: Path) -> Said:
    """Whether a control group grants less CPU time than the cores have, which frameworks do not see."""
    quota, cores = min(map(_quota, groups(root, "cpu"))), usable_cores(root)
    if quota >= len(cores):
        return "ok", f"none below the {len(cores)} cores usable", ""
    some = cores[: max(1, int(quota))]
    span = f"{some[0]}-{some[-1]}" if some[-1] - some[0] == len(some) - 1 else ",".join(map(str, some))
    return (
        "bad",
        f"{quota:.2g} of {len(cores)} cores; beyond it all threads wait",
        (f"raise it, or use as many cores: `taskset -c {span} python -m bench sweep`"),
    )


@named("quota stalls")
def quota_stalls(before: Counters, after: Counters) -> Said:
    """Whether that quota stopped us meanwhile."""
    names = [name for name, text in after.items() if name.endswith("cpu.stat") and "nr_throttled" in text]
    if not names:
        return "unknown", "no control group counts them here", ""
    times = [sum(int(find(r"^nr_throttled (\d+)$", of[name])) for name in names) for of in (before, after)]
    found = f"stopped {growth(*times)} times meanwhile"
    return ("bad", found, "raise the CPU quota, or use fewer cores") if growth(*times) else ("ok", found, "")


@named("memory limit")
def memory_limit(root: Path) -> Said:
    """Whether a control group grants less memory than there is."""
    total = _kibibytes(read(root, "proc/meminfo"), "MemTotal")
    limits = [
        read(folder, name)
        for folder in groups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (folder / name).exists()
    ]
    limit = min([total, *(int(text) for text in limits if text != "max")])
    if limit == total:
        return "ok", f"none below {total / 1e9:.1f} GB", ""
    found = f"{limit / 1e9:.1f} of {total / 1e9:.1f} GB"
    return "note" if limit >= LEAST_BYTES else "bad", found, "large batches may be killed: raise it, or leave them out"


@named("huge pages")
def huge_pages(root: Path) -> Said:
    """Whether asking for memory may have to wait until the kernel has made a large page."""
    enabled, defrag = (find(r"\[(\S+)\]", read(root, f"{HUGE}/{name}")) for name in ("enabled", "defrag"))
    found = f"enabled {enabled}, defrag {defrag}"
    if defrag != "always" or enabled == "never":
        return "ok", found, ""
    return "note", f"{found}: asking for memory may wait", f"`echo madvise | sudo tee /{HUGE}/defrag`"


@named("NUMA")
def numa(root: Path) -> Said:
    """Whether some memory is farther away than other."""
    nodes = len(listed(read(root, "sys/devices/system/node/online")))
    if nodes == 1:
        return "ok", "1 node", ""
    return (
        "note",
        f"{nodes} nodes: memory may be far from its core",
        ("stay in one: `numactl -N 0 -m 0 python -m bench sweep`"),
    )


@named("virtual machine")
def virtual_machine(root: Path) -> Said:
    """Whether a host and its other guests share this hardware."""
    find(r"^(flags)\s*:", read(root, "proc/cpuinfo"))
    if not is_guest(root):
        return "ok", "no", ""
    return (
        "note",
        "yes: other guests share caches and memory bandwidth, unseen from here",
        ("compare figures of one sweep only, of many --rounds"),
    )


@named("clock source")
def clock_source(root: Path) -> Said:
    """What the clock is read from."""
    source, others = read(root, f"{CLOCK}/current_clocksource"), read(root, f"{CLOCK}/available_clocksource").split()
    if source not in others:
        raise ValueError(f"{source!r} is not among {others}")
    if source in GOOD_CLOCKS:
        return "ok", source, ""
    mend = f"`echo tsc | sudo tee /{CLOCK}/current*`" if "tsc" in others else "tsc is not to be had here"
    return ("bad", f"{source}: slow to read", mend) if source in SLOW_CLOCKS else ("note", source, mend)


STATES = (load_average, governor, turbo, clock_spread, memory_free, temperature, hyper_threads, affinity, cpu_quota)
STATES += (memory_limit, huge_pages, numa, virtual_machine, clock_source)  # of one moment
CHANGES = (steal, swap, throttling, quota_stalls)  # between two
