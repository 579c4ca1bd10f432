"""What the wheel holds, and that its command lines work from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from bench.machine.facts import PROJECT_ROOT
from bench.run import matrix


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of the working tree."""
    (path,) = WheelBuilder(str(PROJECT_ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(path)


def test_wheel_holds_both_packages(wheel):
    """Every tracked file of both packages is in the wheel, the page's parts and the markers of types among them."""
    command = ["git", "ls-files", "bench", "flowers_core"]
    tracked = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout.split()
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {name for name in tracked if (PROJECT_ROOT / name).exists()} <= names
    assert {"bench/py.typed", "flowers_core/py.typed", "bench/report/page.html"} <= names


def test_wheel_has_both_commands(wheel):
    """`flowers` and `flowers-bench` are installed, with what the harness needs to run."""
    with zipfile.ZipFile(wheel) as zipped:
        texts = {Path(name).name: zipped.read(name).decode() for name in zipped.namelist() if "dist-info" in name}

    assert "flowers-bench = bench.cli.main:main" in texts["entry_points.txt"]
    assert "flowers = flowers_core.cli.main:main" in texts["entry_points.txt"]
    assert {"asv", "psutil", "scipy", "uv"} <= {
        line.split()[1].split(">")[0] for line in texts["METADATA"].splitlines() if line.startswith("Requires-Dist")
    }


def test_installed_harness_works_in_any_folder(wheel, tmp_path):
    """Unpacked elsewhere, it plans a sweep; results and data belong to the current folder then."""
    site, folder = tmp_path / "site", tmp_path / "project"
    zipfile.ZipFile(wheel).extractall(site)
    folder.mkdir()
    code = (
        "from bench.machine import facts; from bench.results import store; from bench.run import data_source\n"
        "print(facts.PROJECT_ROOT, store.RESULTS, data_source.DATA, facts.code()['commit'], sep='|')\n"
        "from bench.cli.main import main; import sys\n"
        "sys.argv[1:] = ['sweep', '--dry-run']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{site}|{folder / 'results'}|{folder / 'data'}|unknown"
    assert f"{len(matrix.quick())} fresh processes: about " in done.stdout


def test_wheel_of_package_alone_leaves_harness_out(tmp_path):
    """Where asv has removed the commit's harness, the wheel holds the package alone: the current harness measures."""
    for name in ("flowers_core", "pyproject.toml", "README.md"):
        (tmp_path / name).symlink_to(PROJECT_ROOT / name)
    (path,) = WheelBuilder(str(tmp_path)).build(directory=str(tmp_path / "wheel"))
    names = zipfile.ZipFile(path).namelist()

    assert "flowers_core/__init__.py" in names
    assert not [name for name in names if name.startswith("bench/")]
