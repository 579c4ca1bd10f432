"""asv's own page without a network or a server: what it would load lies beside it, in a form that a file may load."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from bench.compare import revision
from bench.machine.facts import WORK_DIR
from bench.machine.own import durable
from bench.run.product import InputError, RunFailed

# What asv's page loads, by the end of its address: the npm package and the file in it. Where the page says which bytes
# it expects, other bytes are refused; flot is packed unminified and the last one in a later version, so those two are
# taken by version alone, which npm checks.
SCRIPTS = {
    "jquery-3.3.1.min.js": ("jquery@3.3.1", "dist/jquery.min.js"),
    "jquery.flot.min.js": ("flot@0.8.3", "jquery.flot.js"),
    "jquery.flot.time.min.js": ("flot@0.8.3", "jquery.flot.time.js"),
    "jquery.flot.selection.min.js": ("flot@0.8.3", "jquery.flot.selection.js"),
    "jquery.flot.categories.min.js": ("flot@0.8.3", "jquery.flot.categories.js"),
    "jquery.flot.orderBars.js": ("flot-orderbars@1.0.0", "js/jquery.flot.orderBars.js"),
    "stupidtable.min.js": ("stupid-table-plugin@1.1.3", "stupidtable.min.js"),
    "md5.min.js": ("blueimp-md5@2.19.0", "js/md5.min.js"),
    "bootstrap.min.js": ("bootstrap@3.1.1", "docs/dist/js/bootstrap.min.js"),
    "bootstrap.min.css": ("bootstrap@3.1.1", "docs/dist/css/bootstrap.min.css"),
}
BY_VERSION = ("flot@0.8.3", "stupid-table-plugin@1.1.3")
VENDOR = "vendor"
# In a page opened from the disk asv's own requests become scripts; over HTTP they stay what they are.
FROM_DISK = """
if (location.protocol === "file:") $.ajax = function (request) {
  var answer = $.Deferred(), name = request.url.split("?")[0];
  if (!/\\.json$/.test(name)) return answer.resolve("").promise();
  var script = document.createElement("script");
  script.onload = function () { answer.resolve(script.asvData); };
  script.onerror = function () { answer.reject(); };
  script.src = name + ".js";
  document.head.appendChild(script);
  return answer.promise();
};
"""
TAG = re.compile(r'(src|href)="(https?://[^"]+)"((?: integrity="([^"]*)")?[^>]*)>')


def publish(results: Path) -> Path:
    """Runs `asv publish` and puts beside its page what that page would load, so that it opens from the disk.

    Returns:
        The page, `results/html/asv/index.html`.

    Raises:
        RunFailed: If asv or npm fails, or a package is not what the page expects.
        InputError: If asv has measured nothing for this store, or npm is not installed.
    """
    results = Path(results).absolute()
    if not any((results / "asv").glob("*/*-*.json")):
        raise InputError(
            f"The store must hold what `asv run` stores. Received: {results / 'asv'}, with nothing of it. "
            "Run `asv run HEAD~11..HEAD` first, or give another folder by `--results`"
        )
    with durable.scratch_folder() as folder:
        (folder / "asv.conf.json").write_text(json.dumps(configuration(results)), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "asv", "--config", folder / "asv.conf.json", "publish"],
            cwd=WORK_DIR,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if done.returncode:
        raise RunFailed(f"asv publish failed: {(done.stdout + done.stderr).strip()[-500:]}")
    page = results / "html" / "asv" / "index.html"
    link_commits(page.parent / "index.json", remote=_remote())
    html = offline(page.read_text("utf-8"), page.parent / VENDOR)
    with durable.whole(page) as unfinished:
        unfinished.write_text(openable(html, page.parent), "utf-8")
    return page


def configuration(results: Path) -> dict:
    """asv.conf.json for another store than its own: the same, with absolute folders; asv itself has no such option."""
    from asv import util

    own = util.load_json(str(WORK_DIR / "asv.conf.json"), js_comments=True)
    folders = {"repo": WORK_DIR, "benchmark_dir": WORK_DIR / own["benchmark_dir"], "env_dir": WORK_DIR / own["env_dir"]}
    stores = {"results_dir": results / "asv", "html_dir": results / "html" / "asv"}
    return {**own, "plugins": [], **{name: str(folder) for name, folder in {**folders, **stores}.items()}}


def openable(html: str, folder: Path) -> str:
    """Puts beside each JSON file of a page a script that holds the same, and gives the page that loads those.

    A page that is opened from the disk may load scripts, but browsers let it read no other file.

    Args:
        html: asv's page.
        folder: Where it lies, with all its data.
    """
    for path in folder.rglob("*.json"):
        path.with_name(f"{path.name}.js").write_text(f"document.currentScript.asvData = {path.read_text('utf-8')};")
    before, tag, after = html.partition("</head>")
    return f"{before}<script>{FROM_DISK}</script>\n{tag}{after}"


def link_commits(index: Path, *, remote: str) -> None:
    """Lets asv's page link each commit to where it can be seen, if asv.conf.json names no place and `remote` is one.

    Args:
        index: asv's index.json.
        remote: Address of the repository, as git knows it; empty for none.
    """
    contents = json.loads(index.read_text("utf-8"))
    url = commit_url(remote)
    if url and contents.get("show_commit_url", "#") in ("", "#"):
        index.write_text(json.dumps({**contents, "show_commit_url": url}), "utf-8")


def commit_url(remote: str) -> str:
    """Address to which a commit is appended, from that of a remote on the web; empty for a folder or none."""
    match = re.fullmatch(r"(?:https?://|ssh://|git@)(?:[^@/]*@)?([^:/]+)(?::\d+)?[:/](.+?)(?:\.git)?/?", remote)
    return f"https://{match[1]}/{match[2]}/commit/" if match else ""


def _remote() -> str:
    """Address of `origin`; empty where there is none."""
    try:
        return revision.git(WORK_DIR, "remote", "get-url", "origin").strip()
    except InputError:
        return ""


def offline(html: str, folder: Path, *, fetch: Callable[[str, str], bytes] | None = None) -> str:
    """Puts a page's scripts and styles into a folder beside it, and gives the page that loads them from there.

    Args:
        html: The page, with addresses.
        folder: Where to put them.
        fetch: Gives a file of an npm package; asks npm, unless given.

    Raises:
        RunFailed: If the page loads what is not in `SCRIPTS`, or a file has other bytes than it expects.
    """
    fetch = fetch or _Packages().file
    folder.mkdir(parents=True, exist_ok=True)

    def localise(tag: re.Match) -> str:
        if not _is_loaded(html, tag):
            return tag[0]
        name = tag[2].rpartition("/")[2]
        if name not in SCRIPTS:
            raise RunFailed(f"asv's page loads {tag[2]}, which is not among {', '.join(SCRIPTS)}: add it there")
        package, path = SCRIPTS[name]
        content = fetch(package, path)
        if tag[4] and package not in BY_VERSION:
            _check(content, tag[4], name)
        with durable.whole(folder / name) as unfinished:
            unfinished.write_bytes(content)
        return f'{tag[1]}="{folder.name}/{name}">'

    return TAG.sub(localise, html)


def _is_loaded(html: str, tag: re.Match) -> bool:
    """Whether a tag loads what it names: a script or a style; a link is only followed."""
    return html[: tag.start()].rpartition("<")[2].split()[0] in ("script", "link")


def _check(content: bytes, expected: str, name: str) -> None:
    """Checks bytes against what the page says of them, `sha256-…`."""
    algorithm, _, digest = expected.partition("-")
    if base64.b64encode(hashlib.new(algorithm, content).digest()).decode() != digest:
        raise RunFailed(f"{name} must be the file that asv's page expects, {expected}. Received: another")


class _Packages:
    """Files of npm packages, each package fetched once."""

    def __init__(self):
        self._files: dict[str, dict[str, bytes]] = {}

    def file(self, package: str, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            RunFailed: If npm cannot fetch the package, or it has no such file.
            InputError: If npm is not installed.
        """
        if package not in self._files:
            self._files[package] = self._fetch(package)
        if path not in self._files[package]:
            raise RunFailed(f"{package} must hold {path}. Received: a package without it")
        return self._files[package][path]

    @staticmethod
    def _fetch(package: str) -> dict[str, bytes]:
        """All files of a package, read in memory: no name in it can lead out of a folder."""
        npm = shutil.which("npm")
        if not npm:
            raise InputError("npm brings the scripts of asv's page: install it, or use `asv publish` with a network")
        with durable.scratch_folder() as folder:
            done = subprocess.run(
                [npm, "pack", "--silent", package],
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            packed = next(folder.glob("*.tgz"), None)
            if packed is None:
                raise RunFailed(f"npm could not fetch {package}: {done.stderr.strip()[-300:] or 'no network?'}")
            with tarfile.open(packed) as archive:
                files = ((member, archive.extractfile(member)) for member in archive.getmembers())
                return {member.name.partition("/")[2]: file.read() for member, file in files if file}
