"""asv's own page without a network."""

import base64
import hashlib
import re
from pathlib import Path

import asv
import pytest

from bench.report import asv_page
from flowers_core.errors import InputError, RunFailed

HTML = (Path(asv.__file__).parent / "www" / "index.html").read_text("utf-8")


def integrity(content):
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def expecting(content):
    """Asv's page, if each file that it names had this content."""
    return re.sub(r'integrity="[^"]*"', f'integrity="{integrity(content)}"', HTML)


def test_offline_knows_every_script_of_the_page(tmp_path):
    """Of the asv that is installed here: nothing is loaded from elsewhere any more, and all lies beside the page."""
    html = asv_page.offline(expecting(b"x"), tmp_path / "vendor", fetch=lambda *_: b"x")
    loaded = re.findall(r'<(?:script|link)[^>]+(?:src|href)="([^"]+)"', html)

    assert not [address for address in loaded if "://" in address]
    assert {path.name for path in (tmp_path / "vendor").iterdir()} == set(asv_page.SCRIPTS)
    assert {address for address in loaded if address.startswith("vendor/")} == {
        f"vendor/{name}" for name in asv_page.SCRIPTS
    }


def test_offline_leaves_links_that_are_only_followed(tmp_path):
    """Asv's own address is not loaded."""
    html = asv_page.offline(expecting(b"x"), tmp_path, fetch=lambda *_: b"x")

    assert 'href="https://github.com/airspeed-velocity/asv/"' in html


def test_offline_refuses_other_bytes(tmp_path):
    """A package that is not what the page expects does not get into it."""
    with pytest.raises(RunFailed, match=r"jquery-3\.3\.1\.min\.js must be the file"):
        asv_page.offline(HTML, tmp_path, fetch=lambda *_: b"something else")


def test_offline_names_a_new_script(tmp_path):
    """A later asv may load more."""
    with pytest.raises(RunFailed, match=r"https://elsewhere/new\.js, which is not among"):
        asv_page.offline('<script src="https://elsewhere/new.js"></script>', tmp_path, fetch=lambda *_: b"")


def test_packages_tell_a_machine_without_npm(monkeypatch):
    """And what to do without it."""
    monkeypatch.setattr(asv_page.shutil, "which", lambda _: None)
    with pytest.raises(InputError, match="npm brings the scripts"):
        asv_page._Packages().file("jquery@3.3.1", "dist/jquery.min.js")
