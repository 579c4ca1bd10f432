"""The noise floor: from identical pairs to the slowdown that can be found beside it."""

import dataclasses
import json
import math
import random

import numpy as np
import pytest

from bench.compare import detectable, noise_floor, sequential_test
from bench.compare.noise_floor import minimum_effect, threshold
from bench.compare.pair_result import PairResult, Sample
from bench.compare.sequential_test import Rule
from bench.compare.variant import Variant
from bench.results.cell import Cell

PIPELINE = Cell(model="none", pipeline="records_parallel")
STEP = Cell(model="squeezenet", batch_size=128, precision="mixed_bfloat16")
HERE = {"id": "here", "host": "lab"}
CODE = {"commit": "c0ffee", "dirty": False, "digest": "d1"}
FLOOR = noise_floor.Floor(measured=STEP, pairs=24, wall_deviation=0.02, cpu_deviation=0.01, pair_seconds=12.0)


def pair_result(number=0, *, wall=0.0, cpu=0.0, cell=PIPELINE, injected=False, digest="d1", **others):
    """A pair result whose candidate takes e^wall and e^cpu times as long, the same in every block."""
    common = {"comparison": "calibration-1", "pair": f"pair {number}", "seconds": 12.0, "machine": HERE}
    return PairResult(
        **{**common, "cell": cell.id, "started": f"2026-11-2{number % 8}T12:00:00+00:00", **others},
        base=Variant(name="base", cell=cell, code=CODE).facts(),
        candidate=Variant(name="candidate", cell=cell, code={**CODE, "digest": digest}).facts(),
        base_samples=(Sample(10, 0.2, 0.4, 0.0),) * 8,
        candidate_samples=(Sample(10, 0.2 * math.exp(wall), 0.4 * math.exp(cpu), 0.0),) * 8,
        injection={"kind": "compute", "share": 0.05} if injected else {"kind": "none", "share": 0.0},
        foreign_cpu_share=0.01,
    )


def noisy(count, *, seed=1, cell=PIPELINE, mean=0.0, **others):
    """Pair results of a cell, at 2 % on the wall clock and 1 % on the CPU clock."""
    dice = random.Random(seed)
    return [
        pair_result(number, wall=dice.gauss(mean, 0.02), cpu=dice.gauss(mean, 0.01), cell=cell, **others)
        for number in range(count)
    ]


@pytest.fixture
def shown(terminal):
    """What a terminal of 80 columns shows."""
    return lambda rows: terminal(noise_floor.table(rows))


def test_floors_are_the_scatter_of_identical_pairs():
    """Deviations, the time of a pair, days and foreign load are those of the pair results."""
    (floor,) = noise_floor.floors(noisy(200), machine_id="here")

    assert (floor.cell, floor.pairs, floor.series) == (PIPELINE.id, 200, 9)
    assert floor.wall_deviation == pytest.approx(0.02, rel=0.15)
    assert floor.cpu_deviation == pytest.approx(0.01, rel=0.15)
    assert abs(floor.correlation) < 0.25
    assert (floor.pair_seconds, floor.foreign_cpu_share) == (12.0, 0.01)
    assert (floor.since, floor.until, floor.reason) == ("2026-11-20", "2026-11-27", "")


@pytest.mark.parametrize(
    "other",
    [
        {"injected": True},
        {"digest": "d2"},
        {"status": "error"},
        {"load": "0.5 core"},
        {"machine": {"id": "elsewhere"}},
        {"harness_version": "0"},
    ],
    ids=str,
)
def test_floors_leave_out_what_is_not_identical_here_and_now(other):
    """Injected, changed, failed and loaded pairs, those of other machines and harness versions make no floor."""
    strange = [pair_result(number, wall=1.0, **other) for number in range(8, 16)]

    both, alone = (noise_floor.floors([*others, *noisy(8)], machine_id="here") for others in (strange, []))
    assert both == alone


def test_floors_take_seconds_of_pairs_that_start_processes():
    """Later results of a pair do not count for seconds; injected first ones only where there is no other."""
    firsts = [pair_result(number, injected=True, seconds=13.0) for number in range(8)]
    later = noisy(8, seconds=5.0)
    (floor,) = noise_floor.floors([*firsts, *later], machine_id="here")
    (mixed,) = noise_floor.floors([*firsts, *later, pair_result(9, seconds=11.0)], machine_id="here")

    assert (floor.pair_seconds, mixed.pair_seconds) == (13.0, 11.0)


