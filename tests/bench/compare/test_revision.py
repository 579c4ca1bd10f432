"""Revisions of a small made-up repository, built by real git and uv."""

import re
import shlex
import subprocess
import sys

import pytest

from bench.compare import revision, venvs
from bench.compare.revision import WORKTREE
from flowers_core.errors import InputError, RunFailed

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "made-up-flowers"
version = "1.0"
readme = "README.md"
dependencies = [{needs}]
[project.optional-dependencies]
more = ["psutil"]
[tool.hatch.build.targets.wheel]
packages = ["flowers_core"]
"""

PIN = next(line for line in (revision.PROJECT_ROOT / "constraints.txt").read_text().splitlines() if "psutil==" in line)


def git(repo, *words):
    identity = ["-c", "user.name=Flora", "-c", "user.email=flora@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(repo), *identity, *words]
    process = subprocess.run(command, env=revision.git_environment(), capture_output=True, text=True, check=True)
    return process.stdout.strip()


def write(repo, files):
    for name, text in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(repo, files):
    write(repo, files)
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--allow-empty", "--message", "A step")
    return git(repo, "rev-parse", "HEAD")


def made_up(repo, *, needs=""):
    """A repository of one commit, on the branch main."""
    repo.mkdir()
    git(repo, "init", "--quiet", "--initial-branch=main")
    commit(
        repo,
        {
            "pyproject.toml": PYPROJECT.format(needs=needs),
            "README.md": "Flowers.\n",
            "constraints.txt": f"{PIN}\n",
            ".gitignore": ".asv/\n*.log\n",
            "flowers_core/__init__.py": "PETALS = 5\n",
            "bench/__init__.py": "",
            "bench/page.html": "<p>",
        },
    )
    return repo


@pytest.fixture
def repo(tmp_path):
    return made_up(tmp_path / "project")


@pytest.fixture
def no_uv(monkeypatch):
    """From here on uv must not be asked for anything."""

    def refuse(*words, **more):
        raise AssertionError(f"uv {words} {more}")

    monkeypatch.setattr(venvs, "uv", refuse)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A repository, the revisions `main~1` and WORKTREE of it, what each was built into, and what was reported."""
    repo = made_up(tmp_path_factory.mktemp("two") / "project")
    commit(repo, {"flowers_core/__init__.py": "PETALS = 6\n"})
    write(repo, {"flowers_core/__init__.py": "PETALS = 7\n", "flowers_core/new.py": "", "flowers_core/a.log": ""})
    revisions, heard = [revision.resolve(name, repo=repo) for name in ("main~1", WORKTREE)], []
    built = [revision.build(found, repo=repo, cache=repo / ".asv", tell=heard.append) for found in revisions]
    return repo, revisions, built, heard


def runs(built, code):
    """What a program prints in a built environment."""
    command, variables = [built.python, "-P", "-c", code], {"PYTHONPATH": built.path}
    process = subprocess.run(command, cwd="/", env=variables, capture_output=True, text=True, check=True)
    return process.stdout.split()


@pytest.mark.parametrize("name", ["main", "HEAD", "v1", "short"])
def test_resolve_takes_any_name_of_a_commit(repo, name):
    """Branches, tags and the first digits of a commit lead to it, and the name stays as it was written."""
    git(repo, "tag", "v1")
    digits = git(repo, "rev-parse", "HEAD")
    name = digits[:8] if name == "short" else name
    code = revision.resolve(name, repo=repo)

    assert (code.name, code.commit, code.dirty) == (name, digits, False)
    assert re.fullmatch(r"[0-9a-f]{12}", code.digest)


def test_same_looks_at_what_is_built(repo):
    """A commit that touches tests alone holds the same code; one that touches code, pins or pyproject.toml another."""
    commit(repo, {"tests/test_flowers.py": "", "bench/__init__.py": "HARNESS = 2"})
    commit(repo, {"flowers_core/__init__.py": "PETALS = 6"})
    commit(repo, {"constraints.txt": ""})
    first, tests, code, pins = (revision.resolve(f"HEAD~{back}", repo=repo) for back in (3, 2, 1, 0))

    assert revision.same(first, tests)
    assert first.commit != tests.commit
    assert len({first.digest, code.digest, pins.digest}) == 3


def test_resolve_takes_an_unchanged_tree_as_its_commit(repo):
    """WORKTREE with nothing changed holds the code of HEAD and is not dirty; ignored files are no change."""
    write(repo, {"flowers_core/a.log": "", "notes.txt": ""})
    work = revision.resolve(WORKTREE, repo=repo)

    assert revision.same(work, revision.resolve("HEAD", repo=repo))
    assert (work.commit, work.dirty) == (git(repo, "rev-parse", "HEAD"), False)


