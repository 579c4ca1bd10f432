"""Three planted changes over fifteen commits: they are named and nothing else, by paired runs of real processes."""

import random
import subprocess
import sys
from functools import partial

import pytest

from bench.compare import command_pair, comparison
from bench.compare.command_pair import Recorder
from bench.compare.comparison import PairRuns
from bench.compare.history import regressions, table
from bench.compare.sequential_test import Rule
from bench.compare.variant import Command, Metric, VariantPair

STEP = "step.Step.track_step_seconds"
PLANTED = {4: 1.08, 8: 0.90, 12: 1.10}  # by the commit's place, what its time is multiplied by
COMMITS = 15
BUSY_FROM = 6  # the machine became slower, not the code: a step in asv's figures alone
DISTURBED = {11: 1.11}  # one commit's figures, by others on the machine: the step seems to lie a commit earlier
MODELS = ("squeezenet", "dense", "mobilenetv2")  # the first is what is changed
PRODUCT = """# commit {number}
import json, random, sys
seconds = {seconds!r} if sys.argv[1] == "squeezenet" else 0.1
print(json.dumps(dict(cost=seconds * (1 + random.Random().gauss(0, 0.004)))))
"""


@pytest.fixture
def product(tmp_path):
    """A repository of a product of one file, which prints what it costs; gives folder and commits, oldest first."""
    folder, hashes, seconds = tmp_path / "product", [], 0.2
    folder.mkdir()

    def git(*words):
        command = ["git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    for number in range(COMMITS):
        seconds *= PLANTED.get(number, 1.0)
        (folder / "product.py").write_text(PRODUCT.format(number=number, seconds=seconds))
        git("add", "product.py")
        git("commit", "--quiet", "-m", f"planted {number}" if number in PLANTED else f"harmless {number}")
        hashes.append(git("rev-parse", "HEAD"))
    return folder, hashes


@pytest.fixture
def history(product, stored):
    """The steps in asv's files: of each commit five processes a model, which scatter by 2 %."""
    folder, hashes = product
    dice, level = random.Random(11), 0.2
    for number, commit in enumerate(hashes):
        level *= PLANTED.get(number, 1.0)
        busy = 1.06 if number >= BUSY_FROM else 1.0
        levels = (level * DISTURBED.get(number, 1.0), 0.1 * busy, 0.1)
        samples = [[value * (1 + dice.gauss(0, 0.02)) for _ in range(5)] for value in levels]
        axes = [list(MODELS), [8], ["float32"], ["cpu"], ["train"]]
        results = stored(commit, {STEP: (axes, samples)}, variables={"KERAS_BACKEND": "tensorflow"})
    return regressions.find(results, repository=folder)


def paired_run(folder, results, cell, base, candidate):
    """Runs the product of two commits in pairs of processes, by the rule that compares commands."""

    def command(commit):
        path = results / f"{commit}.py"
        git = ["git", "-C", str(folder), "show", f"{commit}:product.py"]
        path.write_bytes(subprocess.run(git, capture_output=True, check=True).stdout)
        return Command(line=f"{sys.executable} -S -E {path} {cell.model}", metric=Metric(name="cost"))

    variants = VariantPair(command(base), command(candidate))
    runs = PairRuns(record=Recorder(*variants).record)
    (*_, (trial,)) = comparison.run([variants], results, rule=Rule(clocks=("wall",)), runs=runs)
    return trial.final


def test_confirm_names_the_planted_commits_and_no_other(product, history, tmp_path, monkeypatch):
    """What a busy machine put into asv's figures is rejected; what it moved by a commit is found where it lies."""
    folder, hashes = product
    monkeypatch.setattr(command_pair, "MOST_RUNS", 2)
    confirmed = regressions.confirm(history, partial(paired_run, folder, tmp_path))
    answer = table.answer(confirmed)

    assert [row[:3] for row in answer.rows] == [
        (hashes[4][:8], "planted 4", "slower"),
        (hashes[8][:8], "planted 8", "faster"),
        (hashes[12][:8], "planted 12", "slower"),
    ]
    assert [row[3] for row in answer.rows] == pytest.approx([1.08, 0.90, 1.10], abs=0.02)
    assert answer.title == "3 commits changed the time; 1 step was rejected"


def test_answer_says_that_nothing_is_confirmed_yet(history):
    """Without paired runs there are steps in asv's figures, and no commit."""
    answer = table.answer(history)

    assert answer.rows == ()
    assert answer.title.startswith("4 steps in asv's figures, none confirmed yet")
