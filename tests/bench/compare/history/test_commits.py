"""Commits of a branch: their order, and what is said where there is none."""

import subprocess

import pytest

from bench.compare.history import commits
from flowers_core.errors import InputError


def test_the_line_has_every_commit_in_its_order(repository):
    """The oldest commit stands first, each with its subject line."""
    folder, hashes = repository
    line = commits.line(folder)

    assert list(line) == hashes
    assert line[hashes[7]] == "commit 7: decode twice"


def test_a_merged_branch_is_one_step(repository):
    """Commits of a merged branch are not of the line: the merge is."""
    folder, hashes = repository
    git = ["git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false"]
    for words in (
        ["switch", "--quiet", "-c", "side", hashes[5]],
        ["commit", "--quiet", "--allow-empty", "-m", "aside"],
        ["switch", "--quiet", "main"],
        ["merge", "--quiet", "--no-ff", "-m", "merge", "side"],
    ):
        subprocess.run([*git, *words], cwd=folder, check=True, capture_output=True)

    assert list(commits.line(folder).values())[-2:] == ["commit 11", "merge"]


@pytest.mark.parametrize("branch", ["nowhere", "--all"])
def test_an_unknown_branch_is_named(repository, branch):
    """What is no branch is an error with its name, options among it."""
    with pytest.raises(InputError, match=f"branch='{branch}'"):
        commits.line(repository[0], branch=branch)


def test_no_repository_is_said(tmp_path):
    """A folder that is not there, or not under git, is an error in a sentence."""
    with pytest.raises(InputError, match="cannot be read"):
        commits.line(tmp_path / "none")
