"""An epoch over several hosts: tf.data service spreads a pipeline's work over the workers that a dispatcher knows.

When a dispatcher or all workers are lost, tf.data tries again for an hour. Hence the time-outs here.
"""

import queue
import re
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flowers_core.errors import InputError, ReportedError, RunFailed, one_of

if TYPE_CHECKING:
    import tensorflow as tf

SHARDING = {
    "dynamic": "DYNAMIC",  # whichever worker is free asks for the next shard
    "static": "FILE",  # each worker has its shards; the dispatcher must know the workers' addresses beforehand
}
REACH_SECONDS = 10.0
"""How long a dispatcher may take to answer first."""

SILENT_SECONDS = 60.0
"""How long workers may be silent before an epoch is given up; restarting a worker takes some of it."""


def address(dispatcher: str) -> tuple[str, int]:
    """Host and port of `grpc://host:port` or `host:port`.

    Raises:
        InputError: If it is neither.
    """
    parts = re.fullmatch(r"(?:grpc://)?([^\s:/]+):(\d{1,5})", dispatcher)
    if not parts or not 0 < int(parts[2]) < 65536:
        raise InputError(f"`dispatcher` must be an address such as grpc://10.0.0.2:5050. Received: {dispatcher!r}")
    return parts[1], int(parts[2])


def reach(dispatcher: str, *, seconds: float = REACH_SECONDS) -> None:
    """Checks that something listens at an address.

    Raises:
        InputError: If there is no answer within `seconds`; the message has the address and the cause.
    """
    try:
        socket.create_connection(address(dispatcher), timeout=seconds).close()
    except OSError as error:
        raise InputError(
            f"`dispatcher` must be the address of a dispatcher that runs. Received: {dispatcher}: "
            f"{error.strerror or error} (waited up to {seconds:g} s). "
            "Start one: python -m bench data-service serve dispatcher"
        ) from error


def distribute(
    data: "tf.data.Dataset", dispatcher: str, *, batch_size: int, sharding: str = "dynamic", whole: bool = False
) -> "tf.data.Dataset":
    """The same batches, made by the workers of a dispatcher: each image once an epoch, in no fixed order.

    Each worker ends with a part of a batch; here they are put together again. Every pass is an epoch of its own.
    Nothing is compressed on its way: a decoded photo would cost the CPU more than it saves the network.

    Args:
        data: Batches `(images, labels)`, whose files every worker sees under the same paths.
        dispatcher: Its address.
        batch_size: Images a batch.
        sharding: One of `SHARDING`.
        whole: Whether a last, smaller batch is left out.

    Raises:
        InputError: If no dispatcher answers within `REACH_SECONDS`, or one of another TensorFlow does.
        RunFailed: If one answers, but fails.
    """
    import tensorflow as tf

    one_of("sharding", sharding, SHARDING)
    reach(dispatcher)
    service = tf.data.experimental.service
    spread = service.distribute(
        processing_mode=service.ShardingPolicy[SHARDING[sharding]],
        service="grpc://{}:{}".format(*address(dispatcher)),
        compression=None,
    )
    registering = _Background(lambda: data.apply(spread))
    try:
        data = registering.result(REACH_SECONDS)
    except TimeoutError:
        raise InputError(
            f"`dispatcher` must be the address of a tf.data service dispatcher. Received: {dispatcher}, which did "
            f"not take the pipeline within {REACH_SECONDS:g} s. Is it something else that listens there?"
        ) from None
    except tf.errors.OpError as error:
        raise explain(error, dispatcher) from error
    finally:
        registering.end()
    data = data.rebatch(batch_size, drop_remainder=whole)
    return data.prefetch(tf.data.AUTOTUNE)


