"""Our models beside their peers: which pairs run, what they come to, and how a run goes on, without a process."""

import math
from dataclasses import replace

import pytest

from bench.compare import peers, peers_table, tune
from bench.compare.pair_result import PairResult, Sample
from bench.compare.peers import Entry, PeerComparison
from bench.results import store
from bench.results.cell import Cell
from flowers_core.errors import InputError
from flowers_core.train import tuned

OURS = Cell(model="squeezenet", batch_size=16)
FASTER = replace(OURS, xla=True)
PEER = Cell(model="torch:squeezenet", backend="torch", batch_size=16)
COMPILED = replace(PEER, torch_compile=True)
SECONDS = {OURS: 1.0, FASTER: 0.5, PEER: 0.9, COMPILED: 0.6}
KNOWN = {("squeezenet", 192): {"training_gflops": 2.0}}, {("cpu", "float32"): 100.0}


class Runs:
    """Stands in for pairs of processes, each of which takes ten seconds of its clock."""

    def __init__(self, *, broken=()):
        self.broken, self.clock, self.pairs = broken, 0.0, []

    def record(self, base, candidate, *, comparison, **_):
        self.clock += 10
        self.pairs.append((base.cell, candidate.cell))
        common = {"comparison": comparison, "pair": f"{self.clock}", "cell": "", "seconds": 10.0}
        common |= {"base": base.facts() | {"digest": "d"}, "candidate": candidate.facts(), "machine": {"id": "m"}}
        for variant in (base, candidate):
            if variant.cell in self.broken:
                return [PairResult(**common, status="error", reason=f"{variant.name}: no compiler")]
        noise = 1 + 0.01 * (len(self.pairs) % 3)
        samples = [
            tuple(Sample(steps=1, wall_seconds=seconds, cpu_seconds=seconds, delay_seconds=0.0) for _ in range(4))
            for seconds in (SECONDS[base.cell], SECONDS[candidate.cell] * noise)
        ]
        return [PairResult(**common, base_samples=samples[0], candidate_samples=samples[1])]


def comparison():
    ours = [Entry(OURS, is_trusted=True), Entry(FASTER)]
    return PeerComparison(model="squeezenet", ours=ours, peers=[Entry(COMPILED), Entry(PEER)])


def follow(comparisons, runs, results, *, budget=1000.0, losses=lambda *_: [1.6, 1.5, 1.4]):
    how = {"record": runs.record, "losses": losses, "now": lambda: runs.clock}
    return list(peers.run(comparisons, results, budget_seconds=budget, mark="peers-1", **how))


def test_every_way_is_tried_and_the_fastest_two_decide(tmp_path):
    """A new way of both sides a pair, then the fastest against each other; ratio, interval and MFU are theirs."""
    runs, running = Runs(), comparison()
    follow([running], runs, tmp_path)

    assert runs.pairs == [(OURS, COMPILED), (FASTER, PEER), *[(FASTER, COMPILED)] * 3]
    assert (running.pairs, running.left, running.next) == (3, 0, None)
    assert running.ratio == pytest.approx(1.2, rel=0.02)
    assert running.estimate.low < 1.2 < running.estimate.high
    (row,) = peers_table.plain([running], *KNOWN)
    assert row["utilisation"] == pytest.approx(2.0 * 32 / 100)
    assert (row["way"], row["peer_way"]) == ("tensorflow, float32, XLA", "plain torch, float32, torch.compile")
    assert [way["pairs"] for way in row["ours"]] == [1, 4]
    assert len(store.load(PairResult, tmp_path).results) == len(runs.pairs)


def test_a_way_that_fails_is_left_out(tmp_path):
    """Whichever side died is named below the table; the other is tried again beside another."""
    runs, running = Runs(broken=(COMPILED,)), comparison()
    follow([running], runs, tmp_path)
    assert running.fastest[1].cell == PEER
    assert "squeezenet, plain torch, float32, torch.compile: no compiler" in peers_table.table([running], *KNOWN).notes
    alone = PeerComparison(model="squeezenet", ours=[Entry(OURS)], peers=[Entry(COMPILED)])
    follow([alone], runs, tmp_path)
    assert (alone.fastest, alone.ratio, alone.left) == (None, None, 0)
    assert "n/a" in peers_table.table([alone], *KNOWN).markdown()


def test_a_way_with_other_losses_is_refused(tmp_path):
    """One that nobody has tuned is checked once; the next fastest runs in its place, and the reason is told."""
    runs, running, asked = Runs(), comparison(), []

    def losses(cell, _):
        asked.append(cell)
        return [1.6, 1.5, 3.0 if cell == FASTER else 1.4]

    follow([running], runs, tmp_path, losses=losses)
    assert asked == [OURS, FASTER]
    assert (running.fastest[0].cell, running.pairs) == (OURS, 3)
    notes = " ".join(peers_table.table([running], *KNOWN).notes)
    assert "tensorflow, float32, XLA: its loss in step 3 is 3, that of a plain float32 step 1.4" in notes

    again, stored = [comparison()], store.load(PairResult, tmp_path).results
    peers.take_up(again, stored, "m", "d")
    assert (again[0].left, again[0].fastest[0].cell) == (0, OURS)
    assert peers_table.plain(peers.of_stored(stored), *KNOWN) == peers_table.plain([running], *KNOWN)


