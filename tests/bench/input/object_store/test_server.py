"""An object store on this machine, met by TensorFlow's own client; the client lives in one child for all tests."""

import json
import os
import ssl
import subprocess
import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest

from bench.input.object_store import server
from bench.input.object_store.network import CUT, SILENT, Conditions, Fault
from flowers_core.data import photos, storage, tfrecords

# What a test sends is run as it stands; the last line gives what comes back. A silent store is given up soon.
CLIENT = """
import ast, json, os, sys
from flowers_core import errors
from flowers_core.data import manifest, photos, storage, tfrecords
from flowers_core.input import pipelines
import tensorflow as tf
names = {**globals()}
storage.REACH_SECONDS = 2
for line in sys.stdin:
    tree = ast.parse(json.loads(line))
    last = ast.Expression(tree.body.pop().value)
    storage._ask.cache_clear()
    try:
        exec(compile(tree, "test", "exec"), names)
        answer = {"gave": eval(compile(last, "test", "eval"), names)}
    except Exception as error:
        answer = {"raised": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), flush=True)
"""
QUICK = {
    "GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "1000",
    "GCS_RETRY_CONFIG_MAX_RETRIES": "3",
    "GCS_REQUEST_IDLE_TIMEOUT_SECS": "1",
    "GCS_STAT_CACHE_MAX_AGE": "0",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


@pytest.fixture(scope="module")
def served(synthetic_photos, synthetic_records, tmp_path_factory):
    """Serves photos, records, a bucket to write to and an empty one; with the folder that is written to."""
    written, empty = tmp_path_factory.mktemp("written"), tmp_path_factory.mktemp("empty")
    folders = {"photos": synthetic_photos, "records": synthetic_records, "written": written, "empty": empty}
    with server.serve(folders, Conditions(latency_seconds=0.001), writable=True) as store:
        yield store, written


@pytest.fixture(scope="module")
def child(served):
    """TensorFlow's client, whose environment leads to the store."""
    variables = {**os.environ, **served[0].environment(), **QUICK}
    storage.configure_client(variables)
    started = subprocess.Popen(
        [sys.executable, "-c", CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env=variables,
    )  # fmt: skip
    yield started
    started.stdin.close()
    started.wait(timeout=30)
    started.stdout.close()


@pytest.fixture
def client(child, served):
    """Runs lines in the client, while some faults hold: gives what the last line gives, or what was raised."""
    served[0].traffic.reset()

    def run(code, *faults):
        served[0].traffic.faults = list(faults)
        child.stdin.write(json.dumps(code) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    yield run
    served[0].traffic.faults = []


def test_records_are_the_same_as_on_the_disk(client, synthetic_records, served):
    """Every image and label of an epoch is that of the disk, and each shard takes one request."""
    read = (
        "shards = manifest.paths({0!r}, manifest.load({0!r}))\n"
        "data = pipelines.build('records_uint8', shards, image_size=192, batch_size=4)\n"
        "sorted([int(label), int(tf.reduce_sum(tf.cast(image, tf.int64)))] for image, label in data.unbatch())"
    )
    near, far = client(read.format(str(synthetic_records))), client(read.format("gs://records"))
    counts = served[0].traffic.counts

    assert far["gave"] == near["gave"]
    assert len(far["gave"]) == 20
    assert counts.requests["read"] == 4 + 1  # and the manifest
    assert counts.requests["list"] == 1


def test_photos_are_the_same_as_on_the_disk(client, synthetic_photos, served):
    """One listing finds what the disk holds; one by one and in parallel yield the same sums."""
    found = client("found = photos.find('gs://photos')\nlist(found.paths)")
    here = photos.find(synthetic_photos)
    sums = [
        client(
            f"data = pipelines.build({name!r}, found, image_size=24, batch_size=5)\n"
            "sorted(round(float(tf.reduce_sum(image)), 2) for image, _ in data.unbatch())"
        )["gave"]
        for name in ("photos_one_by_one", "photos_parallel")
    ]

    assert found["gave"] == [path.replace(str(synthetic_photos), "gs://photos") for path in here.paths]
    assert sums[0] == sums[1]
    assert len(sums[0]) == len(here)
    assert served[0].traffic.counts.requests["list"] == 1


def test_checksums_of_all_photos_come_by_one_listing(client, synthetic_photos, served):
    """With the size of each; photos that differ have others."""
    sums = client("storage.checksums('gs://photos/')")["gave"]
    here = {
        path.replace(str(synthetic_photos), "gs://photos"): Path(path) for path in photos.find(synthetic_photos).paths
    }

    assert {address: int(sums[address].partition(":")[0]) for address in here} == {
        address: path.stat().st_size for address, path in here.items()
    }
    assert len({sums[address] for address in here}) == len(here)
    assert served[0].traffic.counts.requests == {"list": 1}


def test_records_are_written_into_a_bucket(client, synthetic_photos, served, tmp_path):
    """Photos of one bucket become records in another, byte for byte those of the disk; again, and nothing is done."""
    write = (
        "written = tfrecords.write(photos.find('gs://photos'), 'gs://written/r', image_size=24, shards=2)\n"
        "[written.images, len(storage.listing('gs://written/r'))]"
    )
    first, again = client(write), client(write)
    tfrecords.write(photos.find(synthetic_photos), tmp_path / "r", image_size=24, shards=2)

    assert first == again == {"gave": [20, 3]}
    for shard in (tmp_path / "r").glob("*.tfrec"):
        assert (served[1] / "r" / shard.name).read_bytes() == shard.read_bytes()


def test_files_are_written_listed_and_removed(client, served):
    """Texts go there and come back; what was removed is gone."""
    gave = client(
        "storage.write_text('gs://written/t/a.txt', 'flower' * 1000)\n"
        "back = storage.read_text('gs://written/t/a.txt')\n"
        "before = storage.listing('gs://written/t')\n"
        "storage.remove('gs://written/t/a.txt')\n"
        "[back == 'flower' * 1000, before, storage.listing('gs://written/t'), storage.size('gs://written/t/a.txt')]"
    )

    assert gave == {"gave": [True, {"a.txt": 6000}, {}, -1]}
    assert not (served[1] / "t" / "a.txt").exists()


LOAD = "manifest.load('gs://records').images"


@pytest.mark.parametrize(
    ("code", "fault", "words"),
    [
        (LOAD, Fault(effect=403, request="list"), ["gs://records", "403"]),
        (LOAD, Fault(effect=403, request="read"), ["gs://records/manifest.json", "403"]),
        (LOAD, Fault(effect=500), ["gs://records", "answers 500"]),
        (LOAD, Fault(effect=500, request="list"), ["gs://records", "500"]),
        (LOAD, Fault(effect=CUT, request="read"), ["manifest.json", "bytes missing"]),
        (LOAD, Fault(effect=SILENT), ["gs://records", "did not answer within 2 s"]),
        ("manifest.load('gs://nothing').images", Fault(effect=403, times=0), ["gs://nothing", "404"]),
        ("manifest.load('gs://empty').images", Fault(effect=403, times=0), ["gs://empty", "with none"]),
        ("len(photos.find('gs://photos'))", Fault(effect=403, request="list"), ["gs://photos", "403"]),
    ],
)  # fmt: skip
def test_failures_name_address_and_cause(client, code, fault, words):
    """Whatever the store does, the user gets one sentence, soon."""
    answer = client(code, fault)

    assert answer.get("raised") == "InputError", answer
    assert [word for word in words if word not in answer["message"]] == []


@pytest.mark.parametrize(
    "fault", [Fault(effect=503, request="list", times=2), Fault(effect=CUT, request="read", times=1)]
)
def test_short_faults_are_tried_again(client, served, fault):
    """The client's tries are counted: one more request for each fault."""
    tries, kind = fault.times, fault.request
    answer = client(LOAD, fault)

    assert answer == {"gave": 20}
    assert served[0].traffic.counts.requests[kind] == tries + 1


def test_a_refused_shard_stops_the_pipeline_with_its_name(client):
    """In the middle of an epoch: TensorFlow's error holds the address and the cause."""
    answer = client(
        "data = pipelines.build('records_parallel', ['gs://records/x-1.tfrec'], image_size=192, batch_size=4)\n"
        "len(list(data))",
        Fault(effect=403, request="read"),
    )

    assert "403" in answer["message"]
    assert "gs://records/x-1.tfrec" in answer["message"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("CURL_CA_BUNDLE", "another", "CERTIFICATE_VERIFY_FAILED"),
        ("https_proxy", "http://127.0.0.1:1", "refused"),
    ],
)
def test_an_unreachable_store_is_reported_at_once(client, tmp_path, variable, value, said):
    """An authority that is not trusted, a proxy that is not there: the cause, and which variable decides."""
    from bench.input.object_store import tls

    tls.context(["other"], tmp_path / "another")
    value = str(tmp_path / "another") if value == "another" else value
    answer = client(
        f"before = os.environ[{variable!r}]\n"
        f"os.environ[{variable!r}] = {value!r}\n"
        "try:\n"
        "    manifest.load('gs://records')\n"
        "except errors.InputError as error:\n"
        "    told = str(error)\n"
        f"os.environ[{variable!r}] = before\n"
        "told"
    )

    assert said in answer["gave"]
    assert "gs://records" in answer["gave"]
    assert variable.upper() in answer["gave"]


def test_proxy_serves_no_other_hosts(served):
    """A proxy that led anywhere would be a hole."""
    from urllib import request

    opener = request.build_opener(request.ProxyHandler({"https": served[0].environment()["https_proxy"]}))
    with pytest.raises(OSError, match="403"):
        opener.open("https://example.org/", timeout=5)


def test_proxy_serves_nobody_without_the_token(served):
    """Every local user reaches the port; only who was given the variables is answered."""
    from urllib import request

    for user in ("", "flowers:guess@"):
        opener = request.build_opener(request.ProxyHandler({"https": f"http://{user}127.0.0.1:{served[0].port}"}))
        with pytest.raises(OSError, match="407"):
            opener.open("https://www.googleapis.com/storage/v1/b/photos", timeout=5)


@pytest.mark.parametrize("length", ["x", "-"])
def test_server_answers_a_request_that_is_damaged(served, length):
    """It is refused with 400, not by a connection that ends without a word."""
    from http.client import HTTPSConnection

    trusted = ssl.create_default_context(cafile=served[0].authority)
    user = b64encode(f"{server.USER}:{served[0].token}".encode()).decode()
    with closing(HTTPSConnection("127.0.0.1", served[0].port, context=trusted, timeout=60)) as connection:
        connection.set_tunnel("www.googleapis.com", 443, {"Proxy-Authorization": f"Basic {user}"})
        connection.putrequest("GET", "/storage/v1/b/photos/o")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        with connection.getresponse() as response:
            assert response.status == 400


def test_serve_refuses_a_port_that_is_taken(served, tmp_path):
    """The message says which."""
    with (
        pytest.raises(server.InputError, match=f"port={served[0].port}"),
        server.serve({"a": tmp_path}, port=served[0].port),
    ):
        pass
