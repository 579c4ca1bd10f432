"""The Makefile's commands, run with a recorder in place of Python: what reaches the programs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).parents[1]
RECORDER = f"""#!{sys.executable}
import json, os, sys
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    with open("calls", "a") as file:
        file.write(json.dumps(sys.argv[1:]) + chr(10))
    sys.exit(int(os.environ.get("FAILS") == sys.argv[3]))
"""


@pytest.fixture
def make(tmp_path):
    """Runs make in a checkout whose path has a space and a quote; gives the exit code and the calls of programs."""
    folder = tmp_path / "Anna's checkout"
    (folder / ".venv").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT_ROOT / name, folder / name)
    (folder / ".venv" / "installed-tensorflow").touch()
    recorder = folder / ".venv" / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)

    def run(*words, **variables):
        command = ["make", "--silent", *words, "RUN=.venv/recorder"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PHOTOS", "RECORDS"))}
        done = subprocess.run(command, cwd=folder, env=kept | variables, capture_output=True, text=True, check=False)
        calls = (folder / "calls").read_text().splitlines()
        return done.returncode, [json.loads(call)[1:] for call in calls]

    return run


@pytest.mark.parametrize(
    ("given", "photos", "records"),
    [
        ([], "data/synthetic", "data/synthetic-192"),
        (["PHOTOS=../photos/"], "../photos/", "data/photos-192"),
        (["PHOTOS=Anna's photos"], "Anna's photos", "data/Anna's photos-192"),
        (['PHOTOS=a $HOME; `b` "c" #d'], 'a $HOME; `b` "c" #d', 'data/a $HOME; `b` "c" #d-192'),
        (["PHOTOS=tb[x]*", "RECORDS=my records"], "tb[x]*", "my records"),
        (["PHOTOS=gs://bucket/photos"], "gs://bucket/photos", "data/photos-192"),
        (["PHOTOS=--help"], "--help", "data/--help-192"),
    ],
)
def test_bench_gives_any_name_of_a_folder_as_it_is(make, given, photos, records):
    """Spaces, quotes, dollars and glob characters reach the programs; only the usual photos are drawn."""
    code, calls = make("bench", *given)
    drawn = [["flowers_core", "synthetic", "data/synthetic"]] if not given else []

    assert code == 0
    assert calls == [
        *drawn,
        ["flowers_core", "records", "--", photos, records],
        ["bench", "sweep", "--profile", "quick", "--seconds", "1", f"--photos={photos}", f"--records={records}"],
        ["bench", "report"],
    ]


def test_bench_takes_folders_from_the_environment(make):
    """PHOTOS may be set before make as well as after."""
    _, calls = make("bench", PHOTOS="Anna's $1 photos")

    assert calls[0] == ["flowers_core", "records", "--", "Anna's $1 photos", "data/Anna's $1 photos-192"]


@pytest.mark.parametrize(("fails", "reported"), [("records", False), ("sweep", True)])
def test_bench_reports_what_was_measured_and_fails_all_the_same(make, fails, reported):
    """A cell that failed is on the page; photos that make no records end it at once."""
    code, calls = make("bench", FAILS=fails)

    assert code != 0
    assert (["bench", "report"] in calls) == reported