def test_models_take_turns_within_the_budget_and_a_run_goes_on(tmp_path):
    """An early end leaves each with something, which counts when the run is resumed; other code's pairs do not."""
    runs, running = Runs(), [comparison(), comparison()]
    follow(running, runs, tmp_path, budget=30.0)
    assert [len(model.seconds) for model in running] == [2, 1]
    assert [model.left for model in running] == [3, 3]
    assert [model.pairs for model in running] == [0, 1]
    assert running[0].ratio == pytest.approx(1.2, rel=0.03)  # by pairs with others
    assert running[1].ratio == pytest.approx(0.6, rel=0.03)  # of one pair
    assert [model.estimate for model in running] == [None, None]
    notes = " ".join(peers_table.table(running[1:], *KNOWN).notes)
    assert "squeezenet: 1 ways of ours and 1 of the peer's were not reached" in notes

    again, stored = [comparison()], store.load(PairResult, tmp_path).results
    assert peers.take_up(again, stored, "m", "d") == "peers-1"
    assert (again[0].left, again[0].ours[0].rates) == (3, [16.0, 16.0])
    assert peers.take_up(again, stored, "m", "other code") == ""
    with pytest.raises(InputError, match="must allow one pair"):
        follow(again, runs, tmp_path, budget=1.0)


def test_a_store_gives_each_model_its_last_run(tmp_path):
    """As the run itself ended; not with pairs of an older run, of another machine, or that nobody can read."""
    runs, running = Runs(), comparison()
    follow([running], runs, tmp_path)
    stored = store.load(PairResult, tmp_path).results
    first = replace(stored[0], foreign_cpu_share=0.9)
    others = [
        replace(first, comparison="peers-0"),
        replace(first, comparison="peers-00", machine={"id": "n"}),
        replace(first, comparison="peers-2", base={"cell": {"model": "gone"}}),
        replace(first, comparison="peers-3", candidate={}),
        replace(first, comparison="20261124T120000Z"),
    ]
    found = peers.of_stored([*others, *stored])

    assert peers_table.plain(found, *KNOWN) == peers_table.plain([running], *KNOWN)
    assert peers_table.table(found, *KNOWN).notes == peers_table.table([running], *KNOWN).notes
    assert peers_table.command(found) == "python -m bench peers --model squeezenet --budget 5m"
    assert peers.of_stored(others[2:]) == []


def test_contest_begins_with_what_was_found(tmp_path, monkeypatch):
    """Tuned settings first, then the likeliest of ours; the peer compiled and not, in both precisions."""
    monkeypatch.setattr(tune.backends, "is_installed", lambda _: True)
    place = {"device": "cpu", "backend": "tensorflow", "settings": tmp_path / "tuned.json"}
    usual = peers.Plan(**place).comparison("squeezenet")
    plain = usual.ours[0].cell
    way = tuned.Way(backend="jax", precision=plain.precision, xla=True)
    found = tuned.Tuned(
        model="squeezenet", image_size=192, device="cpu", way=way, plain=tune.way_of(plain), ratio=0.9, pairs=4,
        images_per_second=9.0, measured_batch=16, tried=1, candidates=1, when="now",
        key=tuned.key(("jax", "tensorflow")),
    )  # fmt: skip
    tuned.keep(found, tmp_path / "tuned.json")
    plan = peers.Plan(**place)
    running, every = plan.comparison("squeezenet"), replace(plan, all_ways=True).comparison("squeezenet")

    assert (running.ours[0].cell.backend, running.ours[1].cell) == ("jax", plain)
    assert len(running.ours) == 4 <= len(every.ours) == len({entry.cell for entry in every.ours})
    assert {(entry.cell.precision, entry.cell.torch_compile) for entry in running.peers} == {
        (name, compiled) for name in ("float32", "mixed_bfloat16") for compiled in (True, False)
    }
    assert {entry.cell.batch_size for entry in (*running.ours, *running.peers)} == {16}
    assert plan.comparison("xception").ours[0].cell.batch_size == 4


def test_geometric_mean_is_over_models_with_a_ratio():
    """Of 2 and 0.5 it is 1; a model that failed is not among them."""
    running = [PeerComparison(model=name, ours=[Entry(OURS, [rate])], peers=[Entry(PEER, [1.0])]) for name, rate in
               (("dense", 2.0), ("convnet", 0.5))]  # fmt: skip
    failed = PeerComparison(model="vgg16", ours=[Entry(OURS, reason="no")], peers=[Entry(PEER)])

    assert peers_table.geometric_mean([*running, failed]) == (pytest.approx(1.0), 2)
    assert math.isnan(peers_table.geometric_mean([failed])[0])
