"""asv's own page without a network."""

import base64
import hashlib
import json
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


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@github.com:lab/flowers.git", "https://github.com/lab/flowers/commit/"),
        ("https://lab:secret@example.org/lab/flowers.git", "https://example.org/lab/flowers/commit/"),
        ("ssh://git@example.org:2222/lab/flowers", "https://example.org/lab/flowers/commit/"),
        ("/srv/git/flowers.git", ""),
        ("../flowers", ""),
        ("", ""),
    ],
)
def test_commit_url_is_that_of_a_remote_on_the_web(remote, url):
    """Credentials are no part of it; a folder has none."""
    assert asv_page.commit_url(remote) == url


def test_link_commits_leaves_what_the_configuration_says(tmp_path):
    """The configuration wins over the remote."""
    index = tmp_path / "index.json"
    for given, kept in (("#", "https://example.org/lab/flowers/commit/"), ("https://own/", "https://own/")):
        index.write_text(json.dumps({"show_commit_url": given, "project": "p"}))
        asv_page.link_commits(index, remote="https://example.org/lab/flowers")
        assert json.loads(index.read_text()) == {"show_commit_url": kept, "project": "p"}


def test_publish_reads_the_store_that_is_named(tmp_path):
    """Asv has no option for it: it gets a configuration of its own, in which all folders are absolute."""
    conf = asv_page.configuration(tmp_path)

    assert conf["results_dir"] == str(tmp_path / "asv")
    assert conf["html_dir"] == str(tmp_path / "html" / "asv")
    assert all(Path(conf[name]).is_absolute() for name in ("repo", "benchmark_dir", "env_dir"))
    with pytest.raises(InputError, match=f"Received: {tmp_path}"):
        asv_page.publish(tmp_path)


# jQuery, as far as asv's page needs it to load its files.
JQUERY = """
window.$ = {ajax: function () { throw "asked a server"; }, Deferred: function () {
  var done = [], failed = [], self = {
    done: function (call) { done.push(call); return self; }, fail: function (call) { failed.push(call); return self; },
    resolve: function (data) { setTimeout(function () { done.forEach(function (c) { c(data); }); }); return self; },
    reject: function () { failed.forEach(function (c) { c(); }); return self; },
    promise: function () { return self; } };
  return self; }};
"""
ASKING = """
$.ajax({url: "graphs/a b/c,1.json?timestamp=1"}).done(function (data) { document.title = data[0][1]; });
$.ajax({url: "graphs/none.json"}).fail(function () { document.body.dataset.failed = 1; });
"""


def test_page_reads_its_data_from_the_disk(browser, tmp_path):
    """A file that a server would give, and one that is not there."""
    (tmp_path / "graphs" / "a b").mkdir(parents=True)
    (tmp_path / "graphs" / "a b" / "c,1.json").write_text('[[1, "seen"]]')
    html = f"<html><head><script>{JQUERY}</script></head><body><script>{ASKING}</script></body></html>"
    (tmp_path / "index.html").write_text(asv_page.openable(html, tmp_path))
    shown = browser.new_page()
    shown.goto(f"file://{tmp_path}/index.html")
    shown.wait_for_function("document.title === 'seen' && document.body.dataset.failed === '1'")
    shown.close()
