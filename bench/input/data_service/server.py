"""A dispatcher or a worker of tf.data service in this process, which answers at one address alone.

`python -m bench.input.data_service.server` reads its role from its parent, and answers that it is ready, or why not:
see `bench.run.child`.
"""

import weakref
from collections.abc import Sequence
from time import sleep

from bench.input.data_service import bind as listening
from bench.run import child
from bench.run.product import ReportedError, RunFailed
from flowers_core.errors import one_of
from flowers_core.input import data_service

ROLES = ("dispatcher", "worker")
LOCAL = "127.0.0.1"
HEARTBEAT_MS = 1000
GIVE_UP_MS = 20_000  # a worker without a dispatcher; TensorFlow's own limit is an hour


def start(role: str, bind: str, *, dispatcher: str = "", workers: Sequence[str] = ()) -> object:
    """Starts a server, which lives as long as what this gives.

    Args:
        role: One of `ROLES`.
        bind: `host:port`, where others reach it; nothing that is sent to another address is answered.
        dispatcher: Of a worker: where its dispatcher is.
        workers: Of a dispatcher: addresses of the workers to come, which static sharding needs; none for any.

    Raises:
        InputError: If the port is taken, the address none of this machine, or the dispatcher does not answer.
        RunFailed: If it cannot start there all the same.
    """
    one_of("role", role, ROLES)
    host, port = data_service.address(bind)
    listening.check_free(host, port)
    if role == "worker":
        data_service.reach(dispatcher)
    import tensorflow as tf

    kinds = tf.data.experimental.service
    if role == "dispatcher":
        config = kinds.DispatcherConfig(port=port, protocol="grpc", worker_addresses=list(workers) or None)
        server = kinds.DispatchServer(config, start=False)
    else:
        config = kinds.WorkerConfig(
            dispatcher_address="{}:{}".format(*data_service.address(dispatcher)),
            worker_address=f"{host}:{port}",
            port=port,
            protocol="grpc",
            heartbeat_interval_ms=HEARTBEAT_MS,
            dispatcher_timeout_ms=GIVE_UP_MS,
        )
        server = kinds.WorkerServer(config, start=False)
    claimed = listening.claim(host, port)
    weakref.finalize(server, claimed.close)
    try:
        server.start()
    except tf.errors.OpError as error:
        raise RunFailed(f"The {role} at {bind} could not start: {' '.join(str(error).split())[:500]}") from error
    listening.keep_to(host, claimed=port)
    return server


def wait(server: object) -> None:
    """Sleeps for ever in Python, where Ctrl-C is heard, as it is not in `server.join()`."""
    while server is not None:
        sleep(3600)


def main() -> None:
    """Serves until the parent ends it."""
    orders, answer = child.connect()
    try:
        server = start(**next(orders))
    except ReportedError as error:
        answer({"error": str(error)})
        return
    answer({"ready": True})
    wait(server)


if __name__ == "__main__":
    main()
