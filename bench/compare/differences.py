"""Says what makes two sets of measurements no fair pair."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

from bench.machine.facts import BUSY_SHARE
from bench.results import identity
from bench.results.cell import RESIDENT, Cell
from bench.results.measurement import Measurement
from bench.run.data_source import CLASSES

BUSY_PART = 0.25  # a set with more of its figures taken while others used the CPU is of a busy machine

# Packages that no timed step runs, and the code itself, which is what is compared: not worth a note.
BESIDE = {"asv", "flowers-bench", "xprof"}

# Groups of facts that older sets do not say, and so do not contradict.
KEPT_LATER = ("physical_cores", "kernel_settings", "keras", "distributions")


def differences(base: Iterable[Measurement], candidate: Iterable[Measurement]) -> list[str]:
    """What differs in what matters, each as `tensorflow 2.20.0, 2.21.0`: base's value, then candidate's.

    Machine, usable cores, Python, packages, libraries, telling environment variables, harness version, data; a
    set that mixes several values of these, or two codes, as `2.20.0 + 2.21.0`; uncommitted changes, which may be of
    the harness itself; a machine that was busy; measurements that are in both sets. The code is no reason: it is what
    is compared.
    """
    sets = list(base), list(candidate)
    cells = {stored.cell for members in sets for stored in members}
    machines = [_first_of_each(members, _machine_key) for members in sets]
    reasons = _unlike(machines, lambda stored: _facts(stored, cells))
    for group in KEPT_LATER:
        reasons += _unlike(machines, lambda stored, of=group: identity.surroundings(stored.machine, cells).get(of))
    reasons += _unlike(machines, lambda stored: _libraries(stored.machine))
    read = [_first_of_each(members, lambda stored: (id(stored.data), stored.cell)) for members in sets]
    # a resident batch has no photos
    reasons += _unlike(read, lambda stored: _names(stored.data) if "photos" in stored.data else None)
    reasons += _other_content(read, cells)
    reasons += _unlike(read, _resident_classes)
    of_codes = [_first_of_each(members, lambda stored: id(stored.code)) for members in sets]
    codes = [_values([_texts(stored.code) for stored in members], "digest") for members in of_codes]
    if max(map(len, codes)) > 1:
        reasons.append(_text("code", codes))
    dirty = [any(stored.code.get("dirty") for stored in members) for members in of_codes]
    if any(dirty):
        reasons.append(_text("uncommitted changes", [["yes" if is_dirty else "no"] for is_dirty in dirty]))
    busy = [sum((stored.foreign_cpu_share or 0.0) > BUSY_SHARE for stored in members) for members in sets]
    if any(count > BUSY_PART * len(members) for count, members in zip(busy, sets, strict=True)):
        counts = [[f"{count} of {len(members)}"] for count, members in zip(busy, sets, strict=True)]
        reasons.append(_text(f"figures taken while others used over {100 * BUSY_SHARE:.0f} % of the CPU", counts))
    if shared := set(map(_run_key, sets[0])) & set(map(_run_key, sets[1])):
        reasons.append(f"measurements that are in both sets {len(shared)}")
    return list(dict.fromkeys(reasons))


def other_packages(base: Iterable[Measurement], candidate: Iterable[Measurement]) -> list[str]:
    """Further installed packages that differ, likewise: worth a note, for they may matter, but no reason to refuse."""
    sets = list(base), list(candidate)
    cells = {stored.cell for members in sets for stored in members}
    machines = [_first_of_each(members, _machine_key) for members in sets]
    return _unlike(machines, lambda stored: _others(stored.machine, cells))


def _first_of_each(
    measurements: Sequence[Measurement], key: Callable[[Measurement], Hashable]
) -> Sequence[Measurement]:
    """The first measurement with each key: thousands of lines are of a few machines, folders and codes."""
    first: dict[Hashable, Measurement] = {}
    for stored in measurements:
        first.setdefault(key(stored), stored)
    return list(first.values())


def _machine_key(stored: Measurement) -> Hashable:
    return identity.shared_key(stored.machine), stored.harness_version


def _run_key(stored: Measurement) -> Hashable:
    """What no two processes have in common: where and when one began, and its figures to the last digit."""
    place = stored.machine.get("id"), stored.machine.get("host"), stored.code.get("digest")
    moment = stored.started, stored.sweep, stored.round
    return *place, *moment, stored.cell, stored.status, stored.process_seconds, stored.step_seconds, stored.loss


def _names(data: dict) -> dict[str, str]:
    """What a set read, but for the digest, which photos and records of each size have of their own."""
    return {name: str(value) for name, value in identity.content(data).items() if name != "digest"}


def _other_content(sets: Sequence[Sequence[Measurement]], cells: Iterable[Cell]) -> list[str]:
    """Folders of the same name that do not hold the same; sets from before this was kept contradict none."""
    reasons = []
    for reads, size in sorted({(cell.reads, cell.image_size if cell.reads == "records" else 0) for cell in cells}):

        def content(stored: Measurement, reads: str = reads, size: int = size) -> dict[str, str] | None:
            mine = stored.cell.reads == reads and size in (0, stored.cell.image_size)
            return {f"content of the {reads}": stored.data["digest"]} if mine and "digest" in stored.data else None

        reasons += _unlike(sets, content)
    return reasons


def _resident_classes(stored: Measurement) -> dict[str, str] | None:
    if stored.cell.pipeline != RESIDENT:
        return None
    return {"classes of a resident batch": str(stored.data.get("classes", CLASSES))}


def _libraries(machine: dict) -> dict[str, str] | None:
    """Numpy's BLAS; None in sets from before it was kept."""
    kept = machine.get("libraries")
    return {name: version for name, version in kept.items() if name != identity.DECODER} if kept else None