@pytest.mark.parametrize("change", ["edited", "staged", "new", "deleted"])
def test_resolve_takes_a_changed_tree_as_dirty(repo, change):
    """Whatever differs from HEAD, staged or not, new or gone, is another state of the code."""
    commit(repo, {"flowers_core/petals.py": ""})
    if change == "deleted":
        (repo / "flowers_core" / "petals.py").unlink()
    else:
        write(repo, {f"flowers_core/{'stems' if change == 'new' else 'petals'}.py": "LONG = True\n"})
    if change == "staged":
        git(repo, "add", "--all")
    work = revision.resolve(WORKTREE, repo=repo)

    assert work.dirty
    assert not revision.same(work, revision.resolve("HEAD", repo=repo))


@pytest.mark.parametrize("name", ["nope", "", "--all", "main..main", "main:README.md", "deadbeef"])
def test_resolve_explains_an_unknown_revision(repo, name):
    """What git does not know as one commit is named, with what was expected and how to find one."""
    with pytest.raises(InputError, match=r"must be WORKTREE, or a branch, a tag .*git log --oneline") as error:
        revision.resolve(name, repo=repo)

    assert f"Received: {name!r}" in str(error.value)


def follow_advice(clone, name):
    """Runs the command that the error about a revision advises."""
    with pytest.raises(InputError) as error:
        revision.resolve(name, repo=clone)
    (advice,) = re.findall("`(git fetch [^`]*)`", str(error.value))
    git(clone, *shlex.split(advice)[1:])


@pytest.mark.parametrize("name", ["HEAD~1", "origin/main", "v1"])
@pytest.mark.parametrize("words", [["--depth=1"], ["--depth=1", "--no-single-branch"], ["--single-branch"]])
def test_resolve_advises_a_command_that_brings_what_is_missing(repo, tmp_path, words, name):
    """In a clone of few commits, of one branch or of both, as CI makes them, the command in the error helps."""
    git(repo, "tag", "v1")
    git(repo, "checkout", "--quiet", "-b", "feature")
    commit(repo, {"flowers_core/petals.py": ""})
    commit(repo, {"flowers_core/petals.py": "LONG = True"})
    git(repo, "tag", "--force", "v1", "main")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=feature", "--no-tags", *words, f"file://{repo}", clone.name)
    try:
        found = revision.resolve(name, repo=clone)
    except InputError:
        follow_advice(clone, name)
        found = revision.resolve(name, repo=clone)

    assert found.commit == git(repo, "rev-parse", name.removeprefix("origin/"))


def test_resolve_names_the_remote_branch_of_a_detached_checkout(repo, tmp_path):
    """Where CI has checked out a commit there is no branch main, and the error says what there is instead."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo}", clone.name)
    git(clone, "checkout", "--quiet", "--detach")
    git(clone, "branch", "--quiet", "-D", "main")

    with pytest.raises(InputError, match="no branch of its own of that name: use origin/main"):
        revision.resolve("main", repo=clone)


def test_resolve_explains_a_revision_without_the_package(repo):
    """A commit from before there was any flowers_core cannot be measured."""
    git(repo, "rm", "-r", "--quiet", "flowers_core")
    commit(repo, {})

    for name in ("HEAD", WORKTREE):
        with pytest.raises(InputError, match="must hold `flowers_core`"):
            revision.resolve(name, repo=repo)


def test_resolve_needs_a_git_checkout(tmp_path):
    """An unpacked archive has no history, and the error says so."""
    with pytest.raises(InputError, match=r"git checkout.*Received: fatal"):
        revision.resolve("HEAD", repo=tmp_path)


def test_resolve_needs_git(repo, monkeypatch):
    """A machine without git is told what is missing."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(InputError, match="`git` must be installed"):
        revision.resolve("HEAD", repo=repo)


def test_resolve_ignores_variables_of_a_hook(repo, tmp_path, monkeypatch):
    """Inside a hook of another repository this one is read all the same."""
    other = made_up(tmp_path / "other")
    digits = commit(repo, {"flowers_core/__init__.py": "PETALS = 8"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))

    assert revision.resolve("HEAD", repo=repo).commit == digits


