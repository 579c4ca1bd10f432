"""What decides a figure: facts by name that must be equal for two measurements of a cell to be of the same thing.

What a result does not say is unknown, and equal only to what is unknown elsewhere: results from before a fact was kept
are grouped as they were.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.machine.facts import settings_of_accelerators
from bench.machine.own import user_code
from bench.results.cell import NO_MODEL, RESIDENT, Cell
from bench.results.measurement import Measurement

ABSENT = "none"  # such as a variable that was not set
CONTENT = "content of the data"  # the digest of it
UNKNOWN = "unknown"  # a fact that a result does not say
OF_CODE = ("code", "harness version")  # facts that change with every commit

# Distributions by the framework that brings them; those of an accelerator by the beginning of their names.
FRAMEWORKS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tf-nightly", "ml_dtypes"),
    "jax": ("jax", "jaxlib", "ml_dtypes"),
    "torch": ("torch",),
}
ACCELERATED = ("nvidia-", "jax-cuda", "jax-rocm", "libtpu", "triton", "pytorch-triton")
OBSERVING = ("nvidia-ml-py",)  # reads what a GPU does, and does nothing itself
DECODING = ("simplejpeg", "opencv-python-headless", "opencv-python")
DECODER = "simplejpeg's libjpeg-turbo"


def loads(cell: Cell, package: str) -> bool:
    """Whether a cell loads a package that can decide its figure.

    Why not ask the process which modules it has: Keras and TensorFlow import whatever else they find, JAX and pandas
    among it, and never use it in a step.
    """
    if package == "numpy":
        return True
    if cell.pipeline != RESIDENT and package in (*FRAMEWORKS["tensorflow"], *DECODING, DECODER):
        return True
    if cell.model == NO_MODEL:
        return False
    accelerated = cell.device != "cpu" and package.startswith(ACCELERATED) and package not in OBSERVING
    if package == "timm":
        return user_code.peers_library(cell.model) == "timm"
    return package == "keras" or package in FRAMEWORKS.get(cell.backend, ()) or accelerated


def versions(machine: Mapping, cells: Iterable[Cell]) -> dict[str, str]:
    """Versions of the installed packages, and of libraries within them, that any of some cells loads."""
    installed = {**(machine.get("distributions") or {}), **(machine.get("packages") or {})}
    installed |= {name: version for name, version in (machine.get("libraries") or {}).items() if name == DECODER}
    kinds = {_kind(cell): cell for cell in cells}.values()
    return {name: version for name, version in installed.items() if any(loads(cell, name) for cell in kinds)}


def _kind(cell: Cell) -> tuple:
    """What of a cell decides which packages it loads."""
    peer = user_code.peers_library(cell.model)
    return cell.pipeline == RESIDENT, cell.model == NO_MODEL, peer, cell.device, cell.backend


def shared_key(machine: Mapping) -> tuple:
    """Equal for machines that differ in the load alone, as in the lines of a store: these share their parts in memory.

    It holds places in memory, so it tells machines apart only as long as all of them are kept.
    """
    return tuple(
        (name, id(value) if isinstance(value, dict | list) else value)
        for name, value in machine.items()
        if name != "load_before"
    )


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    """What of a machine and its software decides figures.

    Attributes:
        groups: Facts by name, in groups.
        digest: Of all of them.
        machine: What was described; kept, so that no other machine's parts get the places in memory of its own.
    """

    groups: dict[str, dict[str, str]]
    digest: str
    machine: Mapping


_SCALARS = ("id", "usable_cores", "physical_cores", "python")
_PARTS = ("packages", "distributions", "libraries", "environment", "start_code", "kernel_settings", "keras")
_MOST_KNOWN = 10_000
_known: dict[tuple, _Surroundings] = {}


def surroundings(machine: Mapping, cells: Collection[Cell]) -> dict[str, dict[str, str]]:
    """What of a machine and its software decides the figures of some cells: facts by name, in groups.

    A group is there only where the machine's description has it: `environment` without a variable says that it was not
    set, and no `environment` says nothing.
    """
    return _describe(machine, cells).groups


def _describe(machine: Mapping, cells: Collection[Cell]) -> _Surroundings:
    """The surroundings of cells, found once for all lines of a store that share the parts of a machine."""
    kinds = frozenset(map(_kind, cells))
    values = (*(machine.get(name) for name in _SCALARS), str(machine.get("accelerators")))
    key = values, tuple(id(machine.get(name)) for name in _PARTS), kinds
    if key not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        groups = _surroundings(machine, cells)
        text = json.dumps(_flat(groups), sort_keys=True)
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        _known[key] = _Surroundings(groups=groups, digest=digest, machine=machine)
    return _known[key]


def _flat(groups: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: value for known in groups.values() for name, value in known.items()}


def _surroundings(machine: Mapping, cells: Collection[Cell]) -> dict[str, dict[str, str]]:
    alone = {
        "machine": machine.get("id"),
        "usable_cores": machine.get("usable_cores"),
        "physical_cores": machine.get("physical_cores"),
        "python": ".".join(machine["python"].split(".")[:2]) if "python" in machine else None,
    }
    groups = {name: {name: value} for name, value in alone.items() if value is not None}
    if machine.get("packages"):
        groups["packages"] = versions({"packages": machine["packages"]}, cells)
    if machine.get("distributions"):  # of all packages, which older results do not say
        groups["distributions"] = versions(machine, cells)
    if machine.get("environment") is not None:
        groups["environment"] = machine["environment"]
    if machine.get("start_code") is not None:
        groups["start_code"] = machine["start_code"]
    if machine.get("kernel_settings") is not None:
        groups["kernel_settings"] = machine["kernel_settings"]
    if (settings := settings_of_accelerators(machine)) and any(cell.device != "cpu" for cell in cells):
        groups["accelerators"] = settings
    if machine.get("keras"):
        # its backend is the cell's
        groups["keras"] = {f"Keras' {name}": value for name, value in machine["keras"].items() if name != "backend"}
    return {group: {name: str(value) for name, value in known.items()} for group, known in groups.items()}


def content(data: Mapping) -> dict:
    """What of a result's data decides figures: all but where it lay."""
    return {name: value for name, value in data.items() if name != "folders"}


