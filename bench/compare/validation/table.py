"""A proof as words: Markdown for `results/tables/`, plain values for JSON, the terminal at 80 columns."""

from collections.abc import Iterable

from bench.compare.validation import other_tests, proof_words
from bench.compare.validation.error_rates import Proof, Row
from bench.results import format, table

HEADLINE = ("beside", "in the candidate", "`--min-effect`", "counted", "drawn comparisons", "wanted",
            "one after another", "minutes", "asv compare", "Mann-Whitney")  # fmt: skip
SHOWN = ("in the candidate", "find", "share [95 %]", "minutes", "asv", "M.-W.")
PLANTED = ("cell", "in the candidate", "units", "wall clock", "CPU clock", "wall sd", "CPU sd", "others' CPU")
JUDGED = ("cell", "in the candidate", "`--min-effect`", "slower", "faster", "same", "inconclusive", "hits over halves",
          "hits one after another", "units", "minutes")  # fmt: skip


def to_json(proof: Proof) -> dict:
    """Plain values."""
    return {
        "together": [row.to_json() for row in proof.together],
        "cells": [row.to_json() for row in proof.rows],
        "fresh": [one.to_json() for one in proof.fresh],
        "units": len(proof.units),
        "left_out": proof.left_out,
        "died": proof.died,
        "machine": proof.units[-1].machine,
    }


def markdown(proof: Proof) -> str:
    """The whole table: what matters first, then each cell, then what the figures are made of."""
    parts = [
        "# Is the verdict right?\n",
        "Real extra work and waiting were planted in one of two identical programs. How often does a comparison find "
        "it, and how often does it cry wolf where nothing was planted? Beside it stands what asv's rule and a test "
        "over all timings would have said of the very same records.\n",
        "## In all\n",
        *(f"- {proof_words.fresh_line(one)}" for one in proof.fresh),
        "",
        _grid(HEADLINE, [headline(row) for row in proof.together], right=6),
        "## What was planted, as the clocks saw it\n",
        _by_load(proof.rows, PLANTED, planted, finest=False),
        "## Verdicts, cell by cell\n",
        _by_load(proof.rows, JUDGED, judged),
        "## What others say of the same comparisons: slower / faster\n",
        _by_load(
            proof.rows, ("cell", "in the candidate", "this rule", *other_tests.NAMES.values()), others, finest=False
        ),
        "## Notes\n",
        *(f"- {note}" for note in proof_words.notes(proof)),
        "",
    ]
    return "\n".join(parts)


def _by_load(rows: Iterable[Row], columns: tuple[str, ...], told, *, finest: bool = True) -> str:
    """A grid for each load; without `finest` those rows are left out that only repeat a plant by a finer rule."""
    loads: dict[str, list[Row]] = {}
    for row in rows:
        if finest or row.find == 0.05:
            loads.setdefault(row.load, []).append(row)
    return "\n".join(
        f"### {'Beside a load: ' + load if load else 'Nothing beside on purpose'}\n\n"
        + _grid(columns, [told(row) for row in some], right=len(columns) - 2)
        for load, some in loads.items()
    )


def _grid(columns: tuple[str, ...], rows: list[tuple[str, ...]], *, right: int) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) - right) + "---:|" * right]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows), ""])


def headline(row: Row) -> tuple[str, ...]:
    """What matters of a row."""
    return (
        proof_words.beside(row),
        proof_words.plant(row),
        proof_words.percent(row.find, 0),
        "false alarms" if row.kind == "none" else "found",
        proof_words.share(*row.hit(row.words)) + "*" * bool(row.warning),
        proof_words.wanted(row),
        proof_words.counted(*row.hit(row.apart)),
        f"{row.spent['minutes'][0]:.1f}",
        proof_words.rival(row, "asv"),
        proof_words.rival(row, "mann_whitney"),
    )


def planted(row: Row) -> tuple[str, ...]:
    """What a plant really did."""
    units = f"{row.units}" if row.units == row.pairs else f"{row.units} of {row.pairs} pairs"
    if not row.effects:
        return (f"`{row.cell}`", proof_words.plant(row), units, *[format.ABSENT] * 5)
    wall, cpu = row.effects["wall"], row.effects["cpu"]
    return (
        f"`{row.cell}`",
        proof_words.plant(row),
        units,
        proof_words.effect(wall),
        proof_words.effect(cpu),
        proof_words.percent(wall.deviation),
        proof_words.percent(cpu.deviation),
        format.ABSENT if row.foreign_cpu_share is None else proof_words.percent(row.foreign_cpu_share),
    )


def judged(row: Row) -> tuple[str, ...]:
    """What the rule says of a plant in a cell."""
    named = (f"`{row.cell}`", proof_words.plant(row), proof_words.percent(row.find, 0))
    if not row.words:
        return (*named, *[format.ABSENT] * 8)
    total = sum(row.words.values())
    low_high = row.half_shares and "[{:.1f}, {:.1f}] %".format(*(100 * end for end in row.half_shares))
    return (
        *named,
        *(proof_words.share(row.words.get(word, 0), total) for word in ("slower", "faster", "same", "inconclusive")),
        low_high or format.ABSENT,
        proof_words.counted(*row.hit(row.apart)),
        "{:.0f} (p95 {:.0f})".format(*row.spent["units"]),
        "{:.1f} (p95 {:.1f})".format(*row.spent["minutes"]),
    )


def others(row: Row) -> tuple[str, ...]:
    """What rivals say of it."""
    said = [row.words, *(row.rivals.get(name, {}) for name in other_tests.NAMES)]
    cells = (
        " / ".join(proof_words.percent(words.get(word, 0) / sum(words.values())) for word in ("slower", "faster"))
        if words
        else format.ABSENT
        for words in said
    )
    return f"`{row.cell}`", proof_words.plant(row), *cells


def show(proof: Proof, console) -> None:
    """Draws what matters on a rich console; fits 80 columns."""
    for load in dict.fromkeys(row.load for row in proof.together):
        rows = [row for row in proof.together if row.load == load]
        title, told = f"Alarms where nothing was planted, else slowdowns found ({_among(rows)})", []
        for row in rows:
            _, _, find, _, share, _, _, minutes, *said = headline(row)
            told.append((proof_words.plant(row), find, share, minutes, *said))
        table.draw(title, SHOWN, told, console, left=SHOWN[:1], whole=SHOWN)
    lines = (*map(proof_words.fresh_line, proof.fresh), *proof_words.notes(proof)[:3])
    table.say((line.replace("**", "") for line in lines), console)


def _among(rows: list[Row]) -> str:
    """Beside what the rows of one load were recorded, in words."""
    return ", ".join(dict.fromkeys(map(proof_words.beside, rows)))
