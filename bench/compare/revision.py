"""Finds a revision of the code, and gives an environment in which its wheel is installed.

The harness that measures it does not come from the revision: it is a snapshot of `bench/` in the working tree, the
same for all revisions.
"""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.compare import venvs
from bench.machine import own
from bench.machine.facts import GIT, PROJECT_ROOT, WORK_DIR, git_environment
from bench.run.process import scratch
from bench.run.product import InputError, ReportedError, RunFailed
from flowers_core.errors import near

WORKTREE = "WORKTREE"  # stands for the working tree, committed or not
CACHE = WORK_DIR / ".asv"

PACKAGE, CONSTRAINTS = "flowers_core", "constraints.txt"
README = "README.md"  # a wheel does not build without it, and runs the same whatever it says
PARTS = (PACKAGE, "pyproject.toml", README, CONSTRAINTS)  # all that a wheel and its environment are made of

HARNESS_NEEDS = ("psutil",)  # what the harness imports in a measured process, and no wheel asks for


DIGITS = 12  # of a digest, as many as of all digests here


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A state of the code.

    Attributes:
        name: As the user wrote it.
        commit: 40 digits; for the working tree that of HEAD.
        digest: Of all that its environment is made of: equal for commits that differ in nothing of this.
        dirty: Whether it differs in this from its commit, which only the working tree can.
    """

    name: str
    commit: str
    digest: str
    dirty: bool = False


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What a process that measures a revision is started with.

    Attributes:
        python: The interpreter of the environment; its site-packages hold the wheel.
        path: The only entry of PYTHONPATH: the folder of the harness, in which there is no `flowers_core`.
    """

    python: str
    path: str


def resolve(name: str, *, repo: Path = WORK_DIR) -> Revision:
    """Finds a revision.

    Args:
        name: Branch, tag, commit or whatever `git rev-parse` knows; or WORKTREE.
        repo: The folder that holds `flowers_core`.

    Raises:
        InputError: If there is no such revision, it holds no `flowers_core`, or `repo` is not under git.
    """
    git(repo, "rev-parse", "--git-dir")
    commit = _commit("HEAD" if name == WORKTREE else name, repo)
    committed = _tracked_files(commit, repo)
    blobs = _worktree_blobs(repo) if name == WORKTREE else committed
    if not any(path.startswith(f"{PACKAGE}/") for path in blobs):
        raise InputError(
            f"`revision` must hold `{PACKAGE}`, the code that is measured. Received: {name!r}, which holds none. "
            f"`git log --oneline -- {PACKAGE}` lists commits that do"
        )
    return Revision(name=name, commit=commit, digest=_digest(blobs), dirty=_digest(blobs) != _digest(committed))


def subject(commit: str, *, repo: Path = WORK_DIR) -> str:
    """The title of a commit; empty where git does not know it."""
    return git_or_empty(repo, "log", "-1", "--format=%s", "--end-of-options", commit, "--").strip() if commit else ""


def places(*, repo: Path = WORK_DIR) -> dict[str, int]:
    """The commits of the branch by their place in its history, the oldest first; none without git."""
    commits = git_or_empty(repo, "rev-list", "--reverse", "HEAD", "--").split()
    return {commit: place for place, commit in enumerate(commits)}


def same(base: Revision, candidate: Revision) -> bool:
    """Whether two revisions hold the same code, so that no difference can be found but by chance."""
    return base.digest == candidate.digest


