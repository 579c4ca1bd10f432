"""A folder as a bucket: what the storage API answers."""

import json

import pytest

from bench.input.object_store import gcs_api


@pytest.fixture
def folder(tmp_path):
    """Two photos of a class, one of another, a file beside them, and an empty folder."""
    for name in ("a/1.jpg", "a/2.jpg", "b c/3.jpg", "list.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"0123456789")
    (tmp_path / "new").mkdir()
    return tmp_path


@pytest.fixture
def ask(folder):
    """Asks for something: `ask("GET", target)`, with headers and a body; gives status, headers and body."""
    served = gcs_api.Buckets({"flowers": folder})

    def asked(method, target, *, host=gcs_api.API_HOST, headers=None, body=b""):
        answer = served.answer(gcs_api.understand(method, host, target), headers or {}, body)
        return answer.status, answer.headers, answer.body

    return asked


def listed(answer):
    return json.loads(answer[2])


def test_all_below_a_prefix_is_listed(ask):
    """Without a delimiter all names come, sorted, an empty folder with its slash."""
    found = listed(ask("GET", "/storage/v1/b/flowers/o?fields=items"))

    assert [item["name"] for item in found["items"]] == ["a/1.jpg", "a/2.jpg", "b c/3.jpg", "list.txt", "new/"]


@pytest.mark.parametrize(
    ("prefix", "items", "prefixes"),
    [("", ["list.txt"], ["a/", "b c/", "new/"]), ("a%2F", ["a/1.jpg", "a/2.jpg"], None), ("b%20", None, ["b c/"])],
)
def test_a_delimiter_makes_folders(ask, prefix, items, prefixes):
    """Names below the next slash come as one prefix."""
    found = listed(ask("GET", f"/storage/v1/b/flowers/o?delimiter=%2F&prefix={prefix}"))

    assert [item["name"] for item in found.get("items", [])] == (items or [])
    assert found.get("prefixes") == prefixes


def test_long_listings_come_in_pages(ask, monkeypatch):
    """Each page names the next, and together they are all."""
    monkeypatch.setattr(gcs_api, "PAGE", 2)
    names, token = [], ""
    while token is not None:
        page = listed(ask("GET", f"/storage/v1/b/flowers/o?pageToken={token or 0}"))
        names += [item["name"] for item in page["items"]]
        assert len(page["items"]) <= 2
        token = page.get("nextPageToken")

    assert names == ["a/1.jpg", "a/2.jpg", "b c/3.jpg", "list.txt", "new/"]


@pytest.mark.parametrize(
    ("span", "status", "body"),
    [
        ("", 200, b"0123456789"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=8-", 206, b"89"),
        ("bytes=10-20", 416, b""),
    ],
)
def test_ranges_are_read(ask, span, status, body):
    """A range is cut at the end of the object; one beyond it is not satisfiable."""
    found = ask("GET", "/flowers/b%20c/3.jpg", host=gcs_api.MEDIA_HOST, headers={"Range": span})

    assert (found[0], found[2]) == (status, body)


def test_a_question_for_an_object_gives_its_size(ask):
    """Size and generation are texts of numbers, as Google writes them; a bucket has a place."""
    found = listed(ask("GET", "/storage/v1/b/flowers/o/a%2F1.jpg?fields=size"))

    assert (found["size"], found["generation"].isdigit(), found["updated"][-1]) == ("10", True, "Z")
    assert listed(ask("GET", "/storage/v1/b/flowers"))["name"] == "flowers"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/storage/v1/b/none/o", 404),
        ("GET", "/storage/v1/b/flowers/o/a", 404),
        ("GET", "/storage/v1/b/flowers/o/a%2F9.jpg", 404),
        ("DELETE", "/storage/v1/b/flowers/o/a%2F9.jpg", 404),
        ("GET", "/storage/v1/b/flowers/o/..%2F..%2Fetc%2Fpasswd", 400),
        ("PUT", "/upload/storage/v1/b/flowers/o?upload_id=9", 404),
        ("GET", "/elsewhere", 404),
    ],
)
def test_what_is_not_there_or_outside_is_refused(ask, method, target, status):
    """Nothing leads out of the folder."""
    assert ask(method, target)[0] == status


def test_an_object_appears_when_its_upload_ends(ask, folder):
    """An upload in pieces goes on where it was, and the name is there only with the whole content."""
    where = ask("POST", "/upload/storage/v1/b/flowers/o?uploadType=resumable&name=x%2Fy")[1]["Location"]
    target = where.removeprefix(f"https://{gcs_api.API_HOST}")
    half = ask("PUT", target, headers={"Content-Range": "bytes 0-3/6"}, body=b"abcd")
    state = ask("PUT", target, headers={"Content-Range": "bytes */6"})

    assert (half[0], state[0], state[1]["Range"]) == (308, 308, "bytes=0-3")
    assert not (folder / "x" / "y").exists()
    assert ask("PUT", target, headers={"Content-Range": "bytes 4-5/6"}, body=b"ef")[0] == 200
    assert (folder / "x" / "y").read_bytes() == b"abcdef"


def test_objects_are_copied_and_removed(ask, folder):
    """A rename is a copy and a removal, as the client asks for it."""
    assert ask("POST", "/storage/v1/b/flowers/o/list.txt/rewriteTo/b/flowers/o/d%2Fe.txt")[0] == 200
    assert ask("DELETE", "/storage/v1/b/flowers/o/list.txt")[0] == 204
    assert ((folder / "d" / "e.txt").exists(), (folder / "list.txt").exists()) == (True, False)


def test_a_folder_is_made_once(ask):
    """The marker of a folder that is there already is refused, as Google does."""
    target = "/upload/storage/v1/b/flowers/o?uploadType=media&name=f%2F&ifGenerationMatch=0"

    assert [ask("POST", target)[0] for _ in range(2)] == [200, 412]
