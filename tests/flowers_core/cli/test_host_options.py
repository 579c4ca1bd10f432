"""Which of several workers a process is: by options, by TF_CONFIG, by torchrun."""

import json

import pytest

from flowers_core.cli.host_options import Hosts
from flowers_core.errors import InputError

TORCHRUN = {"MASTER_ADDR": "node1", "MASTER_PORT": "29500", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
CONFIG = json.dumps({"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}})


@pytest.fixture
def place(monkeypatch):
    """The place that options and variables name: `place(variables, rank=1)`."""

    def find(variables, *, backend="jax", **given):
        for name in ("TF_CONFIG", *TORCHRUN):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        options = {"coordinator": "", "rank": None, "workers": None, "replicas": 1, "meet": 60.0, "lost_after": 30.0}
        return Hosts(**{**options, **given}).place(backend=backend)

    return find


def test_place_is_said_by_options_or_variables(place):
    """Options win; TF_CONFIG's first worker is the coordinator; torchrun's own port is taken."""
    by_options = place({"TF_CONFIG": CONFIG}, coordinator="c:7", rank=0, workers=2)
    by_config, by_torchrun = place({"TF_CONFIG": CONFIG}), place(TORCHRUN, backend="torch")

    assert (by_options.coordinator, by_options.rank, by_options.leads) == (("c", 7), 0, True)
    assert (by_config.coordinator, by_config.rank, by_config.workers) == (("a", 1), 1, 2)
    assert (by_torchrun.coordinator, by_torchrun.rank, by_torchrun.workers) == (("node1", 29501), 3, 4)
    assert by_torchrun.first_device == 1


def test_training_alone_has_no_place(place):
    """Without any of them, and where there is one worker only."""
    assert place({}) is None
    assert place({**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0"}) is None


@pytest.mark.parametrize(
    ("variables", "given", "message"),
    [
        ({}, {"rank": 0}, "belong together. Received: 0 alone"),
        ({}, {"coordinator": "a:1", "rank": 2, "workers": 2}, "from 0 to 1"),
        ({}, {"coordinator": "a", "rank": 0, "workers": 2}, "such as 10.0.0.2:5070"),
        ({}, {"replicas": 2}, "no others"),
        ({"TF_CONFIG": "{"}, {}, "not JSON"),
        ({**TORCHRUN, "RANK": "x"}, {}, "as torchrun sets them"),
        (TORCHRUN, {"backend": "torch", "replicas": 2}, "a process for each replica"),
    ],
)
def test_wrong_places_are_said(place, variables, given, message):
    """What was expected and what came."""
    with pytest.raises(InputError, match=message):
        place(variables, **given)
