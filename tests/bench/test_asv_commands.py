"""Commands of asv itself on a made-up repository, with the plugin that selects what `run` measures."""

import json
import os
import re
import subprocess
import sys

import pytest

from bench import asv_profile
from bench.machine.facts import PROJECT_ROOT

# The suite is that of the working tree; what it measures is a figure that the installed commit has put into the
# environment. `Step` stands for one that the quick profile selects by its parameters.
SUITE = """
import pathlib, sys

class Step:
    params, param_names, version = [["dense", "vgg16"]], ["model"], "1"

    def track_step_seconds(self, model):
        return float((pathlib.Path(sys.prefix) / "seconds").read_text())

    track_step_seconds.unit = "seconds"

    def track_host_peak_bytes(self, model):
        return 3_000_000_000

    track_host_peak_bytes.unit, track_host_peak_bytes.pretty_name = "bytes", "Peak memory, host"
"""
PLUGIN = """
import pathlib, venv

import asv_runner
from asv.plugins.virtualenv import Virtualenv
from bench import asv_profile

class Bare(Virtualenv):
    tool_name = "bare"  # nothing is installed, so that no network is needed

    def _setup(self):
        venv.create(self._path)
        (packages,) = pathlib.Path(self._path).glob("lib/*/site-packages")
        (packages / "asv.pth").write_text(str(pathlib.Path(asv_runner.__file__).parents[1]))

asv_profile.PROFILES = {"quick": (r"^suite\\.Step\\..*'dense'",), "full": (".",)}
setup = asv_profile.setup
"""
CHANGE = re.compile(r"\| 200\S*ms +\| 300\S*ms +\| +1\.50? +\| suite\.Step\.track_step_seconds\('dense'\)")
COPY = "import shutil; shutil.copy(r'{build_dir}/seconds', r'{env_dir}/seconds')"
SECONDS = ("0.2", "0.2", "0.3")  # of the commits; the last one is slower


@pytest.fixture(scope="module")
def asv(tmp_path_factory):
    """Runs a command of asv in the repository, `asv("show", "HEAD")`; its machine is known."""
    folder = tmp_path_factory.mktemp("asv")
    (folder / "suites").mkdir()
    (folder / "suites" / "__init__.py").touch()
    (folder / "suites" / "suite.py").write_text(SUITE)
    (folder / "plugin_of_test.py").write_text(PLUGIN)
    configuration = {
        "version": 1, "project": "made up", "repo": ".", "branches": ["main"], "dvcs": "git",
        "environment_type": "bare", "benchmark_dir": "suites", "plugins": [".plugin_of_test"],
        "build_command": ["python -c pass"], "install_command": [f'python -c "{COPY}"'],
        "uninstall_command": ["python -c pass"], "results_dir": "results", "env_dir": "env",
    }  # fmt: skip
    (folder / "asv.conf.json").write_text(json.dumps(configuration))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FLOWERS_"))}
    env = {**kept, "HOME": str(folder), "PYTHONPATH": str(PROJECT_ROOT), "FLOWERS_PHOTOS": str(folder)}

    def run(*words, program=(sys.executable, "-m", "asv"), accepted=(0,), **variables):
        done = subprocess.run(
            [*program, *words], cwd=folder, env={**env, **variables}, capture_output=True, text=True, check=False
        )
        assert done.returncode in accepted, done.stdout + done.stderr
        return done.stdout + done.stderr

    git = ("git", "-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false")
    run("init", "--quiet", "--initial-branch=main", program=git)
    for number, seconds in enumerate(SECONDS):
        (folder / "seconds").write_text(seconds)
        run("add", "seconds", program=git)
        run("commit", "--quiet", "--allow-empty", "-m", f"commit {number}", program=git)
    run("machine", "--yes")
    return run


@pytest.fixture(scope="module")
def continuous(asv):
    """What `asv continuous` prints of the last two commits; it stores both, and ends by 1 where one is slower."""
    return asv("continuous", "HEAD~1", "HEAD", accepted=(1,))


def test_continuous_measures_the_quick_profile_and_finds_the_slower_commit(continuous):
    """What the profile leaves out starts no process, and is not in the answer."""
    assert "Profile `quick`" in continuous
    assert CHANGE.search(continuous)
    assert "vgg16" not in "".join(line for line in continuous.splitlines() if "ms" in line)


def test_compare_and_show_read_what_it_stored(asv, continuous):
    """Seconds and bytes are scaled for people."""
    assert continuous
    compared, shown = asv("compare", "HEAD~1", "HEAD"), asv("show", "HEAD")

    assert CHANGE.search(compared)
    assert "3G" in shown


def test_check_accepts_the_suite(asv):
    """The plugin is loaded for it, too, and changes nothing."""
    assert "No problems found" in asv("check")


def test_find_names_the_slower_commit(asv):
    """By bisection over the commits, of one benchmark by name."""
    slower = asv("rev-parse", "--short=8", "HEAD", program=("git",)).strip()

    assert f"Greatest regression found: {slower}" in asv("find", "HEAD~2..HEAD", "suite.Step.track_step_seconds.*dense")


def test_misspelt_benchmark_is_answered_by_its_name(asv, continuous):
    """Where asv itself says that none is selected, and leaves one to guess which there are."""
    assert continuous
    said = asv("run", "HEAD^!", "-b", "track_step_secnds", accepted=(1,))

    assert "`-b track_step_secnds` selects none of 2 known benchmarks; did you mean track_step_seconds?" in said


def test_misspelt_names_are_told_from_expressions():
    """What selects a benchmark by its parameters is right; whole names, classes and functions are known."""
    known = {"step.Step.track_seconds": {"params": [["'dense'", "'vgg16'"], ["8"]]}, "version": 2}
    asked = [r"Step\.track_seconds\('dense'", "vgg16", "Stap", r"^stp\.Step\.track_seconds", "just-discover"]
    said = asv_profile.misspelt(asked, known)

    assert [sentence.partition(";")[2] for sentence in said] == [
        " did you mean Step?" if "Stap" in sentence else " did you mean step.Step.track_seconds?" for sentence in said
    ]
    assert len(said) == 2


def test_profile_must_be_known(asv):
    """A misspelt profile is refused before anything is measured."""
    assert "must be one of quick, full. Received: 'ful'" in asv("run", "HEAD^!", accepted=(1,), FLOWERS_PROFILE="ful")


def test_forecast_is_what_the_last_commit_took(tmp_path):
    """As asv has kept it of each benchmark; where it has kept nothing, that is said."""
    unknown = "how long a commit takes is known when the first has ended"
    assert asv_profile.forecast(tmp_path) == unknown
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "machine.json").write_text("{}")
    (tmp_path / "lab" / "0123-env.json").write_text("[]")
    assert asv_profile.forecast(tmp_path) == unknown
    rows = {"a": [[1.0], 240.0], "b": [[2.0], None], "c": [[3.0]], "d": [None, 210.0]}
    (tmp_path / "lab" / "0123-env.json").write_text(
        json.dumps({"result_columns": ["result", "duration"], "results": rows})
    )
    assert asv_profile.forecast(tmp_path) == "about 8 min a commit, as the last one took here"
