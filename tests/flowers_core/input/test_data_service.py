"""An epoch over tf.data service: each image once, and never a wait without end."""

import gc
import hashlib
import socket
import threading
from collections import Counter
from concurrent import futures

import pytest
import tensorflow as tf

from flowers_core.data import manifest
from flowers_core.errors import InputError, RunFailed
from flowers_core.input import data_service, pipelines, training_data

KINDS = tf.data.experimental.service


@pytest.fixture(scope="module")
def shards(written):
    """Paths of the shards of 20 photos of 24 pixels."""
    folder, found = written
    return manifest.paths(folder, found)


def started(*, workers, told=()):
    """A dispatcher with some workers, all in this process; its address comes first."""
    servers = [KINDS.DispatchServer(KINDS.DispatcherConfig(protocol="grpc", worker_addresses=list(told) or None))]
    address = servers[0].target.replace("localhost", "127.0.0.1")
    config = KINDS.WorkerConfig(address.split("//")[1], worker_address="127.0.0.1:%port%", heartbeat_interval_ms=100)
    servers += [KINDS.WorkerServer(config) for _ in range(workers)]
    return address, servers


def stop(servers):
    gc.collect()  # iterators, which would look for their dispatcher for ever
    for one in reversed(servers):
        one._stop()


@pytest.fixture(scope="module")
def two_workers():
    """Address of a dispatcher that was told of its two workers."""
    address, servers = started(workers=2, told=["127.0.0.1:%port%"] * 2)
    yield address
    stop(servers)


class Silent:
    """Stands for a pipeline over a service that never answers; TensorFlow itself would try for an hour."""

    def __init__(self):
        self.over = threading.Event()

    def __iter__(self):
        self.over.wait()
        return iter(())

    def apply(self, _):
        self.over.wait()


@pytest.fixture
def silent():
    """A pipeline that is silent until the test is over."""
    one = Silent()
    yield one
    one.over.set()


@pytest.fixture
def somebody():
    """Address of somebody who takes calls and says nothing."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield f"127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{one.getsockname()[1]}"


def images(data):
    """What batches hold: (digest, label) and how often."""
    return Counter(
        (hashlib.blake2b(image.numpy().tobytes()).hexdigest(), int(label))
        for pixels, labels in data
        for image, label in zip(pixels, labels, strict=True)
    )


def pipeline(shards, epochs=1):
    return pipelines.build("records_uint8", shards, image_size=24, batch_size=6, epochs=epochs)


@pytest.mark.parametrize("sharding", data_service.SHARDING)
def test_each_image_comes_once_an_epoch(shards, two_workers, sharding):
    """Two workers give the images and labels of one epoch, each exactly once, in whole batches but the last."""
    data = data_service.distribute(pipeline(shards), two_workers, batch_size=6, sharding=sharding)
    twice = [list(data_service.iterate(data, two_workers)) for _ in range(2)]

    for drawn in twice:
        assert images(drawn) == images(pipeline(shards))
        assert [len(labels) for _, labels in drawn] == [6, 6, 6, 2]


def test_whole_batches_alone(shards, two_workers):
    """A last, smaller batch is left out where whole ones are wanted."""
    data = data_service.distribute(pipeline(shards), two_workers, batch_size=6, whole=True)

    assert [len(labels) for _, labels in data_service.iterate(data, two_workers)] == [6, 6, 6]


def test_training_over_workers_sees_the_same_images(shards, two_workers):
    """An epoch of training batches holds the same images, whoever decoded them."""
    here, there = (
        images(
            training_data.training(
                shards, image_size=24, batch_size=5, augmentation="none", shuffle_buffer=1, dispatcher=dispatcher
            ).take(4)
        )
        for dispatcher in ("", two_workers)
    )

    assert here == there
    assert here.total() == 20


@pytest.mark.parametrize("text", ["", "host", "http://host:5050", "host:0", "host:99999", "grpc://a/b:1"])
def test_an_address_has_host_and_port(text):
    """Anything else is a mistake, told with an example."""
    with pytest.raises(InputError, match=r"grpc://10\.0\.0\.2:5050"):
        data_service.address(text)


def test_nobody_listens(silent, nobody):
    """The address and the cause are told at once."""
    with pytest.raises(InputError, match=rf"{nobody}.*refused"):
        data_service.distribute(silent, nobody, batch_size=6)


def test_somebody_else_listens(silent, somebody, monkeypatch):
    """Who takes the call and says nothing is given up in time."""
    monkeypatch.setattr(data_service, "REACH_SECONDS", 0.3)
    with pytest.raises(InputError, match=r"did not take the pipeline within 0\.3 s"):
        data_service.distribute(silent, somebody, batch_size=6)


def test_another_version_is_told(shards):
    """A dispatcher of another protocol is refused with both versions."""
    import grpc

    class Other(grpc.GenericRpcHandler):
        def service(self, _):
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"\x08\x63")  # version: 99

    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Other()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(InputError, match=r"must run the TensorFlow of this process.*version 99"):
            data_service.distribute(pipeline(shards), f"127.0.0.1:{port}", batch_size=6)
    finally:
        server.stop(None)


def test_silent_workers_are_told_in_time(silent, somebody):
    """Where the dispatcher answers it is the workers who are silent; the message says so, and how to start one."""
    with pytest.raises(RunFailed, match=r"within 0\.3 s.*no worker has registered.*bench data-service serve worker"):
        list(data_service.iterate(silent, somebody, silent_seconds=0.3))


def test_a_lost_dispatcher_is_told(silent, nobody):
    """Where the dispatcher does not answer any more, it is the one to blame."""
    with pytest.raises(RunFailed, match=r"the dispatcher was lost.*refused"):
        list(data_service.iterate(silent, nobody, silent_seconds=0.3))


def test_static_sharding_needs_to_know_the_workers(shards):
    """A dispatcher that was not told of its workers cannot give each its shards."""
    address, servers = started(workers=1)
    data = data_service.distribute(pipeline(shards), address, batch_size=6, sharding="static")
    with pytest.raises(InputError, match="knows its workers"):
        list(data_service.iterate(data, address))
    stop(servers)


def test_an_unknown_sharding_is_a_mistake(shards):
    """The message lists those there are."""
    with pytest.raises(InputError, match="dynamic, static"):
        data_service.distribute(pipeline(shards), "127.0.0.1:1", batch_size=6, sharding="off")


def test_a_worker_that_cannot_see_the_records_is_told(two_workers, tmp_path):
    """The path is named, and what is expected of workers; also out of a dataset that TensorFlow draws."""
    lost = str(tmp_path / "lost-3.tfrec")
    data = data_service.distribute(pipeline([lost, lost]), two_workers, batch_size=6)
    with pytest.raises(RunFailed, match=r"lost-3\.tfrec.*under the same path"):
        list(data_service.iterate(data, two_workers))
    with pytest.raises(RunFailed, match=r"lost-3\.tfrec.*under the same path"), data_service.reported_errors():
        list(data_service.with_timeout(data, two_workers))
    with pytest.raises(tf.errors.NotFoundError), data_service.reported_errors():
        list(pipeline([lost]))