def build(
    revision: Revision,
    *,
    extras: Sequence[str] = (),
    again: bool = False,
    repo: Path = WORK_DIR,
    cache: Path = CACHE,
    tell: Callable[[str], object] = lambda _: None,
) -> Environment:
    """Gives the environment of a revision; it is made if missing, and found at once the next time.

    Args:
        revision: What `resolve` gave.
        extras: Optional dependencies of its wheel, such as `jax` or `gpu`.
        again: Whether to build it a second time, at a path of another length: what files' places and names do by luck
            comes out otherwise there.
        repo: The folder that holds `flowers_core`.
        cache: Folder of environments and of snapshots of the harness.
        tell: Reports progress, a line at a time.

    Raises:
        RunFailed: If its wheel cannot be built or installed, or the files change meanwhile; it names the revision.
        InputError: If its wheel holds no `flowers_core`; likewise.
    """
    # The name says all that decides what is in it. Python to the last digit: an environment of the one before would
    # make two revisions differ that do not.
    key = "-".join(
        [
            revision.digest,
            f"python{platform.python_version()}",
            *HARNESS_NEEDS,
            *sorted(extras),
            *(["second-build"] * again),
        ]
    )
    environments = cache / "environments"
    python = venvs.find(key, cache=environments)
    if not python:
        with scratch() as folder:
            tell(f"builds the wheel of {revision.name}")
            try:
                source = _export(revision, folder / "source", repo)
                wheel = _wheel(source, folder / "wheel")
                pins = ["--constraint", str(source / CONSTRAINTS)] if (source / CONSTRAINTS).exists() else []
                wanted = f"{wheel}[{','.join(sorted(extras))}]" if extras else str(wheel)
                python = venvs.ensure(key, [*pins, *HARNESS_NEEDS, wanted], cache=environments, tell=tell)
            except ReportedError as error:
                raise type(error)(f"Revision {revision.name!r} cannot be built and installed. {error}") from error
    return Environment(python=str(python), path=str(harness_snapshot(cache=cache)))