def _groups(measurement: Measurement) -> dict[str, dict[str, str]]:
    """The same of a measurement, with its code and its data."""
    code = {"code": measurement.code.get("digest"), "harness version": measurement.harness_version}
    data = {{"digest": CONTENT}.get(name, name): value for name, value in content(measurement.data).items()}
    other = {"code": code, "data": data}
    return {
        **surroundings(measurement.machine, [measurement.cell]),
        **{
            group: {name: str(value) for name, value in known.items() if value is not None}
            for group, known in other.items()
        },
    }


def facts(measurement: Measurement) -> dict[str, str]:
    """What decides the figure of a measurement, by name, but for the cell itself."""
    return _flat(_groups(measurement))


def setting(measurement: Measurement) -> str:
    """What decides the figure of a measurement, as one text: equal where `facts` are."""
    return f"{setting_of_any_code(measurement)} {measurement.code.get('digest')} {measurement.harness_version}"


def setting_of_any_code(measurement: Measurement) -> str:
    """The same without the code and the harness: equal for what is measured again when they have changed."""
    return f"{_describe(measurement.machine, [measurement.cell]).digest} {_data_text(measurement.data)}"


_data_texts: dict[int, tuple[Mapping, str]] = {}


def _data_text(data: Mapping) -> str:
    """What of the data decides figures as a text, made once for all lines of a store that share it."""
    if id(data) not in _data_texts:
        if len(_data_texts) >= _MOST_KNOWN:
            _data_texts.clear()
        read = {name: str(value) for name, value in content(data).items() if value is not None}
        _data_texts[id(data)] = data, json.dumps(read, sort_keys=True)
    return _data_texts[id(data)][1]


def agree(base: Mapping, other: Mapping, cells: Collection[Cell]) -> bool:
    """Whether two descriptions are of one machine in one setting: no fact that decides figures is known to differ."""
    mine, theirs = _describe(base, cells), _describe(other, cells)
    return mine.digest == theirs.digest or _agree(mine.groups, theirs.groups)


def _agree(mine: Mapping[str, Mapping[str, str]], theirs: Mapping[str, Mapping[str, str]]) -> bool:
    if any(mine[group] != theirs[group] for group in mine.keys() & theirs.keys()):
        return False
    here, there = _flat(mine), _flat(theirs)
    return all(here[name] == there[name] for name in here.keys() & there.keys())


def apart(measurements: Sequence[Measurement], *, but: Collection[str] = ()) -> str:
    """By what some measurements differ: each fact with the value of each, in their order; empty if of one setting.

    Args:
        measurements: Of one cell.
        but: Facts that need not be named.
    """
    differing = {name: values for name, values in _differing(measurements).items() if name not in but}
    known = [f"{name} {', '.join(values)}" for name, values in differing.items() if not _is_unknown(values)]
    unknown = [name for name, values in differing.items() if _is_unknown(values)]
    return "; ".join([*known, *([f"what older results do not say: {', '.join(unknown)}"] if unknown else [])])


def each_apart(measurements: Sequence[Measurement]) -> list[str]:
    """The same for each measurement: its own values of what they differ by."""
    differing = _differing(measurements)
    return [
        "; ".join(f"{name} {values[number]}" for name, values in differing.items())
        for number in range(len(measurements))
    ]


def _is_unknown(values: Collection[str]) -> bool:
    """Whether values differ only because some results do not say theirs."""
    return len({*values} - {UNKNOWN}) == 1


def _differing(measurements: Sequence[Measurement]) -> dict[str, list[str]]:
    """Facts of which measurements have several values, with that of each."""
    groups = [_groups(measurement) for measurement in measurements]
    names = dict.fromkeys((group, name) for known in groups for group, facts in known.items() for name in facts)
    texts = {
        name: [known[group].get(name, ABSENT) if group in known else UNKNOWN for known in groups]
        for group, name in names
    }
    differing = {name: values for name, values in texts.items() if len(set(values)) > 1}
    if CONTENT in differing:  # a digest alone tells nobody which folder a row is of
        folders = [", ".join((measurement.data.get("folders") or {}).values()) for measurement in measurements]
        pairs = zip(differing[CONTENT], folders, strict=True)
        differing[CONTENT] = [f"{digest} ({folder})" if folder else digest for digest, folder in pairs]
    return differing
