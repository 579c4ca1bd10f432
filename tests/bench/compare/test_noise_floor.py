"""The noise floor: from units of identical sides to the slowdown that can be found beside it."""

import dataclasses
import json
import math
import random

import numpy as np
import pytest
from rich.console import Console

from bench.compare import detectable, noise_floor, sequential_test
from bench.compare.pair_result import PairResult, Sample
from bench.compare.sequential_test import Rule
from bench.compare.variant import Variant
from bench.results.cell import Cell

PIPELINE = Cell(model="none", pipeline="records_parallel")
STEP = Cell(model="squeezenet", batch_size=128, precision="mixed_bfloat16")
HERE = {"id": "here", "host": "lab"}
CODE = {"commit": "c0ffee", "dirty": False, "digest": "d1"}
FLOOR = noise_floor.Floor(measured=STEP, units=24, wall_deviation=0.02, cpu_deviation=0.01, unit_seconds=12.0)


def unit(number=0, *, wall=0.0, cpu=0.0, cell=PIPELINE, planted=False, digest="d1", **others):
    """A unit whose candidate takes e^wall and e^cpu times as long, the same in every turn."""
    common = {"comparison": "calibration-1", "pair": f"pair {number}", "seconds": 12.0, "machine": HERE}
    return PairResult(
        **{**common, "cell": cell.id, "started": f"2026-11-2{number % 8}T12:00:00+00:00", **others},
        base=Variant(name="base", cell=cell, code=CODE).facts(),
        candidate=Variant(name="candidate", cell=cell, code={**CODE, "digest": digest}).facts(),
        base_samples=(Sample(10, 0.2, 0.4, 0.0),) * 8,
        candidate_samples=(Sample(10, 0.2 * math.exp(wall), 0.4 * math.exp(cpu), 0.0),) * 8,
        plant={"kind": "compute", "share": 0.05} if planted else {"kind": "none", "share": 0.0},
        foreign_cpu_share=0.01,
    )


def drawn(count, *, seed=1, cell=PIPELINE, mean=0.0, **others):
    """Units of a cell, at 2 % on the wall clock and 1 % on the CPU clock."""
    dice = random.Random(seed)
    return [
        unit(number, wall=dice.gauss(mean, 0.02), cpu=dice.gauss(mean, 0.01), cell=cell, **others)
        for number in range(count)
    ]


def shown(rows):
    console = Console(width=80)
    with console.capture() as captured:
        noise_floor.show(rows, console)
    return captured.get()


def test_a_floor_is_the_scatter_of_identical_pairs():
    """Deviations, the time of a unit, days and foreign load are those of the units."""
    (floor,) = noise_floor.floors(drawn(200))

    assert (floor.cell, floor.units, floor.series) == (PIPELINE.id, 200, 9)
    assert floor.wall_deviation == pytest.approx(0.02, rel=0.15)
    assert floor.cpu_deviation == pytest.approx(0.01, rel=0.15)
    assert abs(floor.correlation) < 0.25
    assert (floor.unit_seconds, floor.foreign_cpu_share) == (12.0, 0.01)
    assert (floor.since, floor.until, floor.reason) == ("2026-11-20", "2026-11-27", "")


@pytest.mark.parametrize(
    "other",
    [
        {"planted": True},
        {"digest": "d2"},
        {"status": "error"},
        {"load": "0.5 core"},
        {"machine": {"id": "elsewhere"}},
        {"ruler": "0"},
    ],
    ids=str,
)
def test_what_is_not_identical_here_and_now_is_left_out(other):
    """Planted, changed, dead and loaded units, those of other machines and of other rulers make no floor."""
    strange = [unit(number, wall=1.0, **other) for number in range(8, 16)]

    assert noise_floor.floors([*strange, *drawn(8)], machine_id="here") == noise_floor.floors(
        drawn(8), machine_id="here"
    )


def test_the_machine_is_that_of_the_last_unit():
    """Without a machine's id, units of the one that ran last count."""
    elsewhere = drawn(5, machine={"id": "elsewhere"}, started="2026-11-30T12:00:00+00:00")
    (floor,) = noise_floor.floors([*elsewhere, *drawn(8)])

    assert floor.units == 5


def test_a_load_has_a_floor_of_its_own():
    """Units beside a load are asked for by its name."""
    (floor,) = noise_floor.floors([*drawn(8), *drawn(6, load="0.5 core")], machine_id="here", load="0.5 core")

    assert (floor.units, floor.load) == (6, "0.5 core")
    assert "beside a load of 0.5 core" in noise_floor.notes([floor])[0]


