"""A made-up repository whose commits asv measured, for tests of history."""

import random
import subprocess

import pytest

STEP = "step_time.StepTime.track_step_seconds"


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
