"""The recipes for clusters: their syntax, what their schedulers require, and a command that `bench` understands."""

import shlex
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from bench.cli.main import CONTEXT, cli
from bench.cli.scaling import scaling
from flowers_core.cli.train import train

FOLDER = Path(__file__).parents[1] / "docs" / "cluster"
JOBSET, SLURM = FOLDER / "jobset.yaml", FOLDER / "slurm.sh"
TRAIN_JOBSET, TRAIN_SLURM = FOLDER / "train-jobset.yaml", FOLDER / "train-slurm.sh"
SCALING, TRAIN = "bench scaling", "flowers_core train"
COMMANDS = {SCALING: scaling, TRAIN: train}


@pytest.fixture
def understood(monkeypatch):
    """The options of a command line in a recipe, read as by the command itself."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")

    def read(line, command=SCALING, **variables):
        for name, value in variables.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line[line.index(command) :])[2:]
        parent = click.Context(cli, **CONTEXT)
        return COMMANDS[command].make_context(command.rpartition(" ")[2], words, parent=parent).params

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


def test_training_is_started_again_as_a_whole(understood):
    """A lost pod fails its job, JobSet starts all of them again, and the same command goes on from what is kept."""
    recipe = yaml.safe_load(TRAIN_JOBSET.read_text())
    (job,) = recipe["spec"]["replicatedJobs"]
    spec, name = job["template"]["spec"], recipe["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    options = understood(container["args"][0], TRAIN, JOB_COMPLETION_INDEX="3")

    assert recipe["spec"]["failurePolicy"]["maxRestarts"] > 0
    assert (spec["completionMode"], spec["backoffLimit"]) == ("Indexed", 0)
    assert spec["parallelism"] == spec["completions"] == options["workers"]
    assert (options["resume"], options["rank"], options["replicas"]) == (True, 3, 1)
    assert options["coordinator"] == f"{name}-{job['name']}-0-0.{name}:5070"
    (mount,) = container["volumeMounts"]
    assert str(options["output"]).startswith(mount["mountPath"])


def test_slurm_starts_training_again(understood):
    """Bash takes it; a worker a host, killed with the others and started again with them."""
    checked = subprocess.run(["bash", "-n", str(TRAIN_SLURM)], capture_output=True, text=True, check=False)
    text = TRAIN_SLURM.read_text()
    (command,) = [part for part in text.replace("\\\n", " ").split("'") if TRAIN in part]
    options = understood(command, TRAIN, COORDINATOR="node1:5070", SLURM_PROCID="2", SLURM_NTASKS="4")

    assert (checked.returncode, checked.stderr) == (0, "")
    assert "--kill-on-bad-exit=1" in text
    assert "#SBATCH --requeue" in text
    assert (options["coordinator"], options["rank"], options["workers"]) == ("node1:5070", 2, 4)
    assert options["resume"]
