"""All that is known of feeding."""

import io

from rich.console import Console

from bench.input.stall import published, tables, three_runs
from bench.input.stall.emulate import Emulated
from bench.results import store


def test_verdicts_plans_and_emulations_are_one_account(tmp_path, three):
    """What measurements say becomes tables, Markdown, a drawing of 80 columns and plain values."""
    measurements = three(pipeline=0.3, both=0.3, wait=0.2)
    found = tables.of(measurements, results=tmp_path, trios=three_runs.trios(measurements))
    views = found.views()
    console = Console(width=80, record=True, file=io.StringIO())
    tables.draw(views, console)
    drawn, text = console.export_text(), tables.markdown(views, "Feeding", place="here", command="again")

    assert max(map(len, drawn.splitlines())) <= 80
    assert "input-bound" in drawn
    assert "input-bound" in text
    assert text.endswith("`again`\n")
    assert {row["kind"] for row in found.plain()} == {"stall", "plan"}
    assert len(found.plans) == 1 + len(published.CONSUMERS)


def test_the_latest_emulation_of_each_is_shown(tmp_path, three):
    """One that was run again replaces the older one; another machine's is left out."""
    measurements = three()
    place = measurements[0].machine
    consumer = published.CONSUMERS[0]
    for day, machine in (("2026-01-01", place), ("2026-01-02", place), ("2026-01-03", {**place, "id": "other"})):
        store.append(
            Emulated(consumer=consumer, pipeline="records_parallel", status="n/a", started=day, machine=machine),
            tmp_path,
        )
    _, emulations = tables.last(tmp_path, measurements)

    assert [one.started for one in emulations] == ["2026-01-02"]
