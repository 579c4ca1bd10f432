"""Demand and supply."""

from dataclasses import replace

import pytest

from bench.input.stall import planner
from bench.input.stall.accelerators import PUBLISHED
from bench.input.stall.stages import Stages
from bench.results import summary

COSTS = {"read": 1e-4, "decode": 4e-4, "augment": 1.0}
STAGES = Stages(
    kind="records",
    image_size=192,
    cpu_seconds={stage: {"median": cost, "low": 0.0, "high": 0.0} for stage, cost in COSTS.items()},
)


@pytest.fixture
def supply():
    """1,000 images/s from 2 busy cores, 192 px."""
    return planner.Supply(
        pipeline="records_parallel", image_size=192, images_per_second=1000, cpu_seconds=0.002, cores=2, images=300
    )


def demand(rate, size=192):
    return planner.Demand(
        model="dense", device="TPU", batch_size=128, image_size=size, images_per_second=rate, origin="published"
    )


def test_supplies_and_demands_come_from_measurements(measured):
    """A pipeline alone supplies, a resident step demands; CPU seconds are of one image."""
    alone = measured(model="none", pipeline="records_parallel", batch_size=32, seconds=(0.032,) * 3)
    summaries = summary.by_cell([alone, measured(model="dense", batch_size=8, seconds=(0.1,) * 3)])
    (supply,) = planner.supplies(summaries)
    (ours, *others) = planner.demands(summaries, PUBLISHED)

    assert supply.images_per_second == pytest.approx(1000)
    assert supply.cpu_seconds == pytest.approx(0.002)
    assert ours.images_per_second == pytest.approx(80)
    assert len(others) == len(PUBLISHED)


def test_supplies_are_of_pipelines_as_they_are(measured):
    """A pipeline of which something is chosen is not what a training reads by."""
    chosen = measured(model="none", pipeline="records_parallel", prefetch=4, seconds=(0.001,) * 3)

    assert planner.supplies(summary.by_cell([chosen])) == []


def test_plan_needs_cores_by_cpu_seconds(supply):
    """3,000 images/s of 2 CPU milliseconds each need 6 cores; a cache is proposed only where it fits."""
    plan = planner.plan(demand(3000), [supply], memory_bytes=10**9, stages={})

    assert plan.cores == pytest.approx(6)
    assert plan.coverage == pytest.approx(1 / 3)
    assert plan.cache_fits
    assert plan.cache_bytes == 300 * 192 * 192 * 3
    assert not planner.plan(demand(3000), [supply], memory_bytes=5 * 10**7, stages={}).cache_fits


def test_smaller_images_are_computed_from_stages(supply):
    """At 128 px decoding takes 4/9: 0.5 becomes 0.278 ms, so 1,000 become 1,800 images/s; nothing is augmented."""
    assert planner.resize(supply, 128, STAGES) == pytest.approx(1000 * 0.5 / (0.1 + 0.4 * 4 / 9))
    assert planner.plan(demand(1700), [supply], memory_bytes=1, stages={"records": STAGES}).image_size == 128
    assert planner.resize(supply, 128, None) is None


def test_serial_pipelines_do_not_scale(supply):
    """A pipeline without parallelism gains nothing from more cores."""
    serial = replace(supply, pipeline="photos_one_by_one")

    assert supply.at(8) == pytest.approx(4000)
    assert serial.at(8) is None
    assert serial.at(2) == 1000


def test_plan_of_another_size_has_no_supply(supply):
    """Records of 192 px feed no model of 331."""
    assert planner.plan(demand(100, size=331), [supply], memory_bytes=1, stages={}).supply is None
