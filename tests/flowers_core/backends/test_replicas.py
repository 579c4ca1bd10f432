"""Who has which part of a batch and which device, and what is wrong with a TF_CONFIG."""

import json

import pytest

from flowers_core.backends.devices import DeviceAbsent
from flowers_core.backends.replicas import Group, parse_address, parse_tf_config
from flowers_core.errors import InputError

CONFIG = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def test_shares_make_up_the_batch():
    """Each image of a global batch is in the share of one process."""
    groups = [Group(addresses=("a:1", "b:1", "c:1"), rank=rank, replicas=2) for rank in range(3)]
    shares = [list(range(12))[group.share(12)] for group in groups]

    assert shares == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_uneven_batch_is_refused():
    """A batch that the replicas cannot split evenly is a sentence."""
    with pytest.raises(InputError, match=r"multiple of its 6 replicas.*Received: a batch of 8"):
        Group(addresses=("a:1", "b:1", "c:1"), replicas=2).share(8)


def test_processes_of_a_host_have_their_own_devices():
    """Processes that share a host take devices one after the other; too few are said."""
    assert Group(replicas=2, first_device=2).local([0, 1, 2, 3], "JAX") == [2, 3]
    with pytest.raises(DeviceAbsent, match=r"4 replicas on a host need as many devices. JAX sees 3 here"):
        Group(replicas=2, first_device=2).local([0, 1, 2], "JAX")


def test_tf_config_is_read():
    """Addresses of all workers and which of them this is; without a type a task is a worker."""
    assert parse_tf_config(json.dumps(CONFIG)) == (("a:1", "b:2"), 1)
    assert parse_tf_config(json.dumps({**CONFIG, "task": {"index": 0}})) == (("a:1", "b:2"), 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ("[1]", "must be objects"),
        ('"text"', "must be objects"),
        ("{}", "lacks 'cluster'"),
        (json.dumps({**CONFIG, "cluster": {"worker": "a:1"}}), "a list of addresses"),
        (json.dumps({**CONFIG, "cluster": {"worker": []}}), "a list of addresses"),
        (json.dumps({**CONFIG, "cluster": {"worker": ["a:1", 2]}}), "a list of addresses"),
        (json.dumps({**CONFIG, "cluster": {"worker": ["a:1", "b:2"], "ps": ["c:3"]}}), "only workers train here"),
        (json.dumps({**CONFIG, "cluster": {"worker": ["a:1", "a:1"]}}), "twice"),
        (json.dumps({**CONFIG, "cluster": {"worker": ["a:1", "b:99999"]}}), "such as 10.0.0.2:5070"),
        (json.dumps({**CONFIG, "task": {"index": 2}}), "from 0 to 1"),
        (json.dumps({**CONFIG, "task": {"index": True}}), "from 0 to 1"),
        (json.dumps({**CONFIG, "task": {"index": 0, "type": "chief"}}), "must be a worker"),
        (json.dumps({**CONFIG, "task": [1]}), "must be objects"),
    ],
)
def test_malformed_tf_config_is_said(text, message):
    """What is wrong with it, beside one that is right."""
    with pytest.raises(InputError, match=message):
        parse_tf_config(text)


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:65536", "http://host:1", "a b:1"])
def test_address_is_host_and_port(text):
    """Nothing else is an address."""
    with pytest.raises(InputError, match="--coordinator"):
        parse_address(text, "--coordinator")