@functools.cache
def harness_snapshot(*, project: Path = PROJECT_ROOT, cache: Path = CACHE) -> Path:
    """A copy of the harness in the working tree, which later edits do not change.

    A process copies it once: both variants of a comparison get the same, though the second is built minutes later.

    Returns:
        The folder to stand on PYTHONPATH. It holds `bench/`, and the files that `bench.machine.own` loads:
        without `__init__.py` beside it, Python still finds the installed `flowers_core`.
    """
    own_files = (project / "flowers_core" / f"{name}.py" for name in own.NAMES)
    paths = sorted([*(project / "bench").rglob("*.py"), *(path for path in own_files if path.is_file())])
    contents = {str(path.relative_to(project)): path.read_bytes() for path in paths}
    snapshots = cache.absolute() / "harness"
    folder = snapshots / _digest({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    if folder.exists():
        return folder
    snapshots.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=snapshots, prefix=".unfinished-") as unfinished:
        snapshot = Path(unfinished) / folder.name
        for name, content in contents.items():
            (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / name).write_bytes(content)
        try:
            own.durable.replace_durably(snapshot, folder)
        except OSError:
            if not folder.exists():  # else another process has just written the same
                raise
    return folder


def git(repo: Path, *words: str) -> str:
    """Runs git in a repository and gives what it prints.

    Raises:
        InputError: If it is missing or fails; with its last line.
    """
    try:
        command = [*GIT, "-C", str(repo), *words]
        process = subprocess.run(command, env=git_environment(), capture_output=True, check=False)
    except FileNotFoundError as error:
        raise InputError("`git` must be installed to find revisions. Received: no such command. Install it") from error
    if process.returncode:
        errors = process.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise InputError(
            f"`git {words[0]}` must succeed in {repo}: revisions are found in a git checkout. Received: {errors[-1]}. "
            f"Use a clone, not an unpacked archive"
        )
    return os.fsdecode(process.stdout)


def git_or_empty(repo: Path, *words: str) -> str:
    """The same, empty where git fails: what is asked for need not be there."""
    try:
        return git(repo, *words)
    except InputError:
        return ""


def _commit(name: str, repo: Path) -> str:
    """The 40 digits of a commit."""
    try:
        return git(repo, "rev-parse", "--verify", "--end-of-options", name + "^{commit}").split()[-1]
    except InputError as error:
        raise InputError(
            f"`revision` must be {WORKTREE}, or a branch, a tag or enough digits of a commit of {repo}. "
            f"Received: {name!r}{near(name, _names(repo))}. `git log --oneline` lists commits. "
            f"{_where_it_may_be(name, repo)}"
        ) from error


def _names(repo: Path) -> list[str]:
    """What a revision may be called."""
    return ["HEAD", WORKTREE, *git_or_empty(repo, "for-each-ref", "--format=%(refname:short)").split()]


def _where_it_may_be(name: str, repo: Path) -> str:
    """What to do about a revision that git does not find: CI checks out one branch of it alone, and few commits."""
    remotes = git(repo, "remote").split()
    for remote in () if name.startswith("HEAD") else remotes:
        if git_or_empty(repo, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{remote}/{name}^{{commit}}"):
            return f"This checkout has no branch of its own of that name: use {remote}/{name}"
    remote = name.partition("/")[0] if name.partition("/")[0] in remotes else next(iter(remotes), "")
    shallow = git(repo, "rev-parse", "--is-shallow-repository").strip() == "true"
    fetched = git_or_empty(repo, "config", "--get-all", f"remote.{remote}.fetch")
    if not remote or (not shallow and "refs/heads/*" in fetched):
        return "Choose one of them"
    # A clone of a single branch would only fetch that branch again, unless it is told what else to fetch.
    words = f"git fetch{' --unshallow' if shallow else ''} {remote} '+refs/heads/*:refs/remotes/{remote}/*' --tags"
    return f"This clone holds {'few commits' if shallow else 'few branches'}: `{words}` brings all of them"


def _tracked_files(commit: str, repo: Path) -> dict[str, str]:
    """Files of a commit that its environment is made of, and git's digests of them."""
    blobs = {}
    for entry in git(repo, "ls-tree", "-r", "-z", commit, "--", *PARTS).split("\0")[:-1]:
        about, path = entry.split("\t", 1)
        blobs[path] = about.split()[2]
    return blobs


def _worktree_blobs(repo: Path) -> dict[str, str]:
    """The same of files in the working tree, new ones that git does not ignore among them."""
    listed = git(repo, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *PARTS).split("\0")[:-1]
    paths = sorted({path for path in listed if (repo / path).is_file()})  # some may have been deleted
    return dict(zip(paths, git(repo, "hash-object", "--", *paths).split(), strict=True)) if paths else {}


def _digest(blobs: dict[str, str]) -> str:
    """One digest of files and their digests, of what may change a figure."""
    lines = "".join(f"{path}\0{blob}\n" for path, blob in sorted(blobs.items()) if path != README)
    return hashlib.sha256(os.fsencode(lines)).hexdigest()[:DIGITS]


def _export(revision: Revision, folder: Path, repo: Path) -> Path:
    """Writes the files of a revision into a folder.

    Raises:
        RunFailed: If files in the working tree are no longer those that `resolve` saw.
    """
    folder.mkdir()
    if revision.name != WORKTREE:
        present = sorted({path.split("/")[0] for path in _tracked_files(revision.commit, repo)})
        archive = folder.with_name("source.zip")
        git(repo, "archive", "--format=zip", f"--output={archive}", revision.commit, "--", *present)
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
        return folder
    for path in _worktree_blobs(repo):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repo / path, folder / path)
    if _digest(_worktree_blobs(repo)) != revision.digest:
        raise RunFailed(
            f"The files of {repo} must stay as they are until they are copied. Received: an edit. Try again"
        )
    return folder


def _wheel(source: Path, folder: Path) -> Path:
    """Builds the wheel of some source, by what its own pyproject.toml wants for that.

    Raises:
        RunFailed: If it does not build.
        InputError: If `flowers_core` is not in it.
    """
    venvs.uv("build", "--wheel", "--python", sys.executable, "--out-dir", folder, source)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as zipped:
        if not any(name.startswith(f"{PACKAGE}/") for name in zipped.namelist()):
            raise InputError(
                f"Its wheel must hold `{PACKAGE}`. Received: {wheel.name} without it. Mend its pyproject.toml"
            )
    return wheel
