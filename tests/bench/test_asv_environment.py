"""What asv installs beside a commit's wheel: chosen by one variable, spelt as for `make bench`."""

import re
import sys
import tomllib

import asv.config
import pytest

from bench import asv_environment
from bench.machine.facts import PROJECT_ROOT


@pytest.mark.parametrize(
    ("asked", "installed"),
    [
        ({}, "tensorflow"),
        ({"EXTRAS": ""}, "tensorflow"),
        ({"EXTRAS": "[gpu]"}, "gpu"),
        ({"EXTRAS": "jax,tpu"}, "jax,tpu"),
    ],
)
def test_command_installs_the_extras_asked_for(asked, installed):
    """TensorFlow unless told otherwise, at pinned versions, into asv's environment."""
    words = asv_environment.command("/env", "/w/flowers.whl", "/c/constraints.txt", asked)

    assert words[:3] == [sys.executable, "-m", "uv"]
    assert words[words.index("--python") + 1] == "/env"
    assert words[words.index("--constraint") + 1] == "/c/constraints.txt"
    assert words[-1] == f"/w/flowers.whl[{installed}]"


def test_command_refuses_what_the_project_does_not_have():
    """A sentence ends it: asv prints what a command prints, and stops."""
    with pytest.raises(SystemExit, match=r"must be of tensorflow, gpu.*Received: \[gpus\]"):
        asv_environment.command("/env", "w", "c", {"EXTRAS": "[gpus]"})


def test_extras_are_those_of_the_project():
    """Each can be installed, and asv.conf.json calls the program with what it takes."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    (line,) = asv.config.Config.load(str(PROJECT_ROOT / "asv.conf.json")).install_command

    assert set(asv_environment.EXTRAS) <= set(project["optional-dependencies"])
    assert re.fullmatch(
        r"python \{conf_dir\}/bench/asv_environment\.py \{env_dir\} \{wheel_file\} \{conf_dir\}/constraints\.txt",
        line.removeprefix("in-dir={env_dir} "),
    )