def test_build_installs_the_code_of_the_revision(two):
    """Each environment imports its own revision's package, of its site-packages; new files are in, ignored ones out."""
    repo, _, built, _ = two
    code = "import flowers_core; print(flowers_core.PETALS, flowers_core.__path__[0])"
    (old, old_path), (new, new_path) = (runs(environment, code) for environment in built)
    files = {path.name for path in (repo / ".asv").rglob("site-packages/flowers_core/*.*")}

    assert (old, new) == ("5", "7")
    assert old_path != new_path
    assert all("site-packages" in path for path in (old_path, new_path))
    assert "new.py" in files
    assert "a.log" not in files


def test_build_gives_all_the_same_harness(two):
    """Both revisions are measured by one snapshot of bench, which can import what it needs."""
    _, _, built, _ = two
    old, new = (
        runs(environment, "import bench, psutil; print(bench.__file__, psutil.__version__)") for environment in built
    )

    assert built[0].path == built[1].path
    assert old == new
    assert old[0].startswith(built[0].path)
    assert PIN.split("==")[1].startswith(old[1])


@pytest.mark.usefixtures("no_uv")
def test_build_finds_what_it_has_built(two):
    """What has been built is given again without export, build or installation, and without a word."""
    repo, revisions, built, heard = two
    before = len(heard)

    assert [revision.build(found, repo=repo, cache=repo / ".asv", tell=heard.append) for found in revisions] == built
    assert len(heard) == before
    assert [line for line in heard if "wheel" in line] == [
        "builds the wheel of main~1",
        f"builds the wheel of {WORKTREE}",
    ]


def test_build_makes_an_environment_for_extras(tmp_path):
    """What an extra wants is installed, beside the environment without it."""
    repo = made_up(tmp_path / "project")
    code = revision.resolve("HEAD", repo=repo)
    built = revision.build(code, extras=["more"], repo=repo, cache=tmp_path / "asv")

    assert "-more/" in built.python
    assert runs(built, "from importlib.metadata import requires; print(requires('made-up-flowers'))")


@pytest.mark.parametrize(
    ("files", "reason", "kind"),
    [
        ({"pyproject.toml": PYPROJECT.format(needs="'psutil<1'")}, "made-up-flowers", RunFailed),
        ({"constraints.txt": "psutil==0.0.0.0.1"}, "psutil", RunFailed),
        ({"pyproject.toml": "[project"}, "pyproject.toml", RunFailed),
        (
            {"pyproject.toml": PYPROJECT.format(needs="").replace('["flowers_core"]', '["bench"]')},
            "without it",
            InputError,
        ),
    ],
    ids=["requirement", "pin", "pyproject", "package"],
)
def test_build_explains_what_cannot_be_built(repo, files, reason, kind):
    """The error names the revision and keeps the reason; no environment is left."""
    commit(repo, files)
    code = revision.resolve("HEAD", repo=repo)

    with pytest.raises(kind, match=rf"(?s)Revision 'HEAD' cannot be built and installed\..*{reason}"):
        revision.build(code, repo=repo, cache=repo / ".asv")
    assert list((repo / ".asv").rglob("pyvenv.cfg")) == []


@pytest.mark.usefixtures("no_uv")
def test_build_notices_an_edit_meanwhile(repo):
    """Work that is no longer what was asked for is not built under its name."""
    write(repo, {"flowers_core/__init__.py": "PETALS = 7\n"})
    work = revision.resolve(WORKTREE, repo=repo)
    write(repo, {"flowers_core/__init__.py": "PETALS = 8\n"})

    with pytest.raises(RunFailed, match="must stay as they are"):
        revision.build(work, repo=repo, cache=repo / ".asv")


def test_harness_snapshot_holds_what_it_imports(tmp_path):
    """The harness of a snapshot can be imported, and `flowers_core` is the installed one."""
    code = "import bench.machine.facts, flowers_core; print(flowers_core.__file__)"
    environment = {"PYTHONPATH": str(revision.harness_snapshot(cache=tmp_path))}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert done.stdout.strip().endswith("flowers_core/__init__.py"), done.stderr


def test_harness_snapshot_is_not_edited(repo):
    """An edit of bench makes another snapshot and leaves the first as it was; a process takes but one."""
    first = revision.harness_snapshot(project=repo, cache=repo / ".asv")
    write(repo, {"bench/__init__.py": "EDITED = True"})
    again = revision.harness_snapshot(project=repo, cache=repo / ".asv")
    revision.harness_snapshot.cache_clear()  # as in another process
    second = revision.harness_snapshot(project=repo, cache=repo / ".asv")

    assert first == again != second
    assert (first / "bench" / "__init__.py").read_text() == ""
    assert {path.name for path in first.rglob("*")} == {"bench", "__init__.py"}
    assert {path.name for path in first.parent.iterdir()} == {first.name, second.name}
