"""What makes two sets of measurements no fair pair, in words."""

from collections.abc import Iterable

from bench.machine.facts import BUSY_SHARE
from bench.results.cell import RESIDENT
from bench.results.measurement import Measurement
from bench.run.data_source import CLASSES

BUSY_PART = 0.25  # a set with more of its figures taken while others used the CPU is of a busy machine

# Packages that no timed step runs, and the code itself, which is what is compared.
BESIDE = {"asv", "flowers-bench", "xprof"}

# Packages and libraries that decide what the pipelines of `turbo` take. Sets from before these were kept lack them.
DECODING = ("simplejpeg", "opencv-python-headless", "opencv-python")

ABSENT = "none"


def differences(base: Iterable[Measurement], candidate: Iterable[Measurement]) -> list[str]:
    """What differs in what matters, each as `tensorflow 2.20.0, 2.21.0`: base's value, then candidate's.

    Machine, usable cores, Python, packages, compiled-in libraries, telling environment variables, ruler, data; a set
    that mixes several values of these, or two codes, as `2.20.0 + 2.21.0`; uncommitted changes, which may be of the
    ruler itself; a machine that was busy; measurements that are in both sets. The code is no reason: it is what is
    compared.
    """
    sides = list(base), list(candidate)
    found = _unlike([[_facts(one) for one in side] for side in sides])
    found += _unlike([[_decoding(one.machine) for one in side if one.machine.get("distributions")] for side in sides])
    # a resident batch has no photos
    found += _unlike([[_texts(one.data) for one in side if "photos" in one.data] for side in sides])
    stepped = [[one for one in side if one.cell.pipeline == RESIDENT] for side in sides]
    found += _unlike(
        [[{"classes of a resident batch": str(one.data.get("classes", CLASSES))} for one in side] for side in stepped]
    )
    codes = [_values([_texts(one.code) for one in side], "digest") for side in sides]
    if max(map(len, codes)) > 1:
        found.append(_words("code", codes))
    dirty = [sum(bool(one.code.get("dirty")) for one in side) for side in sides]
    if any(dirty):
        found.append(_words("uncommitted changes", [["yes" if count else "no"] for count in dirty]))
    busy = [sum((one.foreign_cpu_share or 0.0) > BUSY_SHARE for one in side) for side in sides]
    if any(count > BUSY_PART * len(side) for count, side in zip(busy, sides, strict=True)):
        counts = [[f"{count} of {len(side)}"] for count, side in zip(busy, sides, strict=True)]
        found.append(_words(f"figures taken while others used over {100 * BUSY_SHARE:.0f} % of the CPU", counts))
    shared = set(map(repr, sides[0])) & set(map(repr, sides[1]))
    if shared:
        found.append(f"measurements that are in both sets {len(shared)}")
    return found


def other_packages(base: Iterable[Measurement], candidate: Iterable[Measurement]) -> list[str]:
    """Further installed packages that differ, likewise: worth a note, for one may matter, but no reason to refuse."""
    sides = [[_others(one.machine) for one in side if one.machine.get("distributions")] for side in (base, candidate)]
    return _unlike(sides)


def _decoding(machine: dict) -> dict[str, str]:
    """What decodes and resizes, and numpy's BLAS."""
    packages = machine["distributions"]
    return {name: packages[name] for name in DECODING if name in packages} | machine.get("libraries", {})


def _others(machine: dict) -> dict[str, str]:
    """Packages that `differences` does not look at."""
    known = {*machine.get("packages", {}), *DECODING, *BESIDE}
    return {name: version for name, version in machine["distributions"].items() if name not in known}


def _facts(measurement: Measurement) -> dict[str, str]:
    """Machine, software and ruler by name."""
    machine = measurement.machine
    devices = [f"{one.get('name', '')} {one.get('driver', '')}".strip() for one in machine.get("accelerators", [])]
    about = (
        machine.get("host", "unknown host"),
        machine.get("cpu", "unknown CPU"),
        f"{machine.get('cores', '?')} cores",
        f"{(machine.get('memory_bytes') or 0) / 2**30:.0f} GiB",
        *devices,
    )
    return {
        "machine": f"{machine.get('id', 'unknown')} ({', '.join(about)})",
        "usable cores": str(machine.get("usable_cores", ABSENT)),
        "python": ".".join(machine.get("python", ABSENT).split(".")[:2]),
        **{name: version for name, version in machine.get("packages", {}).items() if name not in BESIDE},
        **machine.get("environment", {}),
        "ruler": measurement.ruler,
    }


def _texts(values: dict) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _unlike(sides: list[list[dict[str, str]]]) -> list[str]:
    """The facts that have more than one value, in words; nothing where a side has no facts at all."""
    if not all(sides):
        return []
    names = dict.fromkeys(name for side in sides for facts in side for name in facts)
    values = {name: [_values(side, name) for side in sides] for name in names}
    return [_words(name, both) for name, both in values.items() if len({*both[0], *both[1]}) > 1]


def _values(facts: list[dict[str, str]], name: str) -> list[str]:
    """The different values of a fact."""
    return list(dict.fromkeys(one.get(name, ABSENT) for one in facts))


def _words(name: str, sides: list[list[str]]) -> str:
    return f"{name} {', '.join(' + '.join(values) for values in sides)}"