def iterate(
    data: "tf.data.Dataset", dispatcher: str, *, silent_seconds: float = SILENT_SECONDS
) -> Generator[Any, None, None]:
    """Yields the batches of a distributed pipeline, and never waits longer than `silent_seconds`.

    Args:
        data: What `distribute` returned.
        dispatcher: Its address, for the message.
        silent_seconds: Longest wait for one batch.

    Raises:
        RunFailed: If a worker or the dispatcher fails, or none comes in time; the message says which.
        InputError: If the dispatcher cannot serve this pipeline: it runs another TensorFlow, or knows no workers.
    """
    import tensorflow as tf

    drawing = _Background(lambda: iter(data))
    try:
        iterator = drawing.result(silent_seconds)
        while True:
            drawing.begin(lambda: next(iterator, None))
            batch = drawing.result(silent_seconds)
            if batch is None:
                return
            yield batch
    except TimeoutError:
        raise _silent(dispatcher, silent_seconds) from None
    except tf.errors.OpError as error:
        raise explain(error, dispatcher) from error
    finally:
        drawing.end()


def with_timeout(
    data: "tf.data.Dataset", dispatcher: str, *, silent_seconds: float = SILENT_SECONDS
) -> "tf.data.Dataset":
    """A distributed pipeline as a `tf.data.Dataset` that fails instead of waiting for ever; see `reported_errors`."""
    import tensorflow as tf

    return tf.data.Dataset.from_generator(
        lambda: iterate(data, dispatcher, silent_seconds=silent_seconds), output_signature=data.element_spec
    )


@contextmanager
def reported_errors() -> Iterator[None]:
    """Lets what `with_timeout` raised within TensorFlow come out as the error that it was."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        ours = re.search(r"(InputError|RunFailed): (.*)", str(error))
        if not ours:
            raise
        raise {"InputError": InputError, "RunFailed": RunFailed}[ours[1]](ours[2]) from error


def explain(error: Exception, dispatcher: str) -> ReportedError:
    """What an error of TensorFlow means where a pipeline is registered or read."""
    message = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*|\s+", " ", str(error)).strip()
    if "Version mismatch" in message:
        return InputError(f"`dispatcher` must run the TensorFlow of this process. Received: {dispatcher}: {message}")
    if "workers list" in message:
        return InputError(
            "Static sharding needs a dispatcher that knows its workers: `bench data-service serve dispatcher "
            f"--worker HOST:PORT`, for each. Received: {dispatcher}: {message}"
        )
    return RunFailed(
        f"A pipeline over {dispatcher} failed: {message}. Every worker must see the records under the same path as "
        f"this host, and run the same TensorFlow"
    )


def _silent(dispatcher: str, seconds: float) -> RunFailed:
    """Says which side is silent, as far as that can be seen from here."""
    try:
        reach(dispatcher)
    except InputError as error:
        return RunFailed(f"No batch within {seconds:g} s: the dispatcher was lost. {error}")
    return RunFailed(
        f"No batch within {seconds:g} s from the workers of {dispatcher}, which answers: no worker has registered, or "
        f"one was lost. Start it again at the same address: "
        f"python -m bench data-service serve worker --dispatcher {dispatcher}"
    )


class _Background:
    """Work in another thread, which can be given up: what waits in TensorFlow's code cannot be interrupted.

    Why not `ThreadPoolExecutor`: Python waits for its threads before it exits.
    """

    def __init__(self, work: Callable[[], object]):
        self._asked: queue.SimpleQueue = queue.SimpleQueue()
        self._done: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._serve, daemon=True).start()
        self.begin(work)

    def _serve(self) -> None:
        while (work := self._asked.get()) is not None:
            try:
                self._done.put((work(), None))
            except Exception as error:  # raised by `result`
                self._done.put((None, error))

    def begin(self, work: Callable[[], object]) -> None:
        """Starts the next piece of work."""
        self._asked.put(work)

    def result(self, seconds: float) -> Any:
        """Returns what it returned, or raises what it raised; TimeoutError if that takes longer."""
        try:
            value, error = self._done.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if error is not None:
            raise error
        return value

    def end(self) -> None:
        """Lets the thread end, as soon as it can."""
        self._asked.put(None)
