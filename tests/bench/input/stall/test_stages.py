"""Costs of stages by prefixes."""

import pytest

from bench.input.stall import stages
from bench.run.data_source import Source


def test_a_stage_is_what_its_prefix_takes_more():
    """Prefixes of 1, 3 and 7 CPU seconds a pass of 10 images have stages of 0.1, 0.2 and 0.4 an image."""
    time = [0.0]
    runs = {
        name: lambda times, seconds=seconds: time.__setitem__(0, time[0] + times * seconds)
        for name, seconds in {"tf.data": 1.0, "read": 3.0, "decode": 7.0}.items()
    }
    costs = stages.differences(runs, images=10, cpu=lambda: time[0])

    assert [costs[name]["median"] for name in runs] == pytest.approx([0.1, 0.2, 0.4])
    assert costs["decode"]["low"] == pytest.approx(costs["decode"]["high"])


def test_other_sizes_are_computed_by_pixels():
    """Half the side is a quarter of the decoding; reading stays, and augmenting is not part of it."""
    costs = {"read": 1.0, "decode": 4.0, "augment": 9.0}
    measured = stages.Stages(
        kind="records", image_size=192, cpu_seconds={name: {"median": cost} for name, cost in costs.items()}
    )

    assert measured.at(192) == pytest.approx(5.0)
    assert measured.at(96) == pytest.approx(2.0)


def test_both_kinds_are_measured_in_a_fresh_process(synthetic_photos, synthetic_records):
    """Every stage has a cost, and together they have one; reading and AUTOTUNE are told."""
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    photos, records = stages.run(("photos", "records"), source, seconds=0.1, timeout=300)

    for kind, measured in (("photos", photos), ("records", records)):
        assert measured.status == "ok", measured.reason
        assert tuple(measured.cpu_seconds) == (stages.OVERHEAD, *stages.STAGES[kind])
        assert sum(cost["median"] for cost in measured.cpu_seconds.values()) > 0
        assert measured.reading["warm"]["wall_seconds"] > 0
        assert ("cold" in measured.reading) or measured.reading["eviction"]["reason"]
        assert stages.Stages.from_json(measured.to_json()) == measured
    assert photos.autotune["photos_one_by_one"] == "AUTOTUNE is off in it"
    assert any(row["setting"] == "buffer_size" for row in records.autotune["records_parallel"])


def test_what_is_not_there_is_na():
    """Without records there is a reason instead of figures."""
    absent = stages.measure("records", Source(), seconds=0.1)

    assert absent.status == "n/a"
    assert "--records" in absent.reason
