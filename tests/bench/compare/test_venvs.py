"""Cached environments: whole or not at all, whatever is killed meanwhile."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.compare import venvs
from flowers_core.errors import InputError, RunFailed

SLOW = """
import pathlib, time
pathlib.Path({started!r}).touch()
time.sleep(2)
def build_wheel(*args, **more): raise SystemExit("this never becomes a wheel")
"""


def runs(python, code):
    """What a program prints in an environment."""
    process = subprocess.run([python, "-c", code], cwd="/", env={}, capture_output=True, text=True, check=True)
    return process.stdout.strip()


@pytest.fixture
def wheel(tmp_path):
    """A wheel of one module, `tiny`, which needs nothing and no network."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("tiny.py", "ANSWER = 42\n")
        zipped.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        zipped.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        zipped.writestr("tiny-1.0.dist-info/RECORD", "")
    return str(path)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "environments"


def test_ensure_installs_what_was_asked_for(cache, wheel):
    """It is of its own, of this python's version, and what is installed is compiled."""
    python = venvs.ensure("a", [wheel], cache=cache)

    assert python == cache / "a" / "bin" / "python"
    assert runs(python, "import sys, tiny; print(tiny.ANSWER, sys.prefix)") == f"42 {cache / 'a'}"
    assert runs(python, "import sys; print(sys.version)") == sys.version
    assert list((cache / "a").rglob("tiny.cpython-*.pyc"))


def test_ensure_finds_what_it_has_made(cache, wheel):
    """A finished environment is given at once: nothing is installed, nothing is reported."""
    heard = []
    first = venvs.ensure("a", [wheel], cache=cache, tell=heard.append)
    before, heard[:] = list(heard), []

    assert venvs.ensure("a", ["/no/such.whl"], cache=cache, tell=heard.append) == first
    assert [line.split(" in ")[0] for line in before] == ["installs environment a", "installed environment a"]
    assert heard == []


def test_ensure_makes_the_unfinished_anew(cache, wheel):
    """An environment without its marker is no environment, and nothing of it stays."""
    python = venvs.ensure("a", [wheel], cache=cache)
    (cache / "a" / venvs.FINISHED).unlink()
    (cache / "a" / "left").touch()

    assert venvs.find("a", cache=cache) is None
    assert venvs.ensure("a", [wheel], cache=cache) == python
    assert not (cache / "a" / "left").exists()


def test_ensure_makes_a_lost_interpreter_anew(cache, wheel):
    """An environment whose python leads nowhere, after an upgrade of the system, is no environment."""
    python = venvs.ensure("a", [wheel], cache=cache)
    python.unlink()
    python.symlink_to(cache / "gone")

    assert venvs.find("a", cache=cache) is None
    assert runs(venvs.ensure("a", [wheel], cache=cache), "import tiny; print(tiny.ANSWER)") == "42"


def test_ensure_leaves_nothing_of_a_failure(cache, wheel):
    """What uv printed last is in the error; half an environment is not left, and the next attempt may succeed."""
    with pytest.raises(RunFailed, match=r"(?s)`uv pip` must succeed.*such\.whl"):
        venvs.ensure("a", ["/no/such.whl"], cache=cache)

    assert venvs.find("a", cache=cache) is None
    assert not (cache / "a").exists()
    assert venvs.ensure("a", [wheel], cache=cache)


@pytest.mark.parametrize("key", ["", "..", ".hidden", "a/b", "a b"])
def test_ensure_takes_the_name_of_a_folder(cache, key):
    """Nothing outside the cache can be made or removed."""
    with pytest.raises(InputError, match="`key` must be a name"):
        venvs.ensure(key, [], cache=cache)


def test_ensure_lets_two_callers_take_turns(cache, wheel):
    """Of two that ask for the same at the same moment one installs, and both get it."""
    heard = []
    with ThreadPoolExecutor(2) as both:
        requests = [both.submit(venvs.ensure, "a", [wheel], cache=cache, tell=heard.append) for _ in range(2)]
        pythons = {request.result() for request in requests}

    assert pythons == {cache / "a" / "bin" / "python"}
    assert heard.count("installs environment a") == 1


def test_ensure_survives_a_kill(cache, wheel, tmp_path):
    """After a kill -9 the next waits until the uv that was left behind has ended, and then does it anew."""
    slow, started = tmp_path / "slow", tmp_path / "started"
    slow.mkdir()
    (slow / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'slow'\nbackend-path = ['.']\n"
        "[project]\nname = 'slow'\nversion = '1'\n"
    )
    (slow / "slow.py").write_text(SLOW.format(started=str(started)))
    code = (
        "import pathlib, sys\nfrom bench.compare import venvs\n"
        "venvs.ensure('a', [sys.argv[1]], cache=pathlib.Path(sys.argv[2]))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(slow), str(cache)], cwd=venvs.WORK_DIR)
    try:
        deadline = time.monotonic() + 60
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        heard = []
        python = venvs.ensure("a", [wheel], cache=cache, tell=heard.append)
    finally:
        first.kill()

    assert heard[0] == "waits for another process, which installs environment a"
    assert runs(python, "import tiny; print(tiny.ANSWER)") == "42"
