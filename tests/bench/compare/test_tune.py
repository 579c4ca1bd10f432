"""The search for the fastest correct way to train: what is tried, refused, confirmed and kept, without a process."""

import math
from dataclasses import replace

import pytest

from bench.compare import tune, tune_table
from bench.compare.pair_result import PairResult, Sample
from bench.results.cell import Cell
from flowers_core.errors import InputError

PLAIN = Cell(model="convnet_gap", batch_size=16)
FAST, FASTER = replace(PLAIN, xla=True), replace(PLAIN, precision="mixed_bfloat16")
SLOW = replace(FASTER, xla=True)
SECONDS = {PLAIN: 1.0, FAST: 0.7, FASTER: 0.5, SLOW: 1.3}


def sampled(seconds):
    return tuple(Sample(steps=1, wall_seconds=seconds, cpu_seconds=seconds, delay_seconds=0.0) for _ in range(4))


class Runs:
    """Stands in for pairs of processes, each of which takes ten seconds of its clock."""

    def __init__(self, *, broken=(), interrupt_at=0):
        self.broken, self.interrupt_at = broken, interrupt_at
        self.clock, self.pairs = 0.0, []

    def record(self, base, candidate, **_):
        self.clock += 10
        if self.interrupt_at == len(self.pairs) + 1:
            raise KeyboardInterrupt
        self.pairs.append(candidate.cell)
        common = {"comparison": "", "pair": "", "cell": "", "base": {}, "candidate": {}, "machine": {}}
        if candidate.cell in self.broken:
            return [PairResult(**common, status="error", reason="no compiler")]
        per_step = {cell: SECONDS[replace(cell, batch_size=16)] for cell in (base.cell, candidate.cell)}
        return [
            PairResult(
                **common, base_samples=sampled(per_step[base.cell]), candidate_samples=sampled(per_step[candidate.cell])
            )
        ]


def search(runs, *, candidates=(FAST, FASTER, SLOW), budget=1000.0, losses=lambda *_: [1.6, 1.5, 1.4]):
    return tune.Search(
        PLAIN, candidates, budget_seconds=budget, record=runs.record, losses=losses, now=lambda: runs.clock
    )


def test_heavy_models_are_compared_by_small_batches():
    """A pair of a model that sees 331 pixels would else take minutes."""
    assert [tune.usual_batch_size(model) for model in ("convnet", "xception", "squeezenet_331")] == [16, 4, 4]


def test_the_fastest_is_found_and_confirmed():
    """One pair each, then further ones of the fastest until the test is sure; the table names it."""
    runs = Runs()
    found = search(runs)
    found.run()
    result = found.result(with_batch=False)
    assert runs.pairs == [FAST, FASTER, SLOW, FASTER, FASTER, FASTER]
    assert (result.way, result.pairs, result.tried) == (tune.way_of(FASTER), 4, 3)
    assert result.ratio == pytest.approx(0.5)
    assert result.way.batch_size is None
    rows = tune_table.table(found, result).rows
    assert [(row[0], row[-1]) for row in rows] == [
        ("tensorflow, mixed_bfloat16", "fastest"),
        ("tensorflow, float32, XLA", ""),
        ("tensorflow, mixed_bfloat16, XLA", ""),
    ]


def test_a_candidate_with_other_losses_is_refused():
    """The next is taken, and the reason names both losses."""

    def losses(cell, _):
        return [1.6, 1.5, 3.0 if cell == FASTER else 1.4]

    runs, said = Runs(), []
    found = search(runs, losses=losses)
    found.run(tell=said.append)
    assert found.result(with_batch=False).way == tune.way_of(FAST)
    assert [candidate.status for candidate in found.candidates] == ["ok", "refused", "ok"]
    assert "its loss in step 3 is 3, that of a plain float32 step 1.4" in said[0]


