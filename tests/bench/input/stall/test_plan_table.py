"""Plans, what-ifs and emulations as a user reads them."""

from dataclasses import replace

from bench.input.stall import plan_table, planner
from bench.input.stall.accelerators import PUBLISHED
from bench.input.stall.emulate import Emulation

SUPPLY = planner.Supply(
    pipeline="records_parallel", image_size=192, images_per_second=1000, cpu_seconds=0.002, cores=2, images=300
)


def planned(rate, **fields):
    demand = planner.Demand(
        model="convnet_gap", device="TPU v2-8", batch_size=128, image_size=192, images_per_second=rate,
        origin="published",
    )  # fmt: skip
    return replace(planner.plan(demand, [SUPPLY], memory_bytes=10**9, stages={}), **fields)


def emulated(**fields):
    return Emulation(**{"workload": PUBLISHED[0], "pipeline": "records_parallel", **fields})


def test_advice_names_cores_cache_and_size():
    """Demand that is not met gets every remedy that there is."""
    assert plan_table.advice(planned(500)) == "met 2.0x, 1.0 cores"
    assert plan_table.advice(planned(4000, image_size=96)) == "met to 25%: 8.0 such cores or a cache, 0.033 GB or 96 px"
    assert "faster cores" in plan_table.advice(
        planned(4000, cache_fits=False, supply=replace(SUPPLY, pipeline="photos_one_by_one"))
    )


def test_plan_labels_published_figures():
    """Nobody measured them here."""
    table = plan_table.plan([planned(500)], cores=2)

    assert any("not measured here" in note for note in table.notes)


def test_what_if_computes_cores_from_what_was_measured():
    """Twice the cores deliver twice as much, and the table is called computed."""
    table = plan_table.what_if([SUPPLY])

    assert table.rows[0][:4] == ("records_parallel", "500", "1,000", "2,000")
    assert "computed" in table.title


def test_emulated_rows_say_that_they_are():
    """Name, utilisation and the threshold of 90 % stand in the row; the source of the step time below."""
    slow = emulated(compute_seconds=0.8, total_seconds=1.0, wait_seconds=(0.2,), images_per_second=900.0)
    fast = emulated(compute_seconds=0.9, total_seconds=1.0, wait_seconds=(0.1,), images_per_second=1000.0)
    table = plan_table.emulated_accelerators([slow, fast, emulated(status="n/a", reason="no records")])

    assert [row[0] for row in table.rows] == ["emulated TPU v2-8"] * 3
    assert [row[-2:] for row in table.rows] == [(0.8, "no"), (0.9, "yes"), ("", "")]
    assert any(PUBLISHED[0].source in note for note in table.notes)
    assert any("n/a: no records" in note for note in table.notes)


def test_plain_tells_plans_from_emulations():
    """A program sees which is which."""
    rows = plan_table.plain([planned(500)], [emulated(compute_seconds=0.9, total_seconds=1.0)])

    assert [row["kind"] for row in rows] == ["plan", "emulated"]
    assert rows[1]["utilisation"] == 0.9
