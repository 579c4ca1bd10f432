"""`peers` as a user starts it, with a stand-in for pairs of processes."""

import json

import pytest

from bench.compare import pair, tune
from bench.compare.pair_result import PairResult, Sample
from bench.machine import facts
from bench.report import gather
from flowers_core import backends


@pytest.fixture
def halved(monkeypatch):
    """Every step of ours takes half the time of the peer's."""

    def record(base, candidate, *, comparison, **_):
        def sampled(seconds):
            return tuple(Sample(steps=1, wall_seconds=seconds, cpu_seconds=seconds, delay_seconds=0.0) for _ in "abcd")

        common = {"comparison": comparison, "pair": "", "cell": "", "machine": facts.fingerprint()}
        common |= {"base": base.facts(), "candidate": candidate.facts()}
        return [PairResult(**common, base_samples=sampled(0.5), candidate_samples=sampled(1.0))]

    monkeypatch.setattr(pair, "record", record)
    monkeypatch.setattr(backends, "check_installed", lambda _: None)
    monkeypatch.setattr(gather, "costs", lambda _: {})
    monkeypatch.setattr(tune.LossCheck, "_losses_of", lambda *_: [1.6, 1.5, 1.4])


PLACE = ("--device", "cpu", "--backend", "tensorflow")


@pytest.mark.usefixtures("halved")
def test_peers_writes_the_table_and_shows_it_again(tmp_path, command_line):
    """A row a model, twice as fast as its peer; the last run is shown without measuring."""
    options = ("--model", "dense,squeezenet", "--results", tmp_path)
    done = command_line("bench", "peers", *options, *PLACE, "--json")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["model"], row["ratio"], row["batch_size"]) for row in rows] == [
        ("dense", pytest.approx(2.0), 16),
        ("squeezenet", pytest.approx(2.0), 16),
    ]
    text = (tmp_path / "tables" / "peers.md").read_text()
    assert "geometric mean 2.000 over 2 models" in text
    assert "`python -m bench peers --model dense,squeezenet --budget 30m --pairs 3" in text
    shown = command_line("bench", "peers", *options, *PLACE, "--show-last")
    assert "geometric mean 2.000" in shown.out


@pytest.mark.usefixtures("halved")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "squeezenett"), "did you mean squeezenet?"),
        (("--model", "timm:resnet50"), "must be one of dense_single"),
        (("--budget", "3s"), "must allow one pair of processes, about 20 s"),
        (("--resume",), "must hold a run of this machine and code"),
    ],
)
def test_peers_refuses_in_a_sentence(arguments, said, tmp_path, command_line):
    """An unknown model, one that is none of ours, a budget for no pair, no run to go on with."""
    done = command_line("bench", "peers", *arguments, *PLACE, "--results", tmp_path)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (tmp_path / "tables").exists()