def test_a_candidate_that_fails_is_passed_over():
    """Its reason is told and stands below the table; without any other there is no result."""
    runs, said = Runs(broken=(FASTER,)), []
    found = search(runs)
    found.run(tell=said.append)
    assert found.result(with_batch=False).way == tune.way_of(FAST)
    assert said == ["tensorflow, mixed_bfloat16: no compiler"]
    alone = search(Runs(broken=(FASTER,)), candidates=(FASTER,))
    alone.run()
    assert alone.result(with_batch=False) is None


def test_the_recipe_stays_where_nothing_is_faster():
    """What was compared proves it."""
    found = search(Runs(), candidates=(SLOW,))
    found.run()
    result = found.result(with_batch=False)
    assert (result.way, result.ratio) == (result.plain, 1.0)
    assert "the recipe's own, the fastest of 1 ways tried" in str(result)


def test_the_budget_ends_the_search():
    """What does not fit is not tried, and time is left for the losses of the one that is found."""
    runs = Runs()
    found = search(runs, budget=36.0)  # a pair takes 10 s, the look at losses a pair and a half
    found.run()
    assert runs.pairs[0] == FAST
    assert [candidate.status for candidate in found.candidates] == ["ok", "ok", "waiting"]
    assert found.result(with_batch=False).tried == 2
    with pytest.raises(InputError, match="must allow one pair of processes"):
        search(runs, budget=5.0)


def test_an_interrupted_search_keeps_what_it_has():
    """The fastest so far, with its losses looked at."""
    runs = Runs(interrupt_at=2)
    found = search(runs)
    with pytest.raises(KeyboardInterrupt):
        found.run()
    assert found.result(with_batch=False).way == tune.way_of(FAST)


def test_batches_are_compared_by_the_image():
    """A step of twice the images may take longer; the batch is part of what was found only where it was asked for."""
    larger = replace(PLAIN, batch_size=32)
    found = search(Runs(), candidates=(larger,))
    found.run()
    assert found.candidates[0].ratio == pytest.approx(0.5)
    assert found.result(with_batch=True).way.batch_size == 32


def test_ways_holds_each_once_without_the_recipes_own(monkeypatch):
    """Installed backends, compiled or not, in the precisions that make sense here."""
    monkeypatch.setattr(tune.backends, "is_installed", lambda name: name != "torch")
    monkeypatch.setattr(tune.precision, "multiplies_bfloat16", lambda: False)
    cells = tune.ways(PLAIN)
    assert [str(tune.way_of(cell)) for cell in cells] == ["jax, float32", "tensorflow, float32, XLA"]
    monkeypatch.setattr(tune.precision, "multiplies_bfloat16", lambda: True)
    cells = tune.ways(PLAIN, (16, 32))
    assert len(cells) == len(set(cells)) == 2 * 6 - 1
    assert PLAIN not in cells


def test_ways_begin_with_those_that_were_fastest_elsewhere(monkeypatch):
    """A short budget reaches torch's graph and the faster precision first; another batch comes after the recipe's."""
    monkeypatch.setattr(tune.backends, "is_installed", lambda _: True)
    monkeypatch.setattr(tune.precision, "multiplies_bfloat16", lambda: True)
    first = [str(tune.way_of(cell)) for cell in tune.ways(PLAIN)[:3]]
    assert first == [
        "torch, mixed_bfloat16, torch.compile",
        "tensorflow, mixed_bfloat16",
        "torch, float32, torch.compile",
    ]
    assert [cell.batch_size for cell in tune.ways(PLAIN, (16, 32))[:4]] == [16, 16, 16, 32]


def test_disagreement_is_a_share_of_the_loss():
    """Nothing within the tolerance; no number is none."""
    assert tune.disagreement([1.6, 1.5], [1.61, 1.5], tolerance=0.01) == ""
    assert "step 2" in tune.disagreement([1.6, 1.5], [1.6, 1.6], tolerance=0.01)
    assert "not finite in step 1" in tune.disagreement([1.6], [None], tolerance=0.01)


def test_ratio_is_the_geometric_mean_of_pairs():
    """None before the first."""
    candidate = tune.Candidate(FAST)
    assert candidate.ratio is None
    candidate.logs = [math.log(0.5), math.log(2)]
    assert candidate.ratio == pytest.approx(1.0)