def _others(machine: dict, cells: Collection[Cell]) -> dict[str, str] | None:
    """Packages that `differences` does not look at."""
    if not machine.get("distributions"):
        return None
    known = {*identity.versions(machine, cells), *BESIDE}
    return {name: version for name, version in machine["distributions"].items() if name not in known}


def _facts(measurement: Measurement, cells: Collection[Cell]) -> dict[str, str]:
    """Machine, software that any of the compared cells loads, and harness version by name."""
    machine = measurement.machine
    devices = [f"{gpu.get('name', '')} {gpu.get('driver', '')}".strip() for gpu in machine.get("accelerators", [])]
    about = (
        machine.get("cpu", "unknown CPU"),
        f"{machine.get('cores', '?')} cores",
        f"{(machine.get('memory_bytes') or 0) / 2**30:.0f} GiB",
        *devices,
    )
    return {
        "machine": f"{machine.get('id', 'unknown')} ({', '.join(about)})",
        "usable cores": str(machine.get("usable_cores", identity.ABSENT)),
        "python": ".".join(machine.get("python", identity.ABSENT).split(".")[:2]),
        **identity.versions({"packages": machine.get("packages")}, cells),
        **machine.get("environment", {}),
        "harness version": measurement.harness_version,
    }


def _texts(values: dict) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _unlike(
    sets: Sequence[Sequence[Measurement]], facts_of: Callable[[Measurement], dict[str, str] | None]
) -> list[str]:
    """The facts that have more than one value, as text; nothing where a set has no such facts at all."""
    facts = [[known for known in map(facts_of, members) if known is not None] for members in sets]
    if not all(facts):
        return []
    names = dict.fromkeys(name for members in facts for known in members for name in known)
    values = {name: [_values(members, name) for members in facts] for name in names}
    return [_text(name, both) for name, both in values.items() if len({*both[0], *both[1]}) > 1]


def _values(facts: Sequence[dict[str, str]], name: str) -> list[str]:
    """The different values of a fact."""
    return list(dict.fromkeys(known.get(name, identity.ABSENT) for known in facts))


def _text(name: str, both: Sequence[Sequence[str]]) -> str:
    return f"{name} {', '.join(' + '.join(values) for values in both)}"
