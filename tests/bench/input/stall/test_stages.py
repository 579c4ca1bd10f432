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
    costs = stages.differences(runs, images=10, rounds=7, cpu=lambda: time[0])

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


@pytest.mark.parametrize("kind", ["photos", "records"])
def test_measure_gives_costs_reads_and_settings(kind, synthetic_photos, synthetic_records, monkeypatch):
    """Every stage has a cost, and together they have one; reading and AUTOTUNE are part of the result."""
    monkeypatch.setattr(stages, "ROUNDS", 3)
    monkeypatch.setattr(stages, "LEAST_SECONDS", 0.001)
    source = Source(photos=str(synthetic_photos), records=str(synthetic_records))
    measured = stages.measure(kind, source, seconds=0.05)

    assert measured.status == "ok", measured.reason
    assert tuple(measured.cpu_seconds) == (stages.OVERHEAD, *stages.STAGES[kind])
    assert sum(cost["median"] for cost in measured.cpu_seconds.values()) > 0
    assert measured.reading["warm"]["wall_seconds"] > 0
    assert ("cold" in measured.reading) or measured.reading["eviction"]["reason"]
    assert stages.Stages.from_json(measured.to_json()) == measured
    serial = {"photos": "photos_one_by_one", "records": "records_sequential"}[kind]
    assert measured.autotune[serial] == "AUTOTUNE is off in it"
    assert any(row["setting"] == "buffer_size" for row in measured.autotune[f"{kind}_parallel"])


def test_run_answers_from_a_fresh_process():
    """What is missing is n/a with the reason, for each kind, before a framework is loaded."""
    missing = list(stages.run(("photos", "records"), Source(), seconds=0.1, timeout=120))

    assert [(absent.kind, absent.status) for absent in missing] == [("photos", "n/a"), ("records", "n/a")]
    assert "--records" in missing[1].reason
    assert all(absent.machine["id"] for absent in missing)
