"""Who trains one model together: processes on one host or several, each with its replicas and its share of a batch."""

import json
import re
from dataclasses import dataclass
from typing import Any

from flowers_core.backends.devices import DeviceAbsent
from flowers_core.errors import InputError

MEET_SECONDS = 300.0
"""How long processes wait for each other when they meet: imports on a busy machine take minutes."""

TF_CONFIG = '{"cluster": {"worker": ["10.0.0.2:5070", "10.0.0.3:5070"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True, kw_only=True)
class Group:
    """The place of this process among those that train one model together.

    Attributes:
        addresses: `host:port` of each process, by rank; a port is free until its process listens there.
        rank: This process' place among them.
        replicas: Copies of the model in this process, a device each.
        first_device: Which of the host's accelerators is its first, where several processes share a host.
        meet_seconds: How long it waits for the others.
    """

    addresses: tuple[str, ...] = ("127.0.0.1:0",)
    rank: int = 0
    replicas: int = 1
    first_device: int = 0
    meet_seconds: float = MEET_SECONDS

    @property
    def processes(self) -> int:
        """How many train together."""
        return len(self.addresses)

    @property
    def total(self) -> int:
        """How many replicas share the global batch."""
        return self.processes * self.replicas

    def share(self, batch_size: int) -> slice:
        """Which images of a global batch this process has.

        Raises:
            InputError: If the replicas cannot have equally many.
        """
        check_batch(batch_size, self.total)
        images = batch_size // self.processes
        return slice(self.rank * images, (self.rank + 1) * images)

    def local(self, devices: list, name: str) -> list:
        """The devices of this process, of all of a host's.

        Raises:
            DeviceAbsent: If there are too few.
        """
        wanted = self.first_device + self.replicas
        if len(devices) < wanted:
            raise DeviceAbsent(f"{wanted} replicas on a host need as many devices. {name} sees {len(devices)} here")
        return devices[self.first_device : wanted]


def check_batch(batch_size: int, replicas: int) -> None:
    """Checks that a global batch can be split evenly.

    Raises:
        InputError: If not.
    """
    if batch_size % replicas:
        raise InputError(
            f"A global batch must be a multiple of its {replicas} replicas, which have equally many images each. "
            f"Received: a batch of {batch_size}"
        )


def parse_address(text: str, name: str) -> tuple[str, int]:
    """Host and port of `host:port`.

    Args:
        text: What was given.
        name: The option or variable that gave it, for the message.

    Raises:
        InputError: If it is something else.
    """
    parts = re.fullmatch(r"([^\s:/]+):(\d{1,5})", text)
    if not parts or not 0 < int(parts[2]) < 65536:
        raise InputError(f"`{name}` must be an address such as 10.0.0.2:5070. Received: {text!r}")
    return parts[1], int(parts[2])


def parse_tf_config(text: str) -> tuple[tuple[str, ...], int]:
    """Addresses of the workers that TF_CONFIG names, and which of them this process is.

    Raises:
        InputError: If it is malformed; the message says what is wrong with it.
    """

    def refuse(reason: str) -> InputError:
        return InputError(f"TF_CONFIG must be like {TF_CONFIG}. Received: {text[:300]!r}: {reason}")

    try:
        values: Any = json.loads(text)
        cluster, task = values["cluster"], values["task"]
        workers, index = cluster["worker"], task["index"]
    except ValueError as error:
        raise refuse(f"not JSON ({error})") from error
    except (LookupError, TypeError) as error:
        raise refuse(f"it lacks {error}" if isinstance(error, LookupError) else "its parts must be objects") from error
    if not isinstance(workers, list) or not workers or not all(isinstance(worker, str) for worker in workers):
        raise refuse("`worker` must be a list of addresses")
    if others := sorted(set(cluster) - {"worker"}):
        raise refuse(f"only workers train here; `cluster` names {', '.join(others)} too")
    if len(set(workers)) < len(workers):
        raise refuse("an address stands there twice")
    for worker in workers:
        parse_address(worker, "TF_CONFIG")
    if type(index) is not int or not 0 <= index < len(workers) or task.get("type", "worker") != "worker":
        raise refuse(f"`task` must be a worker with an `index` from 0 to {len(workers) - 1}")
    return tuple(workers), index
