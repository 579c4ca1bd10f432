"""A made-up repository whose commits asv measured, for tests of history."""

import json
import random
import subprocess

import pytest

STEP = "step_time.StepTime.track_step_seconds"
ENVIRONMENT = "virtualenv-py3.11-uv"
VARIABLES = {"FLOWERS_DEVICE": "cpu", "FLOWERS_PRECISION": "mixed_bfloat16", "KERAS_BACKEND": "tensorflow"}


@pytest.fixture
def repository(tmp_path):
    """Twelve commits, the eighth with the subject `commit 7: decode twice`; gives folder and commits, oldest first."""
    folder = tmp_path / "repository"
    folder.mkdir()

    def git(*words):
        command = ["git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    hashes = []
    for number in range(12):
        subject = f"commit {number}: decode twice" if number == 7 else f"commit {number}"
        git("commit", "--quiet", "--allow-empty", "-m", subject)
        hashes.append(git("rev-parse", "HEAD"))
    return folder, hashes


@pytest.fixture
def stored(tmp_path):
    """Stores figures as asv does: `stored(commit, {name: ([axes], [samples of each combination])})`; gives the folder.

    Samples are seconds of fresh processes; None is a failure and NaN is n/a.
    """
    from asv.results import Results
    from asv.runner import BenchmarkResult

    folder = tmp_path / "asv"

    def store(commit, figures, *, machine="lab", environment=ENVIRONMENT, variables=VARIABLES, version="1-ruler1"):
        (folder / machine).mkdir(parents=True, exist_ok=True)
        (folder / machine / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))
        results = Results({"machine": machine}, {}, commit, 0, "3.11", environment, variables)
        for name, (axes, samples) in figures.items():
            values = [processes[0] if isinstance(processes, list) else processes for processes in samples]
            kept = [processes if isinstance(processes, list) else None for processes in samples]
            numbers = [1 if isinstance(processes, list) else None for processes in samples]
            params = [[repr(value) for value in axis] for axis in axes]
            results.add_result(
                {"name": name, "version": version, "params": params},
                BenchmarkResult(values, kept, numbers, 0, "", None),
            )
        results.save(str(folder))
        return folder

    return store


@pytest.fixture
def slowed(repository, stored):
    """The repository measured at every commit: `squeezenet` is 10 % slower from commit 7 on, at 3 % a process.

    The medians of five processes differ by 1.5 % then. `dense` stays as it is.
    """
    dice = random.Random(7)
    folder, hashes = repository
    for number, commit in enumerate(hashes):
        slower = {"squeezenet": 1.10 if number >= 7 else 1.0, "dense": 1.0}
        samples = [[0.2 * slower[name] * (1 + dice.gauss(0, 0.03)) for _ in range(5)] for name in slower]
        results = stored(commit, {STEP: ([list(slower), [8]], samples)})
    return folder, hashes, results
