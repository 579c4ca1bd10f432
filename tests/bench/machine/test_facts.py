"""The machine's fingerprint and the state of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from bench.machine import facts
from bench.run import data_source


def test_fingerprint_is_plain_and_complete():
    """It holds what a figure means nothing without, in plain values."""
    fingerprint = facts.fingerprint()

    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert fingerprint["cpu"]
    assert 1 <= fingerprint["usable_cores"] <= fingerprint["cores"]
    assert fingerprint["memory_bytes"] > 10**8
    assert {"tensorflow", "keras", "numpy"} <= set(fingerprint["packages"])


def test_hardware_id_is_stable(monkeypatch):
    """The same hardware has the same id; other hardware another."""
    before = facts.hardware_id()
    parts = facts.hardware()

    assert facts.hardware_id() == before
    monkeypatch.setattr(facts, "hardware", lambda: {**parts, "cpu": "another"})
    assert facts.hardware_id() != before


def test_hardware_id_ignores_a_few_bytes_of_memory(monkeypatch):
    """What a kernel leaves over varies from boot to boot."""
    before, parts = facts.hardware_id(), facts.hardware()
    monkeypatch.setattr(facts, "hardware", lambda: {**parts, "memory_bytes": parts["memory_bytes"] - 4096})

    assert facts.hardware_id() == before


def test_hardware_id_leaves_out_the_host(monkeypatch):
    """A container has another name every day; what was stored with the name is known again."""
    before, parts = facts.hardware_id(), facts.hardware()
    monkeypatch.setattr(facts, "hardware", lambda: {**parts, "host": "4f1c09a7d2be"})

    assert facts.hardware_id() == before
    stored = {**parts, "host": "monday", "id": facts.digest_of({**parts, "host": "monday"}), "usable_cores": 2}
    assert stored["id"] != before
    assert facts.current_id(stored) == before
    assert facts.current_id({**stored, "cpu": "another"}) == stored["id"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small repository in place of the project."""
    (tmp_path / "flowers_core").mkdir()
    (tmp_path / "flowers_core" / "a.py").write_text("")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "m"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.setattr(facts, "PROJECT_ROOT", tmp_path)
    return tmp_path


def test_uncommitted_files_leave_out_results(repository):
    """Results and data beside the code do not make it dirty."""
    (repository / "results").mkdir()
    (repository / "results" / "x.jsonl").write_text("{}")

    assert facts.uncommitted_files() == []


def test_uncommitted_files_are_named(repository):
    """Changed and new files of the code are named."""
    (repository / "flowers_core" / "a.py").write_text("1")
    (repository / "flowers_core" / "b.py").write_text("")

    assert facts.uncommitted_files() == ["flowers_core/a.py", "flowers_core/b.py"]


GIT_LEAKS = {"GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/", "GIT_INDEX_FILE": "/nowhere/index"}


