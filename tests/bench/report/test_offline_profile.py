"""The filter around TensorBoard's application that points XProf at its stand-in for Google Charts."""

import gzip

import pytest

from bench.report import offline_profile

PAGE = b"script.src = `https://${domain}/charts/loader.js`;"


@pytest.fixture
def ask():
    """Asks a filtered application that answers with a body: `ask("/data/plugin/profile/index.html", PAGE)`."""

    def get(path, body, *, packed=False):
        said = {}

        def application(_, start_response):
            headers = [("Content-Type", "text/html"), ("Content-Length", str(len(body)))]
            start_response("200 OK", [*headers, ("Content-Encoding", "gzip")] if packed else headers)
            return [body[:4], body[4:]]

        filtered = offline_profile.complete(application)
        parts = filtered({"PATH_INFO": path}, lambda status, headers, *_: said.update(headers, status=status))
        return said, b"".join(parts)

    return get


@pytest.mark.parametrize("packed", [False, True])
def test_page_asks_for_the_stand_in(ask, packed):
    """In place of Google's loader; packed as it was, with its new length."""
    said, body = ask("/data/plugin/profile/index.html", gzip.compress(PAGE) if packed else PAGE, packed=packed)

    assert (gzip.decompress(body) if packed else body) == b"script.src = 'offline_charts.js';"
    assert said["status"] == "200 OK"
    assert int(said["Content-Length"]) == len(body)
    assert ("Content-Encoding" in said) == packed


def test_stand_in_is_served(ask):
    """As a script that leaves no name but `google`."""
    said, body = ask("/data/plugin/profile/offline_charts.js", b"not found")

    assert said["Content-Type"].startswith("text/javascript")
    assert body.startswith(b"(() => {")
    assert b"window.google = " in body


@pytest.mark.parametrize("path", ["/", "/index.html", "/data/plugin/profile/data", "/data/plugin/hparams/index.html"])
def test_all_else_passes_unchanged(ask, path):
    """Pages of other plugins, and data."""
    assert ask(path, PAGE)[1] == PAGE


def test_another_version_passes_unchanged(ask):
    """Where XProf's page names no such address, nothing is replaced."""
    assert ask("/data/plugin/profile/index.html", b"<p>other</p>")[1] == b"<p>other</p>"
