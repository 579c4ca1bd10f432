"""The setting in which asv first measured under a machine's name, so that no other's figures are filed with its own.

asv files by name, commit and environment alone: under a CPU quota it would write into the series of the whole machine.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import facts, variables
from bench.results import store

NAME = "setting"  # beside asv's files of a machine, which all end in .json


def check(machine: str, environment: Mapping[str, str], results: Path | None = None) -> None:
    """Notes the setting where a machine's name has none yet.

    Args:
        machine: asv's name of it.
        environment: Of asv itself: what its matrix adds has names of its own.
        results: The store; ours, unless given.

    Raises:
        RuntimeError: If the setting is another now; the message says by what, and what to do.
    """
    now = setting(environment)
    place = Path("asv", machine, NAME)
    before = _parse(store.note_once(place, json.dumps(now, indent=1), results or store.RESULTS))
    differing = [
        f"{name} {before.get(name, 'none')}, now {now.get(name, 'none')}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    if differing:
        raise RuntimeError(
            f"asv files by a machine's name, and under {machine!r} it measured with {'; '.join(differing)}. Give this "
            f"setting a name: `asv machine --yes --machine NAME`, then `asv run --machine NAME`. If the machine itself "
            f"has changed for good, remove {Path(results or store.RESULTS) / place}"
        )


def setting(environment: Mapping[str, str]) -> dict[str, str]:
    """What decides figures here, whatever the cell and the commit."""
    now = facts.fingerprint()
    alone = {name: str(now[name]) for name in ("id", "usable_cores", "physical_cores")}
    return {**alone, **now["kernel_settings"], **variables.relevant(environment)}


def machine_of(command: Sequence[str], host: str, known: Path | None = None) -> str:
    """The machine's name in a command line of asv; else, as asv does, the host's, or the only one that asv knows.

    Args:
        command: Words of the command line.
        host: Name of this host.
        known: asv's file of machines, that of the user unless given.
    """
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word in ("--machine", "-m") and following and not following.startswith("asv"):
            return following
        if word.startswith("--machine="):
            return word.partition("=")[2]
    try:
        machines = _parse((known or Path.home() / ".asv-machine.json").read_text(encoding="utf-8")).keys() - {"version"}
    except OSError:
        return host
    return next(iter(machines)) if len(machines) == 1 and host not in machines else host


def _parse(text: str) -> dict[str, str]:
    """Reads a setting; a damaged one is none."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in read.items()} if isinstance(read, dict) else {}
