"""Folders as buckets: what the storage API answers."""

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
def send(folder):
    """Sends a request: `send("GET", target)`, with headers and a body; gives status, headers and body."""
    served = gcs_api.Buckets({"flowers": folder}, writable=True)

    def request(method, target, *, host=gcs_api.API_HOST, headers=None, body=b""):
        response = served.respond(gcs_api.parse(method, host, target), headers or {}, body)
        return response.status, response.headers, response.body

    return request


def decode(response):
    return json.loads(response[2])


def test_listing_has_all_below_a_prefix(send):
    """Without a delimiter all names come, sorted, an empty folder with its slash."""
    listing = decode(send("GET", "/storage/v1/b/flowers/o?fields=items"))

    assert [item["name"] for item in listing["items"]] == ["a/1.jpg", "a/2.jpg", "b c/3.jpg", "list.txt", "new/"]


@pytest.mark.parametrize(
    ("prefix", "items", "prefixes"),
    [("", ["list.txt"], ["a/", "b c/", "new/"]), ("a%2F", ["a/1.jpg", "a/2.jpg"], None), ("b%20", None, ["b c/"])],
)
def test_listing_with_a_delimiter_has_folders(send, prefix, items, prefixes):
    """Names below the next slash come as one prefix."""
    listing = decode(send("GET", f"/storage/v1/b/flowers/o?delimiter=%2F&prefix={prefix}"))

    assert [item["name"] for item in listing.get("items", [])] == (items or [])
    assert listing.get("prefixes") == prefixes


def test_listing_says_sizes_and_checksums_if_asked(send):
    """In base64, most significant byte first, as Google writes a CRC-32C: of 0 to 9 that is 280c069e."""
    listing = decode(send("GET", "/storage/v1/b/flowers/o?prefix=b%20c&fields=items(name,size,crc32c),nextPageToken"))
    new = decode(send("GET", "/storage/v1/b/flowers/o?prefix=new&fields=items(name,size,crc32c)"))

    assert listing["items"] == [{"name": "b c/3.jpg", "size": "10", "crc32c": "KAwGng=="}]
    assert new["items"] == [{"name": "new/", "size": "0", "crc32c": "AAAAAA=="}]


def test_listing_comes_in_pages(send, monkeypatch):
    """Each page names the next, and together they are all."""
    monkeypatch.setattr(gcs_api, "PAGE", 2)
    names, token = [], ""
    while token is not None:
        page = decode(send("GET", f"/storage/v1/b/flowers/o?pageToken={token or 0}"))
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
def test_read_cuts_ranges(send, span, status, body):
    """A range is cut at the end of the object; one beyond it is not satisfiable."""
    response = send("GET", "/flowers/b%20c/3.jpg", host=gcs_api.MEDIA_HOST, headers={"Range": span})

    assert (response[0], response[2]) == (status, body)


def test_stat_gives_the_size(send):
    """Size and generation are texts of numbers, as Google writes them; a bucket has a place."""
    listing = decode(send("GET", "/storage/v1/b/flowers/o/a%2F1.jpg?fields=size"))

    assert (listing["size"], listing["generation"].isdigit(), listing["updated"][-1]) == ("10", True, "Z")
    assert decode(send("GET", "/storage/v1/b/flowers"))["name"] == "flowers"


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
        ("GET", "/storage/v1/b/flowers/o?pageToken=x", 400),
        ("GET", "/storage/v1/b/flowers/o?prefix=a%00%2F", 400),
        ("GET", "/storage/v1/b/flowers/o/out%2Fsecret", 400),
        ("DELETE", "/storage/v1/b/flowers/o/secret.txt", 400),
        ("POST", f"/storage/v1/b/flowers/o/{'x' * 300}/rewriteTo/b/flowers/o/y", 403),
        ("PUT", "/storage/v1/b/flowers", 404),
    ],
)
def test_what_is_missing_or_outside_is_refused(send, folder, method, target, status):
    """Nothing leads out of the folder."""
    outside = folder.with_name(f"{folder.name}-outside")
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (folder / "out").symlink_to(outside)
    (folder / "secret.txt").symlink_to(outside / "secret")

    assert send(method, target)[0] == status
    for prefix in ("", "out/", "../", f"../{outside.name}/"):
        assert "secret" not in str(decode(send("GET", f"/storage/v1/b/flowers/o?prefix={prefix}")))


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/storage/v1/b/flowers/o/list.txt"),
        ("POST", "/upload/storage/v1/b/flowers/o?uploadType=resumable&name=x"),
        ("PUT", "/upload/storage/v1/b/flowers/o?upload_id=1"),
        ("POST", "/storage/v1/b/flowers/o/list.txt/rewriteTo/b/flowers/o/d"),
    ],
)
def test_buckets_are_read_only_unless_asked(folder, method, target):
    """Nothing is written or deleted, and the answer says what would allow it."""
    response = gcs_api.Buckets({"flowers": folder}).respond(gcs_api.parse(method, gcs_api.API_HOST, target), {}, b"")

    assert (response.status, b"--writable" in response.body) == (403, True)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b c", "list.txt", "new"]


def test_upload_appears_when_it_ends(send, folder):
    """An upload in pieces goes on where it was, and the name is there only with the whole content."""
    where = send("POST", "/upload/storage/v1/b/flowers/o?uploadType=resumable&name=x%2Fy")[1]["Location"]
    target = where.removeprefix(f"https://{gcs_api.API_HOST}")
    half = send("PUT", target, headers={"Content-Range": "bytes 0-3/6"}, body=b"abcd")
    state = send("PUT", target, headers={"Content-Range": "bytes */6"})

    assert (half[0], state[0], state[1]["Range"]) == (308, 308, "bytes=0-3")
    assert not (folder / "x" / "y").exists()
    assert send("PUT", target, headers={"Content-Range": "bytes 4-5/6"}, body=b"ef")[0] == 200
    assert (folder / "x" / "y").read_bytes() == b"abcdef"


def test_objects_are_copied_and_removed(send, folder):
    """A rename is a copy and a removal, as the client asks for it."""
    assert send("POST", "/storage/v1/b/flowers/o/list.txt/rewriteTo/b/flowers/o/d%2Fe.txt")[0] == 200
    assert send("DELETE", "/storage/v1/b/flowers/o/list.txt")[0] == 204
    assert ((folder / "d" / "e.txt").exists(), (folder / "list.txt").exists()) == (True, False)


def test_a_folder_is_made_once(send):
    """The marker of a folder that is there already is refused, as Google does."""
    target = "/upload/storage/v1/b/flowers/o?uploadType=media&name=f%2F&ifGenerationMatch=0"

    assert [send("POST", target)[0] for _ in range(2)] == [200, 412]
