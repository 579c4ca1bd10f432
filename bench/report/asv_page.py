"""asv's own page without a network: the scripts that it would load are put beside it."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.machine.facts import WORK_DIR
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
TAG = re.compile(r'(src|href)="(https?://[^"]+)"((?: integrity="([^"]*)")?[^>]*)>')


def publish(results: Path) -> Path:
    """Runs `asv publish` and puts beside its page what that page would load.

    Returns:
        The page, `results/html/asv/index.html`.

    Raises:
        RunFailed: If asv or npm fails, or a package is not what the page expects.
        InputError: If npm is not installed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "asv", "publish"],
        cwd=WORK_DIR,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RunFailed(f"asv publish failed: {(done.stdout + done.stderr).strip()[-500:]}")
    page = Path(results) / "html" / "asv" / "index.html"
    page.write_text(offline(page.read_text("utf-8"), page.parent / VENDOR), "utf-8")
    return page


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
        (folder / name).write_bytes(content)
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
        with tempfile.TemporaryDirectory(prefix="flowers-bench-") as folder:
            done = subprocess.run(
                [npm, "pack", "--silent", package],
                cwd=folder,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
            packed = next(Path(folder).glob("*.tgz"), None)
            if packed is None:
                raise RunFailed(f"npm could not fetch {package}: {done.stderr.strip()[-300:] or 'no network?'}")
            with tarfile.open(packed) as archive:
                files = ((member, archive.extractfile(member)) for member in archive.getmembers())
                return {member.name.partition("/")[2]: file.read() for member, file in files if file}
