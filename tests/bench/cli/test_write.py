"""The command that measures writing: what it refuses, and what an interrupt leaves."""

import pytest

from bench.input.writing import campaign
from bench.input.writing.result import WriteResult
from bench.results import store


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shards", "0"], "--shards"),
        (["--shards", "64"], "at most the number of photos, 20"),
        (["--threads", "many"], "--threads"),
        (["--pipeline", "photos_parallel"], "records_parallel"),
        (["--format", "png"], "jpeg444"),
        (["--format", "yuv420", "--image-size", "331"], "must be even"),
        (["--photos", "/no/such"], "/no/such"),
        (["--show-last"], "no writing of records"),
    ],
)
def test_wrong_use_is_one_sentence(command_line, synthetic_photos, tmp_path, arguments, message):
    """Nothing is written, and the exit code is 2."""
    photos = [] if "--photos" in arguments else ["--photos", synthetic_photos]
    done = command_line("bench", "write", *arguments, *photos, "--results", tmp_path / "store")

    assert done.code == 2, done.err
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not list((tmp_path / "store").rglob("*.tfrec"))


def test_an_interrupt_keeps_what_has_ended(command_line, synthetic_photos, tmp_path, monkeypatch):
    """It is stored and shown, with exit code 130; --show-last shows it again."""

    def interrupted(plan):
        assert plan.shards == (1, 4, 16)  # as many as 20 photos fill
        yield WriteResult(campaign="1", shards=1, threads=4, images=20, bytes=1000, write_seconds=(0.1,),
                          sync_seconds=(0.01,), cpu_seconds=(0.1,), data={"photos": "synthetic"})  # fmt: skip
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "run", interrupted)
    place = ("--results", tmp_path)
    done = command_line("bench", "write", "--photos", synthetic_photos, *place)

    assert done.code == 130
    assert "those are kept" in done.err
    assert "Writing records" in done.out
    assert [result.shards for result in store.load(WriteResult, tmp_path).results] == [1]
    again = command_line("bench", "write", "--show-last", *place)
    assert (again.code, again.out) == (0, done.out)
    assert (tmp_path / "tables" / "writing.md").exists()
    assert not list(tmp_path.glob(".records-*"))