def test_floors_need_four_pairs():
    """Below four pairs there is no figure, and the reason stands below the table."""
    (floor,) = noise_floor.floors(noisy(3), machine_id="here")

    assert floor.wall_deviation is minimum_effect(floor, 1200.0) is threshold(floor) is None
    assert floor.reason == "3 of the 4 identical pairs that a floor needs at least"
    assert noise_floor.notes([floor]) == [f"{PIPELINE.id}: n/a, {floor.reason}"]


def test_notes_count_alarms_among_identical_pairs():
    """Where base or candidate is favoured, comparisons that called it different are counted, the remedy named."""
    (floor,) = noise_floor.floors(noisy(48, mean=0.05), machine_id="here")

    assert (floor.series, floor.alarms) == (2, 2)
    assert "called different in 2 of 2 comparisons" in noise_floor.notes([floor])[-2]
    assert "python -m bench doctor" in noise_floor.notes([floor])[-1]


def test_floors_of_accelerators_ignore_cpu_seconds():
    """Where CPU seconds alone differ, a step on the CPU alarms and one on a GPU does not."""
    on_gpu = dataclasses.replace(STEP, device="gpu")
    walls = [0.012, -0.008] * 4
    results = [
        pair_result(number, wall=wall, cpu=0.1 + 0.001 * number, cell=cell)
        for cell in (STEP, on_gpu)
        for number, wall in enumerate(walls)
    ]
    (cpu, gpu) = noise_floor.floors(results, machine_id="here")

    assert (cpu.alarms, gpu.alarms) == (1, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"foreign_cpu_share": 0.2}, "others used 20 % of the CPU"),
        ({"wall_deviation": 0.2, "cpu_deviation": 0.2}, "a slowdown of 5 % is not found in 5 minutes"),
        ({"pair_seconds": 200.0}, "a slowdown of 5 % is not found in 5 minutes"),
    ],
)
def test_notes_of_a_bad_floor_name_the_remedy(change, words):
    """Foreign load and too much noise are noted, with what to do; a quiet floor has no doubts."""
    assert not any("doctor" in note for note in noise_floor.notes([FLOOR]))
    *_, doubt, remedy = noise_floor.notes([dataclasses.replace(FLOOR, **change)])

    assert words in doubt
    assert "python -m bench doctor" in remedy


def test_minimum_effect_shrinks_with_time():
    """What can be found shrinks with time, until the last look."""
    effects = [minimum_effect(FLOOR, seconds) for seconds in (48.0, 72.0, 96.0, 144.0, 192.0, 288.0)]

    assert effects == sorted(effects, reverse=True)
    assert len(set(effects)) == 6
    assert minimum_effect(FLOOR, 3600.0) == effects[-1]
    assert minimum_effect(FLOOR, 47.0) is None


def test_minimum_effect_is_none_beside_noise_that_no_clock_has():
    """A damaged line of a store may say so: there is nothing to draw, and no warning of numbers that overflow."""
    assert detectable.minimum_effect(detectable.Noise(wall=1e308, cpu=0.01), 20) is None
    assert detectable.minimum_effect(detectable.Noise(wall=0.01, cpu=-1e308), 20) is None


def test_minimum_effect_grows_with_noise():
    """What can be found grows with the noise of a pair, and with the doubt about it."""
    noisier = dataclasses.replace(FLOOR, wall_deviation=0.04, cpu_deviation=0.02)
    few = dataclasses.replace(FLOOR, pairs=8)

    for floor in (noisier, few):
        assert minimum_effect(floor, 300.0) > minimum_effect(FLOOR, 300.0)
        assert minimum_effect(floor, 300.0, waiting=True) > minimum_effect(FLOOR, 300.0, waiting=True)


def test_minimum_effect_of_work_is_below_that_of_waiting():
    """Extra work is found by the CPU clock before waiting is by the wall clock; on an accelerator there is no such."""
    on_gpu = dataclasses.replace(FLOOR, measured=dataclasses.replace(STEP, device="gpu"))

    assert minimum_effect(FLOOR, 300.0) < minimum_effect(FLOOR, 300.0, waiting=True)
    assert minimum_effect(on_gpu, 300.0) == minimum_effect(on_gpu, 300.0, waiting=True)


def test_threshold_grows_with_cells():
    """The level that cells share makes each find less."""
    assert threshold(FLOOR, cells=20) > threshold(FLOOR) == minimum_effect(FLOOR, 300.0)


def test_minimum_effect_ends_at_tenfold():
    """Noise that hides everything gives no figure."""
    assert detectable.minimum_effect(detectable.Noise(2.0, 2.0), 4) is None


def test_limit_covers_the_true_deviation():
    """In 80 % of samples the true deviation lies below the upper limit."""
    draws = np.random.default_rng(3).standard_normal((4000, 8))

    assert (draws.std(axis=1, ddof=1) * detectable.limit(8) > 1).mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("rule", [Rule(), Rule.for_effect(0.02, cells=3), Rule(clocks=("wall",))], ids=str)
