"""The workflows of continuous integration: what runs a pull request's code may write nothing, what writes runs none."""

from pathlib import Path

import pytest
import yaml

GITHUB = Path(__file__).parents[1] / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))


def read(name):
    return yaml.safe_load((GITHUB / name).read_text())


def steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_gate_may_only_read():
    """It runs code of forks: no permission to write, no secret, no token left in the checkout."""
    workflow = read("workflows/gate.yml")
    (checkout,) = [step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout")]

    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in (GITHUB / "workflows/gate.yml").read_text()
    assert checkout["with"]["persist-credentials"] is False
    assert "pull_request_target" not in workflow[True]  # `on` is a truth value in YAML


def test_comment_runs_no_code_of_the_pull_request():
    """It may write comments, and takes nothing but the report as text."""
    workflow = read("workflows/gate-comment.yml")

    assert workflow["permissions"] == {"actions": "read", "pull-requests": "write"}
    assert [step["uses"].split("@")[0] for step in steps(workflow)] == [
        "actions/download-artifact",
        "actions/github-script",
    ]


@pytest.mark.parametrize("path", [*WORKFLOWS, GITHUB / "actions/gate/action.yml"], ids=lambda path: path.name)
def test_scripts_hold_no_expressions(path):
    """A branch's name within `${{ }}` of a script would be run: scripts take values by variables."""
    content = yaml.safe_load(path.read_text())
    scripts = [step.get("run", "") for step in content.get("runs", {}).get("steps", [])]
    scripts += (
        [step.get("run", step.get("with", {}).get("script", "")) for step in steps(content)]
        if "jobs" in content
        else []
    )

    assert any(scripts)
    assert not any("${{" in script for script in scripts)


def test_action_calls_a_gate_that_exists():
    """The options that the action gives are those of the command."""
    from bench.cli.main import cli

    script = read("actions/gate/action.yml")["runs"]["steps"][-1]["run"]
    options = {word for parameter in cli.commands["gate"].params for word in parameter.opts}

    assert {word for word in script.split() if word.startswith("--")} <= options
