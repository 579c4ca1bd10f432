"""An epoch over tf.data service: each image once, and never a wait without end."""

import gc
import socket
import threading
from concurrent import futures

import pytest
import tensorflow as tf

from flowers_core.data import manifest
from flowers_core.errors import InputError, RunFailed
from flowers_core.input import data_service, pipelines, training_data

KINDS = tf.data.experimental.service


@pytest.fixture(scope="module")
def records(written):
    """Paths of the records of 20 photos of 24 pixels."""
    return manifest.paths(*written)


def start(*, workers, known_addresses=None):
    """A dispatcher with some workers, all in this process; its address comes first."""
    servers = [KINDS.DispatchServer(KINDS.DispatcherConfig(protocol="grpc", worker_addresses=known_addresses))]
    address = servers[0].target.replace("localhost", "127.0.0.1")
    config = KINDS.WorkerConfig(address.split("//")[1], worker_address="127.0.0.1:%port%", heartbeat_interval_ms=100)
    servers += [KINDS.WorkerServer(config) for _ in range(workers)]
    return address, servers


def stop(servers):
    gc.collect()  # iterators, which would look for their dispatcher for ever
    for server in reversed(servers):
        server._stop()


@pytest.fixture(scope="module")
def two_workers():
    """Address of a dispatcher that knows its two workers."""
    address, servers = start(workers=2, known_addresses=["127.0.0.1:%port%"] * 2)
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
    pipeline = Silent()
    yield pipeline
    pipeline.over.set()


@pytest.fixture
def mute_address():
    """Address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def closed_address():
    """Address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def pipeline(records, epochs=1):
    return pipelines.build("records_uint8", records, image_size=24, batch_size=6, epochs=epochs)


@pytest.mark.parametrize("sharding", data_service.SHARDING)
def test_distribute_delivers_each_image_once(records, two_workers, sharding, count_images):
    """Two workers give the images and labels of one epoch, each exactly once, in whole batches but the last."""
    data = data_service.distribute(pipeline(records), two_workers, batch_size=6, sharding=sharding)
    twice = [list(data_service.iterate(data, two_workers)) for _ in range(2)]

    for batches in twice:
        assert count_images(batches) == count_images(pipeline(records))
        assert [len(labels) for _, labels in batches] == [6, 6, 6, 2]


def test_distribute_leaves_out_a_smaller_batch(records, two_workers):
    """A last, smaller batch is left out where whole ones are wanted."""
    data = data_service.distribute(pipeline(records), two_workers, batch_size=6, whole=True)

    assert [len(labels) for _, labels in data_service.iterate(data, two_workers)] == [6, 6, 6]


def test_training_over_workers_sees_the_same_images(records, two_workers, count_images):
    """An epoch of training batches holds the same images, whoever decoded them."""
    here, there = (
        count_images(
            training_data.training(
                records, image_size=24, batch_size=5, augmentation="none", shuffle_buffer=1, dispatcher=dispatcher
            ).take(4)
        )
        for dispatcher in ("", two_workers)
    )

    assert here == there
    assert here.total() == 20


@pytest.mark.parametrize("text", ["", "host", "http://host:5050", "host:0", "host:99999", "grpc://a/b:1"])
def test_address_has_host_and_port(text):
    """Anything else is a mistake, told with an example."""
    with pytest.raises(InputError, match=r"grpc://10\.0\.0\.2:5050"):
        data_service.address(text)


def test_distribute_says_that_nothing_listens(silent, closed_address):
    """The address and the cause are told at once."""
    with pytest.raises(InputError, match=rf"{closed_address}.*refused"):
        data_service.distribute(silent, closed_address, batch_size=6)


def test_distribute_gives_up_a_mute_listener(silent, mute_address, monkeypatch):
    """Who takes the call and says nothing is given up in time."""
    monkeypatch.setattr(data_service, "REACH_SECONDS", 0.3)
    with pytest.raises(InputError, match=r"did not take the pipeline within 0\.3 s"):
        data_service.distribute(silent, mute_address, batch_size=6)


def test_distribute_refuses_another_version(records):
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
            data_service.distribute(pipeline(records), f"127.0.0.1:{port}", batch_size=6)
    finally:
        server.stop(None)


def test_iterate_gives_up_silent_workers(silent, mute_address):
    """Where the dispatcher answers it is the workers who are silent; the message says so, and how to start one."""
    with pytest.raises(RunFailed, match=r"within 0\.3 s.*no worker has registered.*bench data-service serve worker"):
        list(data_service.iterate(silent, mute_address, silent_seconds=0.3))


def test_iterate_says_that_the_dispatcher_was_lost(silent, closed_address):
    """Where the dispatcher does not answer any more, it is the one to blame."""
    with pytest.raises(RunFailed, match=r"the dispatcher was lost.*refused"):
        list(data_service.iterate(silent, closed_address, silent_seconds=0.3))


def test_static_sharding_needs_known_workers(records):
    """A dispatcher that was not told of its workers cannot give each its records."""
    address, servers = start(workers=1)
    data = data_service.distribute(pipeline(records), address, batch_size=6, sharding="static")
    with pytest.raises(InputError, match="knows its workers"):
        list(data_service.iterate(data, address))
    stop(servers)


def test_distribute_refuses_an_unknown_sharding(records):
    """The message lists those there are."""
    with pytest.raises(InputError, match="dynamic, static"):
        data_service.distribute(pipeline(records), "127.0.0.1:1", batch_size=6, sharding="off")


def test_missing_records_are_named(two_workers, tmp_path):
    """The path is named, and what is expected of workers; also out of a dataset that TensorFlow draws."""
    lost = str(tmp_path / "lost-3.tfrec")
    data = data_service.distribute(pipeline([lost, lost]), two_workers, batch_size=6)
    with pytest.raises(RunFailed, match=r"lost-3\.tfrec.*under the same path"):
        list(data_service.iterate(data, two_workers))
    with pytest.raises(RunFailed, match=r"lost-3\.tfrec.*under the same path"), data_service.reported_errors():
        list(data_service.with_timeout(data, two_workers))
    with pytest.raises(tf.errors.NotFoundError), data_service.reported_errors():
        list(pipeline([lost]))