def test_a_unit_takes_as_long_as_one_that_starts_its_processes():
    """Later units of a pair do not count for seconds; planted first ones only where there is no other."""
    firsts = [unit(number, planted=True, seconds=13.0) for number in range(8)]
    later = drawn(8, seconds=5.0)
    (floor,) = noise_floor.floors([*firsts, *later])
    (mixed,) = noise_floor.floors([*firsts, *later, unit(9, seconds=11.0)])

    assert (floor.unit_seconds, mixed.unit_seconds) == (13.0, 11.0)


def test_three_pairs_are_too_few():
    """Below four units there is no figure, and the reason stands below the table."""
    (floor,) = noise_floor.floors(drawn(3))

    assert (floor.wall_deviation, noise_floor.findable(floor, 1200.0), noise_floor.threshold(floor)) == (
        None,
        None,
        None,
    )
    assert floor.reason == "3 of the 4 identical pairs that a floor needs at least"
    assert noise_floor.notes([floor]) == [f"{PIPELINE.id}: n/a, {floor.reason}"]


def test_an_alarm_among_identical_pairs_is_told():
    """Where one side is favoured, the comparisons that called it different are counted, and the remedy is named."""
    (floor,) = noise_floor.floors(drawn(48, mean=0.05))

    assert (floor.series, floor.alarms) == (2, 2)
    assert "called different in 2 of 2 comparisons" in noise_floor.notes([floor])[-2]
    assert "python -m bench doctor" in noise_floor.notes([floor])[-1]


def test_an_accelerator_is_not_judged_by_cpu_seconds():
    """Where CPU seconds alone differ, a step on the CPU alarms and one on a GPU does not."""
    on_gpu = dataclasses.replace(STEP, device="gpu")
    walls = [0.012, -0.008] * 4
    units = [unit(number, wall=wall, cpu=0.1 + 0.001 * number, cell=STEP) for number, wall in enumerate(walls)]
    there = [dataclasses.replace(one, cell=on_gpu.id, base={**one.base, "cell": on_gpu.to_json()}) for one in units]
    there = [dataclasses.replace(one, candidate=one.base) for one in there]
    (cpu, gpu) = noise_floor.floors([*units, *there])

    assert (cpu.alarms, gpu.alarms) == (1, 0)


def test_a_quiet_floor_needs_no_remedy():
    """Where 5 % is found in 5 minutes and nothing else ran, there is no doubt to tell."""
    assert not any("doctor" in note for note in noise_floor.notes([FLOOR]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"foreign_cpu_share": 0.2}, "others used 20 % of the CPU"),
        ({"wall_deviation": 0.2, "cpu_deviation": 0.2}, "a slowdown of 5 % is not found in 5 minutes"),
        ({"unit_seconds": 200.0}, "a slowdown of 5 % is not found in 5 minutes"),
    ],
)
def test_a_bad_floor_names_its_remedy(change, words):
    """Foreign load and too much noise are told, with what to do."""
    *_, doubt, remedy = noise_floor.notes([dataclasses.replace(FLOOR, **change)])

    assert words in doubt
    assert "python -m bench doctor" in remedy


def test_more_time_finds_less():
    """What can be found shrinks with time, until the last look."""
    found = [noise_floor.findable(FLOOR, seconds) for seconds in (48.0, 72.0, 96.0, 144.0, 192.0, 288.0)]

    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 6
    assert noise_floor.findable(FLOOR, 3600.0) == found[-1]
    assert noise_floor.findable(FLOOR, 47.0) is None


def test_more_noise_hides_more():
    """What can be found grows with the noise of a unit, and with the doubt about it."""
    noisy = dataclasses.replace(FLOOR, wall_deviation=0.04, cpu_deviation=0.02)
    few = dataclasses.replace(FLOOR, units=8)

    for floor in (noisy, few):
        assert noise_floor.findable(floor, 300.0) > noise_floor.findable(FLOOR, 300.0)
        assert noise_floor.findable(floor, 300.0, waiting=True) > noise_floor.findable(FLOOR, 300.0, waiting=True)


def test_the_steadier_clock_finds_work():
    """Extra work is found by the CPU clock before waiting is by the wall clock; on an accelerator there is no such."""
    on_gpu = dataclasses.replace(FLOOR, measured=dataclasses.replace(STEP, device="gpu"))

    assert noise_floor.findable(FLOOR, 300.0) < noise_floor.findable(FLOOR, 300.0, waiting=True)
    assert noise_floor.findable(on_gpu, 300.0) == noise_floor.findable(on_gpu, 300.0, waiting=True)


def test_many_cells_are_harder():
    """The level that cells share makes each find less."""
    assert noise_floor.threshold(FLOOR, cells=20) > noise_floor.threshold(FLOOR) == noise_floor.findable(FLOOR, 300.0)