@pytest.mark.parametrize("shifts", [(0.03, 0.03), (0.06, 0.0), (-0.02, 0.02)], ids=str)
def test_slower_agrees_with_follow(rule, shifts):
    """Followed all at once, comparisons end as `sequential_test.follow` ends each."""
    wall, cpu = detectable.draw(detectable.Noise(0.03, 0.012, 0.4), 16, comparisons=40, seed=5)
    values = {"wall": wall + shifts[0], "cpu": cpu + shifts[1]}
    followed = [
        sequential_test.follow({clock: numbers[number].tolist() for clock, numbers in values.items()}, rule)
        for number in range(40)
    ]

    assert detectable.slower(values, rule).tolist() == [
        verdict is not None and verdict.word == "slower" for verdict in followed
    ]


@pytest.mark.parametrize("waiting", [False, True])
def test_minimum_effect_is_found(waiting):
    """A slowdown of the size that is promised is called slower in 85 to 95 % of fresh comparisons."""
    least = minimum_effect(FLOOR, 144.0, waiting=waiting)
    limit = detectable.limit(FLOOR.pairs)
    draws = detectable.draw(detectable.Noise(limit * 0.02, limit * 0.01), 12, comparisons=500, seed=11)
    wall, cpu = draws[0] + math.log1p(least), draws[1] + (0.0 if waiting else math.log1p(least))
    rule = Rule.for_effect(least)
    words = [
        (
            sequential_test.follow({"wall": walls.tolist(), "cpu": cpus.tolist()}, rule)
            or sequential_test.Verdict(word="", estimates={})
        )
        for walls, cpus in zip(wall, cpu, strict=True)
    ]

    assert 0.85 < sum(verdict.word == "slower" for verdict in words) / 500 < 0.95


def test_minimum_effect_agrees_with_the_formula():
    """Where only the first look is allowed, simulation finds what the noncentral t distribution says, within 3 %."""
    from scipy import optimize, stats

    rule = Rule(clocks=("wall",))
    least = detectable.minimum_effect(detectable.Noise(0.01, 0.01), 4, rule=lambda _: rule)
    surely = stats.t.ppf(1 - rule.level / 2, 3)
    known = optimize.brentq(lambda shift: stats.nct.sf(surely, 3, shift * 2 / 0.01) - 0.9, 0.01, 0.5)

    assert math.log1p(least) == pytest.approx(known, rel=0.03)


def test_table_fits_80_columns(shown):
    """Long names and the widest figures stand whole in 80 columns."""
    other = dataclasses.replace(FLOOR, measured=dataclasses.replace(STEP, model="mobilenetv2", batch_size=8))
    alone = noise_floor.Floor(measured=PIPELINE, pairs=2, reason="too few")
    wide = dataclasses.replace(FLOOR, wall_deviation=0.123, pair_seconds=14.25)
    text = shown([FLOOR, other, alone, wide])

    for figure in ("squeezenet b128", "records_parallel", "2.0/1.0", "12/1.0", "14.2 s", "n/a/n/a", "too few"):
        assert figure in text


def test_table_takes_no_floors(shown):
    """Without floors there is an empty table and no note."""
    assert "cell" in shown([])
    assert noise_floor.notes([]) == []


def test_to_json_is_plain():
    """Every floor is an object of plain values, with what can be found in each time."""
    (row,) = json.loads(json.dumps(noise_floor.to_json([FLOOR]), allow_nan=False))

    assert (row["cell_id"], row["wall_deviation"]) == (STEP.id, 0.02)
    assert [effect["seconds"] for effect in row["findable"]] == [60.0, 300.0, 1200.0]
    assert row["findable"][1]["work"] == threshold(FLOOR)


def test_floors_pool_no_settings_and_no_data():
    """Neither the noise under a quota, nor with another TensorFlow, nor that of photos compared before the last."""
    now = {**HERE, "usable_cores": 2, "packages": {"tensorflow": "2.21.0"}}
    quota = noisy(8, seed=2, machine={**now, "usable_cores": 0.5})
    older = noisy(8, seed=3, machine={**now, "packages": {"tensorflow": "2.20.0"}})
    before, last = (
        noisy(8, seed=4, machine=now, data={"photos": name}, comparison=f"calibration-{name}")
        for name in ("before", "last")
    )
    (floor,) = noise_floor.floors([*quota, *older, *before, *last], machine_id="here", setting=now)

    assert floor == noise_floor.floors(last, machine_id="here")[0]
