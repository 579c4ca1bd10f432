"""Options by which workers on several hosts find each other to train; TF_CONFIG and torchrun say the same."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import click

from flowers_core import connection
from flowers_core.backends import BACKENDS, replicas
from flowers_core.cli import entry
from flowers_core.errors import InputError
from flowers_core.train.meeting import Place

TORCHRUN = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Where the workers of several hosts meet, and which of them this is."""

    coordinator: str
    rank: int | None
    workers: int | None
    replicas: int
    meet: float
    lost_after: float

    def place(self, *, backend: str) -> Place | None:
        """This process among the workers, by options, TF_CONFIG or torchrun's variables; None where it trains alone.

        Raises:
            InputError: If they are malformed, or exclude each other.
        """
        found = self._by_options() or _by_tf_config(os.environ) or _by_torchrun(os.environ)
        if found is None or found[2] == 1:
            if self.replicas > 1:
                raise InputError(
                    f"`--replicas` is of each of several workers. Received: {self.replicas}, and no others"
                )
            return None
        address, rank, workers = found
        if self.replicas > 1 and BACKENDS[backend].process_per_replica:
            raise InputError(
                f"{backend} has a process for each replica: start more workers instead (`torchrun "
                f"--nproc-per-node`). Received: --replicas {self.replicas}"
            )
        return Place(
            coordinator=address,
            rank=rank,
            workers=workers,
            replicas=self.replicas,
            first_device=int(os.environ.get("LOCAL_RANK", "0")) if BACKENDS[backend].process_per_replica else 0,
            meet_seconds=self.meet,
            lost_seconds=self.lost_after,
        )

    def _by_options(self) -> tuple[connection.Address, int, int] | None:
        given = (self.coordinator, self.rank, self.workers)
        if not self.coordinator and self.rank is None and self.workers is None:
            return None
        if not self.coordinator or self.rank is None or self.workers is None:
            raise InputError(
                "`--coordinator`, `--rank` and `--workers` belong together. Received: "
                f"{', '.join(str(value) for value in given if value not in ('', None))} alone"
            )
        if self.rank >= self.workers:
            raise InputError(f"`--rank` must be from 0 to {self.workers - 1}. Received: {self.rank}")
        return replicas.parse_address(self.coordinator, "--coordinator"), self.rank, self.workers


def _by_tf_config(environment: Mapping[str, str]) -> tuple[connection.Address, int, int] | None:
    """As TF_CONFIG says, whatever the backend: its first worker is the coordinator."""
    if not environment.get("TF_CONFIG"):
        return None
    addresses, rank = replicas.parse_tf_config(environment["TF_CONFIG"])
    return replicas.parse_address(addresses[0], "TF_CONFIG"), rank, len(addresses)


def _by_torchrun(environment: Mapping[str, str]) -> tuple[connection.Address, int, int] | None:
    """As torchrun says, whatever the backend. Its own port is taken: the workers meet at the one behind it."""
    if not all(environment.get(name) for name in TORCHRUN):
        return None
    host, port, rank, workers = (environment[name] for name in TORCHRUN)
    try:
        return (host, int(port) + 1), int(rank), int(workers)
    except ValueError as error:
        raise InputError(
            f"{', '.join(TORCHRUN[1:])} must be whole numbers, as torchrun sets them. "
            f"Received: {port}, {rank}, {workers}"
        ) from error


HOSTS = entry.group(
    "hosts",
    Hosts,
    click.option("--coordinator", default="", metavar="HOST:PORT",
                 help="Where the workers of several hosts meet: of rank 0. [TF_CONFIG, torchrun; none: one host]"),
    click.option("--rank", type=click.IntRange(0), help="Which worker this is, from 0, the coordinator. [likewise]"),
    click.option("--workers", type=click.IntRange(1), help="How many there are. [likewise]"),
    click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, help="Of each, a device each."),
    click.option("--meet", type=entry.TIME, default="60s", show_default=True, help="How long they wait to meet."),
    click.option("--lost-after", type=entry.TIME, default="30s", show_default=True,
                 help="A worker without a sign of life for so long is lost, which ends the training on all hosts."),
)  # fmt: skip
