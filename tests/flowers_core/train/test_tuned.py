"""What was found for a model on a machine: kept, read back, used or stale."""

import json
from dataclasses import asdict, replace

import pytest

from flowers_core.errors import InputError
from flowers_core.train import tuned
from flowers_core.train.settings import Choices
from flowers_core.train.tuned import Tuned, Way

PLAIN = Way(backend="tensorflow", precision="float32")
FOUND = Tuned(
    model="convnet_gap", image_size=192, device="cpu", way=replace(PLAIN, xla=True), plain=PLAIN, ratio=0.5, pairs=4,
    images_per_second=90.0, measured_batch=16, tried=3, candidates=3, when="2026-11-27T04:00:00+00:00",
    key=tuned.key(("tensorflow",)),
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    """A file that holds what was found."""
    path = tmp_path / "results" / "tuned.json"
    tuned.keep(FOUND, path)
    return path


def test_what_is_kept_is_found_again(path):
    """Of this model, size and device alone; another search of the same takes its place."""
    assert tuned.find("convnet_gap", image_size=192, path=path) == FOUND
    for other in ({"image_size": 64}, {"image_size": 192, "device": "gpu"}):
        assert tuned.find("convnet_gap", path=path, **other) is None
    assert tuned.find("dense", image_size=192, path=path) is None
    tuned.keep(replace(FOUND, ratio=0.4), path)
    tuned.keep(replace(FOUND, model="dense"), path)
    assert [(known.model, known.ratio) for known in tuned.load(path)] == [("convnet_gap", 0.4), ("dense", 0.5)]


def test_a_stale_setting_is_told_and_not_used(path):
    """The sentence says by which fact, and how to find it anew."""
    said = []
    tuned.keep(replace(FOUND, key={**FOUND.key, "keras": "2.0"}), path)
    assert tuned.find("convnet_gap", image_size=192, path=path, tell=said.append) is None
    assert len(said) == 1
    assert "is stale: keras was '2.0' and is" in said[0]
    assert "bench tune convnet_gap" in said[0]


def test_applied_leaves_what_the_user_chose():
    """The batch is the user's, or the recipe's unless batches were compared."""
    chosen = tuned.apply(FOUND, Choices(epochs=3))
    assert (chosen.precision, chosen.xla, chosen.torch_compile, chosen.batch_size) == ("float32", True, False, None)
    with_batch = replace(FOUND, way=replace(FOUND.way, batch_size=64))
    assert tuned.apply(with_batch, Choices()).batch_size == 64
    assert tuned.apply(with_batch, Choices(batch_size=8)).batch_size == 8


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9}, {"settings": 3}, {"ratio": "fast"}, {"ratio": -1.0}, {"key": [1]}, {"unknown": {}, "way": None},
        {"way": {"backend": "caffe", "precision": "float32"}},
        {"way": {"backend": "torch", "precision": "float32", "xla": True}},
        {"way": {"backend": "jax", "precision": "float32", "xla": True, "batch_size": 0}},
    ],
    ids=["format", "list", "text", "negative", "key", "no way", "backend", "compiler", "batch"],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_a_sentence(path, change):
    """And a training goes on without it, saying so."""
    values = {"format": tuned.FORMAT, "settings": [asdict(FOUND)]}
    values |= change if set(change) & set(values) else {"settings": [asdict(FOUND) | change]}
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(InputError, match="Received"):
        tuned.load(path)
    said = []
    assert tuned.find("convnet_gap", image_size=192, path=path, tell=said.append) is None
    assert "goes on as the recipe says" in said[0]


def test_a_file_that_is_no_json_is_refused(path):
    """Bytes of anything; no file is no setting."""
    for content in (b"\xff\xfe", b"{", b"[" * 100_000):
        path.write_bytes(content)
        with pytest.raises(InputError, match="must be as it was written"):
            tuned.load(path)
    assert tuned.load(path.with_name("none.json")) == []


def test_key_names_processor_and_versions(tmp_path):
    """Features of a processor as a digest; other features, another key."""
    cpuinfo = tmp_path / "proc" / "cpuinfo"
    cpuinfo.parent.mkdir()
    cpuinfo.write_text("model name : Cray-1\nflags : avx2 amx_bf16\n", encoding="utf-8")
    found = tuned.key(("tensorflow", "jax"), root=tmp_path)
    assert found["processor"] == "Cray-1"
    assert {"cores", "python", "keras", "tensorflow", "jax"} <= set(found)
    cpuinfo.write_text("model name : Cray-1\nflags : avx2\n", encoding="utf-8")
    assert tuned.key((), root=tmp_path)["processor features"] != found["processor features"]
