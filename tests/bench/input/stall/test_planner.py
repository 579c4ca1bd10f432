"""What is eaten against what is delivered."""

from dataclasses import replace

import pytest

from bench.input.stall import planner, published
from bench.input.stall.stages import Stages
from bench.results import summary

STAGES = Stages(
    kind="records",
    image_size=192,
    cpu_seconds={
        "read": {"median": 1e-4, "low": 0, "high": 0},
        "decode": {"median": 4e-4, "low": 0, "high": 0},
        "augment": {"median": 1.0, "low": 0, "high": 0},
    },
)


@pytest.fixture
def provider():
    """1,000 images/s from 2 busy cores, 192 px."""
    return planner.Provider(
        pipeline="records_parallel", image_size=192, images_per_second=1000, cpu_seconds=0.002, cores=2, images=300
    )


def eater(rate, size=192):
    return planner.Eater(
        model="dense", device="TPU", batch_size=128, image_size=size, images_per_second=rate, origin="published"
    )


def test_providers_and_eaters_come_from_measurements(measured):
    """A pipeline alone delivers, a resident step eats; CPU seconds are of one image."""
    alone = measured(model="none", pipeline="records_parallel", batch_size=32, seconds=(0.032,) * 3)
    summaries = summary.by_cell([alone, measured(model="dense", batch_size=8, seconds=(0.1,) * 3)])
    (delivers,) = planner.providers(summaries)
    (eats, *others) = planner.eaters(summaries, published.CONSUMERS)

    assert delivers.images_per_second == pytest.approx(1000)
    assert delivers.cpu_seconds == pytest.approx(0.002)
    assert eats.images_per_second == pytest.approx(80)
    assert len(others) == len(published.CONSUMERS)


def test_cores_needed_are_cpu_seconds(provider):
    """3,000 images/s of 2 CPU milliseconds each need 6 cores."""
    found = planner.plan(eater(3000), [provider], memory_bytes=10**9, stages={})

    assert found.cores == pytest.approx(6)
    assert found.fed == pytest.approx(1 / 3)
    assert found.cache_fits
    assert found.cache_bytes == 300 * 192 * 192 * 3


def test_a_cache_must_fit(provider):
    """What training would not keep in memory is not proposed."""
    assert not planner.plan(eater(3000), [provider], memory_bytes=5 * 10**7, stages={}).cache_fits


def test_smaller_images_are_computed_from_stages(provider):
    """At 128 px decoding takes 4/9: 0.5 becomes 0.278 ms, so 1,000 become 1,800 images/s; nothing is augmented."""
    assert planner.resized(provider, 128, STAGES) == pytest.approx(1000 * 0.5 / (0.1 + 0.4 * 4 / 9))
    assert planner.plan(eater(1700), [provider], memory_bytes=1, stages={"records": STAGES}).image_size == 128
    assert planner.resized(provider, 128, None) is None


def test_what_works_one_by_one_does_not_scale(provider):
    """A pipeline without parallelism gains nothing from more cores."""
    one_by_one = replace(provider, pipeline="photos_one_by_one")

    assert provider.at(8) == pytest.approx(4000)
    assert one_by_one.at(8) is None
    assert one_by_one.at(2) == 1000


def test_another_size_has_no_provider(provider):
    """Records of 192 px feed no model of 331."""
    assert planner.plan(eater(100, size=331), [provider], memory_bytes=1, stages={}).provider is None
