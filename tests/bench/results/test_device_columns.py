"""Columns on the device of a step."""

import json

from bench.results import summary, summary_table

SEEN = {
    "cost": {"gflops": 2.0, "gigabytes": 0.01, "float32_format": "tf32"},
    "accelerator": {"clock_mhz": 1980, "joules_per_image": 0.25, "watts": 350.0, "slowed_by": []},
    "copy_seconds": 0.002,
    "device_peak_bytes": 10**9,
}
KNOWN = {("0123456789ab", "gpu", "tf32"): 3200.0, ("0123456789ab", "gpu", "copy"): 1.0}


def test_rows_of_a_gpu_show_what_is_known_of_it(measured):
    """Memory, copy, clock, energy, utilisation and bound, with what they mean; a failure has none, a CPU no column."""
    figures = summary.by_cell(
        [measured(device="gpu", seen=SEEN), measured(model="convnet", device="gpu", status="oom", reason="too large")]
    )
    (table,) = summary_table.tables(figures, known=KNOWN)
    (plain,) = summary_table.tables(summary.by_cell([measured()]), known=KNOWN)
    row = dict(zip([column.name for column in table.columns], table.texts()[0], strict=True))

    assert [row[name] for name in ("device MB", "copy", "MHz", "J an image")] == ["1,000", "2.00 ms", "1,980", "0.25"]
    assert (row["of peak"], row["bound"]) == ("20.0%", "memory")
    assert table.texts()[1][-2:] == ["", ""]
    assert any(note.startswith("of peak: model FLOP utilisation") for note in table.notes)
    assert [column.name for column in plain.columns][-1] == "MB"


def test_facts_hold_the_same_plain(measured):
    """For programs, under names of their own."""
    figures = summary.by_cell([measured(device="gpu", seen=SEEN)])
    (record,) = json.loads(summary_table.facts(figures, known=KNOWN).json())

    assert (record["peak_utilisation"], record["bound"], record["flops_per_byte"]) == (0.2, "memory", 200.0)
    assert (record["joules_per_image"], record["clock_mhz"], record["copy_seconds"]) == (0.25, 1980, 0.002)
