"""All that is known of stalls."""

from bench.input.stall import tables, three_runs
from bench.input.stall.accelerators import PUBLISHED
from bench.input.stall.emulate import Emulation
from bench.results import store


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


def test_last_keeps_the_latest_emulation_of_this_machine(tmp_path, three):
    """One that was run again replaces the older one; another machine's is left out."""
    measurements = three()
    place = measurements[0].machine
    fields = {"workload": PUBLISHED[0], "pipeline": "records_parallel", "status": "n/a"}
    for day, machine in (("2026-01-01", place), ("2026-01-02", place), ("2026-01-03", {**place, "id": "other"})):
        store.append(Emulation(started=day, machine=machine, **fields), tmp_path)
    _, emulations = tables.last(tmp_path, measurements)

    assert [emulation.started for emulation in emulations] == ["2026-01-02"]