def test_more_than_tenfold_is_not_looked_for():
    """Noise that hides everything gives no figure."""
    assert detectable.smallest(detectable.Noise(2.0, 2.0), 4) is None


def test_the_limit_covers_the_true_deviation():
    """In 80 % of samples the true deviation lies below the upper limit."""
    draws = np.random.default_rng(3).standard_normal((4000, 8))

    assert (draws.std(axis=1, ddof=1) * detectable.limit(8) > 1).mean() == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("rule", [Rule(), Rule.for_effect(0.02, cells=3), Rule(clocks=("wall",))], ids=str)
@pytest.mark.parametrize("shifts", [(0.03, 0.03), (0.06, 0.0), (-0.02, 0.02)], ids=str)
def test_all_at_once_is_one_after_another(rule, shifts):
    """Followed all at once, comparisons end as `sequential_test.follow` ends each."""
    wall, cpu = detectable.draw(detectable.Noise(0.03, 0.012, 0.4), 16, comparisons=40, seed=5)
    values = {"wall": wall + shifts[0], "cpu": cpu + shifts[1]}
    followed = [
        sequential_test.follow({clock: some[number].tolist() for clock, some in values.items()}, rule)
        for number in range(40)
    ]

    assert detectable.slower(values, rule).tolist() == [one is not None and one.word == "slower" for one in followed]


@pytest.mark.parametrize("waiting", [False, True])
def test_what_is_promised_is_found(waiting):
    """A slowdown of the size that is promised is called slower in 85 to 95 % of fresh comparisons."""
    least = noise_floor.findable(FLOOR, 144.0, waiting=waiting)
    limit = detectable.limit(FLOOR.units)
    draws = detectable.draw(detectable.Noise(limit * 0.02, limit * 0.01), 12, comparisons=500, seed=11)
    wall, cpu = draws[0] + math.log1p(least), draws[1] + (0.0 if waiting else math.log1p(least))
    rule = Rule.for_effect(least)
    words = [
        (
            sequential_test.follow({"wall": one.tolist(), "cpu": other.tolist()}, rule)
            or sequential_test.Verdict(word="", estimates={})
        )
        for one, other in zip(wall, cpu, strict=True)
    ]

    assert 0.85 < sum(one.word == "slower" for one in words) / 500 < 0.95


def test_one_clock_and_one_look_agree_with_the_formula():
    """Where only the first look is allowed, simulation finds what the noncentral t distribution says, within 3 %."""
    from scipy import optimize, stats

    rule = Rule(clocks=("wall",))
    least = detectable.smallest(detectable.Noise(0.01, 0.01), 4, rule=lambda _: rule)
    surely = stats.t.ppf(1 - rule.level / 2, 3)
    known = optimize.brentq(lambda shift: stats.nct.sf(surely, 3, shift * 2 / 0.01) - 0.9, 0.01, 0.5)

    assert math.log1p(least) == pytest.approx(known, rel=0.03)


def test_a_table_fits_80_columns():
    """Long names and the widest figures stand whole in 80 columns."""
    other = dataclasses.replace(FLOOR, measured=dataclasses.replace(STEP, model="mobilenetv2", batch_size=8))
    alone = noise_floor.Floor(measured=PIPELINE, units=2, reason="too few")
    noisy = dataclasses.replace(FLOOR, wall_deviation=0.123, unit_seconds=14.25)
    text = shown([FLOOR, other, alone, noisy])

    assert max(map(len, text.splitlines())) <= 80
    for figure in ("squeezenet b128", "records_parallel", "2.0/1.0", "12/1.0", "14.2 s", "n/a/n/a", "too few"):
        assert figure in text


def test_nothing_is_a_table_too():
    """Without floors there is an empty table and no note."""
    assert "cell" in shown([])
    assert noise_floor.notes([]) == []


def test_markdown_is_a_table():
    """Markdown has one line a cell, with its whole id, and the notes as a list."""
    lines = noise_floor.markdown([FLOOR]).splitlines()

    assert lines[2].startswith(f"| `{STEP.id}` | 24 | 2.0/1.0 | 12.0 s | ")
    assert {line.count("|") for line in lines[:3]} == {8}
    assert lines[4].startswith("- noise: ")


def test_json_is_plain():
    """Every floor is an object of plain values, with what can be found in each time."""
    (row,) = json.loads(json.dumps(noise_floor.to_json([FLOOR]), allow_nan=False))

    assert (row["cell_id"], row["wall_deviation"]) == (STEP.id, 0.02)
    assert [one["seconds"] for one in row["findable"]] == [60.0, 300.0, 1200.0]
    assert row["findable"][1]["work"] == noise_floor.threshold(FLOOR)
