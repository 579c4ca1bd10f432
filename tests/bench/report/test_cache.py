"""What takes seconds to make is made once, and a damaged file is made again."""

import pytest

from bench.report import cache, gather


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "flowers-bench"


def test_text_is_made_once(folder):
    """The second time it is read; nothing unfinished is left beside it."""
    made = []
    texts = [cache.text("a.js", lambda: made.append(1) or "one\n//2") for _ in range(2)]

    assert texts == ["one\n//2"] * 2
    assert len(made) == 1
    assert [path.name for path in folder.iterdir()] == ["a.js"]


@pytest.mark.parametrize("damage", [b"", b"half", b"half\n//9", b"\xff\xfe\n//3"])
def test_text_that_is_not_whole_is_made_again(folder, damage):
    """A killed process leaves half of it, or less."""
    folder.mkdir()
    (folder / "a.js").write_bytes(damage)

    assert cache.text("a.js", lambda: "whole") == "whole"
    assert cache.text("a.js", lambda: pytest.fail("made")) == "whole"


def test_text_needs_no_place(tmp_path, monkeypatch):
    """Without a folder that can be written to it is made each time."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()

    assert cache.text("a.js", lambda: "made") == "made"


def test_costs_are_counted_once_a_code(tmp_path, monkeypatch):
    """Of two reports the second loads no Keras; other code counts anew."""
    loaded = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(gather.entry, "load", loaded.append)
    monkeypatch.setattr("flowers_core.train.flops.table", lambda: [{"name": "dense", "image_size": 192}])
    costs = [gather.costs({"dense", "none"}) for _ in range(2)]
    monkeypatch.setattr(gather.facts, "code_digest", lambda: "another")
    costs.append(gather.costs({"dense"}))

    assert costs == [{("dense", 192): {"name": "dense", "image_size": 192}}] * 3
    assert loaded == ["keras"] * 2