def test_code_is_told_whatever_git_is_configured_to_do(repository, tmp_path, monkeypatch):
    """Signatures in logs, new files left out, and a hook's variables change neither commit nor state."""
    config = tmp_path / "gitconfig"
    config.write_text("[log]\nshowSignature = true\n[status]\nshowUntrackedFiles = no\nbranch = true\n")
    for name, value in {"GIT_CONFIG_GLOBAL": str(config), **GIT_LEAKS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(facts, "is_installed_from_checkout", lambda: True)

    clean = facts.code()
    assert re.fullmatch("[0-9a-f]{40}", clean["commit"])
    assert clean["dirty"] is False
    (repository / "flowers_core" / "ünew.py").write_text("")
    assert facts.uncommitted_files() == ["flowers_core/ünew.py"]
    assert facts.code()["dirty"] is True


@pytest.mark.usefixtures("repository")
def test_code_of_another_owner_is_told(monkeypatch):
    """A tree that belongs to another user is read all the same, which git would refuse."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setattr(facts, "git_environment", lambda: dict(os.environ))
    monkeypatch.setattr(facts, "is_installed_from_checkout", lambda: True)

    assert re.fullmatch("[0-9a-f]{40}", facts.code()["commit"])


@pytest.mark.parametrize("lack", ["git", "repository"])
def test_unknown_code_is_said(repository, monkeypatch, measured, lack):
    """Where git is missing, or knows no commit, the reason stands in place of a commit; dirty is not False."""
    monkeypatch.setattr(facts, "is_installed_from_checkout", lambda: True)
    if lack == "git":
        monkeypatch.setenv("PATH", "")
    else:
        shutil.rmtree(repository / ".git")
    code = facts.code()

    assert (code["commit"], code["dirty"]) == ("unknown", None)
    assert lack in code["reason"]
    assert f"commit unknown ({code['reason']})" in replace(measured(), code=code).origin


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [("gs://b/records", "", "gs://b/records"), ("", "gs://e/records", "gs://e/records"), ("/a/../b", "x", "/b")],
)
def test_data_source_precedence(given, variable, expected, monkeypatch):
    """What is given comes first, then the environment; paths hold from any working directory."""
    monkeypatch.setenv("FLOWERS_RECORDS", variable)

    assert data_source.find(records=given).records == expected


def test_fingerprint_keeps_all_versions():
    """The `turbo` pipelines are as fast as what decodes and resizes for them; the id of the machine stays apart."""
    fingerprint = facts.fingerprint()

    assert {"simplejpeg", "opencv-python-headless", "pillow", "numpy"} <= set(fingerprint["distributions"])
    assert list(fingerprint["distributions"]) == sorted(fingerprint["distributions"], key=str.lower)
    assert re.fullmatch(r"[\w-]+ \d[\w.]*", fingerprint["libraries"]["numpy's BLAS"])
    assert re.fullmatch(r"\d+\.\d+[\w.]*", fingerprint["libraries"]["simplejpeg's libjpeg-turbo"])
    assert len(json.dumps([fingerprint["distributions"], fingerprint["libraries"]])) < 8192
    assert set(fingerprint["packages"]) <= set(facts.PACKAGES)


def test_harness_folder_hides_the_package_beside_it(tmp_path, monkeypatch):
    """Where a wheel of some commit is measured, a folder holds a link to the harness and nothing else."""
    monkeypatch.setattr(facts, "WORK_DIR", tmp_path)
    assert facts.harness_folder() == facts.PROJECT_ROOT

    monkeypatch.setattr(facts, "_package_folder", lambda: tmp_path / "site" / "flowers_core")
    folder = facts.harness_folder()
    assert [path.name for path in folder.iterdir()] == ["bench"]
    assert (folder / "bench" / "machine" / "facts.py").is_file()
    assert facts.harness_folder() == folder


def test_threads_of_a_quota_are_no_setting_of_a_user(monkeypatch):
    """A measured process has them by its quota alone: elsewhere one would be another machine than its own parent's."""
    monkeypatch.setattr(facts.resources, "thread_variables", lambda: {"OMP_NUM_THREADS": "1"})
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    quota = facts.fingerprint()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    assert "OMP_NUM_THREADS" not in quota["environment"]
    assert quota["threads"] == {"OMP_NUM_THREADS": "1"}
    assert facts.fingerprint()["environment"]["OMP_NUM_THREADS"] == "3"


def test_kernel_settings_are_what_the_kernel_says(tmp_path):
    """Huge pages, governor and boost; in a virtual machine some are missing, and missing here."""
    for path, text in {
        "kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)

    assert facts.kernel_settings(tmp_path) == {"huge pages": "madvise", "governor": "powersave"}
    assert facts.kernel_settings(tmp_path / "none") == {}


def test_threads_of_one_core_are_one_physical_core(tmp_path):
    """Two hardware threads share a core's units: pinned to both, a step is slower than on two cores."""
    for core, siblings in {0: "0-1", 1: "0-1", 2: "2-3"}.items():
        (tmp_path / f"cpu{core}/topology").mkdir(parents=True)
        (tmp_path / f"cpu{core}/topology/thread_siblings_list").write_text(f"{siblings}\n")

    assert [facts.physical_cores(cores, tmp_path) for cores in ([0, 1], [0, 2], [7])] == [1, 2, None]


def test_start_code_tells_what_python_ran_first(tmp_path, monkeypatch):
    """A sitecustomize.py on PYTHONPATH runs before everything and may change every figure: its content is known."""
    monkeypatch.delitem(sys.modules, "sitecustomize", raising=False)
    monkeypatch.delitem(sys.modules, "usercustomize", raising=False)
    assert facts.start_code() == {}
    path = tmp_path / "sitecustomize.py"
    path.write_text("import gc; gc.disable()")
    module = ModuleType("sitecustomize")
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, "sitecustomize", module)
    first = facts.start_code()
    path.write_text("import gc")

    assert list(first) == ["sitecustomize.py"]
    assert facts.start_code() != first
    assert facts.fingerprint()["start_code"] == facts.start_code()
