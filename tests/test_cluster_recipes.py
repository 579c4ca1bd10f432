"""The recipes for clusters: their syntax, what their schedulers require, and a command that `bench` understands."""

import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from bench.cli.main import CONTEXT, cli
from bench.cli.scaling import scaling

FOLDER = Path(__file__).parents[1] / "docs" / "cluster"
JOBSET, SLURM = FOLDER / "jobset.yaml", FOLDER / "slurm.sh"


@pytest.fixture
def understood(monkeypatch):
    """The options of a command line of `bench scaling`, read as by the command itself."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)

    def read(line, **variables):
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line[line.index("bench scaling") :])[2:]
        return scaling.make_context("scaling", words, parent=click.Context(cli, **CONTEXT)).params

    return read


def test_jobset_has_what_jobset_requires(understood):
    """As many pods as workers, numbered, each reached by its name, and none restarted beside those that go on."""
    recipe = yaml.safe_load(JOBSET.read_text())
    (job,) = recipe["spec"]["replicatedJobs"]
    spec, name = job["template"]["spec"], recipe["metadata"]["name"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    options = understood(container["args"][0], JOB_COMPLETION_INDEX="3")

    assert (recipe["apiVersion"], recipe["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    assert (spec["completionMode"], spec["backoffLimit"], pod["restartPolicy"]) == ("Indexed", 0, "Never")
    assert spec["parallelism"] == spec["completions"] == max(options["workers"])
    assert recipe["spec"]["network"]["enableDNSHostnames"] is True
    assert options["coordinator"] == f"{name}-{job['name']}-0-0.{name}:5070"
    assert options["rank"] == 3
    assert options["replicas"] == (container["resources"]["limits"]["nvidia.com/gpu"],)
    mounted = {volume["name"] for volume in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_slurm_script_is_one_task_a_host(understood):
    """Bash takes it, and Slurm starts a worker on as many hosts as there are workers."""
    checked = subprocess.run(["bash", "-n", str(SLURM)], capture_output=True, text=True, check=False)
    text = SLURM.read_text()
    asked = dict(line[len("#SBATCH --") :].split("=") for line in text.splitlines() if line.startswith("#SBATCH"))
    (command,) = [part for part in text.replace("\\\n", " ").split("'") if "bench scaling" in part]
    options = understood(command, COORDINATOR="node1:5070", SLURM_PROCID="2")

    assert (checked.returncode, checked.stderr) == (0, "")
    assert int(asked["nodes"]) == max(options["workers"])
    assert asked["ntasks-per-node"] == "1"
    assert options["replicas"] == (int(asked["gpus-per-node"]),)
    assert (options["coordinator"], options["rank"]) == ("node1:5070", 2)
