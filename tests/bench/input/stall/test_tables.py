"""All that is known of stalls."""

from dataclasses import replace

import pytest

from bench.input.stall import tables, three_runs
from bench.input.stall.accelerators import PUBLISHED
from bench.input.stall.emulate import Emulation
from bench.input.stall.stages import Stages
from bench.results import store
from bench.results.cell import NO_MODEL, Cell


def test_report_joins_verdicts_and_plans(tmp_path, three, terminal):
    """What measurements say becomes tables, Markdown, a drawing of 80 columns and plain values."""
    measurements = three(pipeline=0.3, both=0.3, wait=0.2)
    known = tables.report(measurements, results=tmp_path, stalls=three_runs.group(measurements))
    drawn, text = terminal(*known.tables()), tables.markdown(known.tables(), "Stalls", origin="here", command="again")

    assert "input-bound" in drawn
    assert "input-bound" in text
    assert text.endswith("`again`\n")
    assert {row["kind"] for row in known.plain()} == {"stall", "plan"}
    assert len(known.plans) == 1 + len(PUBLISHED)


def test_plans_are_made_of_the_data_that_was_read_last(tmp_path, three):
    """Smaller photos of another folder were read faster: no model is fed by them, nor their stages' costs scaled."""
    place = three()[0].machine
    small = [replace(entry, started="2026-11-22T12:00:00+00:00") for entry in three(pipeline=0.001)]
    large = [replace(entry, data=entry.data and {**entry.data, "photos": "large"}) for entry in three(pipeline=0.02)]
    other = replace(small[0], cell=Cell(model=NO_MODEL, pipeline="photos_parallel", batch_size=8))
    for data in (small[0].data, large[0].data):
        costs = {"decode": {"median": 0.001}}
        stages = Stages(kind="records", image_size=192, cpu_seconds=costs, data=data, machine=place, started="2026")
        store.append(stages, tmp_path)
    known = tables.report([*large, *small, other], results=tmp_path, stalls=())

    assert [supply.images_per_second for supply in known.supplies] == [pytest.approx(8 / 0.02)]
    assert known.stages["records"].data == large[0].data
    (again,) = tables.report([*large[1:2], *small], results=tmp_path, stalls=()).supplies
    assert again.images_per_second == pytest.approx(8 / 0.001)


def test_last_keeps_the_latest_emulation_of_this_machine(tmp_path, three):
    """One that was run again replaces the older one; another machine's is left out."""
    measurements = three()
    place = measurements[0].machine
    fields = {"workload": PUBLISHED[0], "pipeline": "records_parallel", "status": "n/a"}
    for day, machine in (("2026-01-01", place), ("2026-01-02", place), ("2026-01-03", {**place, "id": "other"})):
        store.append(Emulation(started=day, machine=machine, **fields), tmp_path)
    _, emulations = tables.last(tmp_path, measurements)

    assert [emulation.started for emulation in emulations] == ["2026-01-02"]
