"""Costs of stages as a user reads them."""

from bench.input.stall import stage_table
from bench.input.stall.stages import Stages

COST = {"median": 1e-4, "low": 9e-5, "high": 2e-4}
READ = {"wall_seconds": 1e-4, "low": 1e-4, "high": 1e-4, "cpu_seconds": 1e-4}


def measured(**fields):
    given = dict(
        kind="records",
        image_size=192,
        images=256,
        rounds=7,
        cpu_seconds={"tf.data": COST, "read": COST, "decode": {**COST, "median": 3e-4}},
        reading={"warm": READ, "cold": READ, "eviction": {"before": 1.0, "after": 0.0, "reason": ""}},
        autotune={
            "records_parallel": [
                {"stage": "Prefetch", "setting": "buffer_size", "value": 2.0, "chosen": True},
                {"stage": "Interleave", "setting": "deterministic", "value": 0.0, "chosen": False},
            ],
            "records_sequential": "AUTOTUNE is off in it",
        },
        data={"images": 300, "photos": "synthetic"},
    )
    return Stages(**{**given, **fields})


def test_costs_come_with_their_share():
    """Decoding is three fifths of what three stages cost."""
    costs, *_ = stage_table.tables([measured()])

    assert costs.rows[2] == ("decode", "300 µs", "90 µs", "200 µs", "60%", "by pixels")
    assert costs.rows[-1][:2] == ("all", "500 µs")


def test_a_negative_cost_is_explained():
    """What comes out below 0 is not hidden."""
    costs, *_ = stage_table.tables([measured(cpu_seconds={"read": COST, "batch": {**COST, "median": -1e-5}})])

    assert any("below 0: batch" in note for note in costs.notes)


def test_chosen_settings_are_shown_or_their_absence_explained():
    """Only what AUTOTUNE may change is its choice."""
    *_, chosen = stage_table.tables([measured()])

    assert chosen.rows[0] == ("records_parallel", "Prefetch buffer_size 2")
    assert chosen.rows[1] == ("records_sequential", "n/a: AUTOTUNE is off in it")


def test_an_impossible_cold_read_is_na():
    """The row stays, with the reason below."""
    eviction = {"before": 1.0, "after": 1.0, "reason": "100% of the pages stay in memory"}
    _, reading, _ = stage_table.tables([measured(reading={"warm": READ, "eviction": eviction})])

    assert reading.rows[0][:2] == ("cold", "n/a")
    assert "pages stay" in reading.notes[0]


def test_absent_data_is_a_sentence():
    """A kind that is not there makes no table."""
    absent = Stages(kind="photos", status="n/a", reason="give --photos")

    assert stage_table.tables([absent]) == []
    assert stage_table.absent([absent]) == ["photos: n/a: give --photos"]
