"""The page: one HTML file with key findings, sections of charts and tables, and the data to download."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.compare import comparison_report
from bench.compare.comparison_result import Comparison
from bench.report import bars, charts, gather, key_findings, sections, svg, two_sets
from bench.report import machines as machines_beside
from bench.report.charts import Chart
from bench.report.gather import Gathered
from bench.report.key_findings import Finding
from bench.report.sections import Section
from bench.report.two_sets import TwoSets
from bench.results import store, summary_table
from bench.results.summary import Summary
from bench.results.table import Table, markdown_code, markdown_text
from flowers_core.errors import InputError

if TYPE_CHECKING:
    from markupsafe import Markup

FOLDER = Path(__file__).parent


def render(gathered: Gathered, shown: Sequence[Section] | None = None, tidy: Table | None = None) -> str:
    """Makes the page: HTML in which every text from outside is escaped.

    Args:
        gathered: What it shows.
        shown: Its sections, where they are made already.
        tidy: Its tidy table likewise.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["code"] = _code
    environment.filters["picture"] = _picture
    environment.filters["bars"] = bars.svg
    shown = sections.sections(gathered) if shown is None else shown
    first, further = _place_findings(gathered, shown)
    swept = gathered.sweeps[0][0].measurement.origin if gathered.sweeps else ""
    return environment.get_template("page.html").render(
        findings=first,
        further=further,
        swept=swept,
        origins=key_findings.origins(first, swept),
        machines=machines(gathered.shown),
        sections=shown,
        specs=_safe([chart.spec for section in shown for chart in section.charts]),
        config=_safe(svg.CONFIG),
        colours=_safe({"ink": svg.INK, "line": svg.LINE}),
        rows=_safe(rows(tidy or _tidy(gathered))),
        into=store.option(gathered.results),
        into_json=_safe(store.option(gathered.results)),
        points=_safe(charts.points(gathered.shown, gathered)),
        left_out=gathered.left_out,
        damaged=gathered.damaged,
        library=svg.library(),
        style=(FOLDER / "page.css").read_text(encoding="utf-8"),
        script=(FOLDER / "page.js").read_text(encoding="utf-8"),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _place_findings(gathered: Gathered, shown: Sequence[Section]) -> tuple[list[Finding], dict[str, list[Finding]]]:
    """The findings of the first screen, and the others by the section that they begin."""
    found, names = key_findings.pictured(gathered), {section.name for section in shown}
    first, further = found[: key_findings.FIRST], dict[str, list[Finding]]()
    for finding in found[key_findings.FIRST :]:
        if finding.section in names:
            further.setdefault(finding.section, []).append(finding)
    return first, further


def _picture(chart: Chart) -> str:
    return svg.svg(chart.spec)


def _code(text: str) -> "Markup":
    """Text with what stands in backticks as code, and all else escaped."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # Markup would escape the tags, too


def _safe(values: object) -> str:
    """JSON that cannot end the <script> it stands in: there only `<` could."""
    return json.dumps(values, allow_nan=False).replace("<", "\\u003c")


def _tidy(gathered: Gathered) -> Table:
    return summary_table.facts(gathered.summaries, known=gathered.peaks)


def rows(tidy: Table) -> dict[str, list]:
    """The tidy table as the page holds it: `columns` and `data`, a list a row, so that names stand there once.

    Columns in which nothing stands are left out.
    """
    records = tidy.records()
    names = [name for name in (records[0] if records else ()) if any(record[name] is not None for record in records)]
    data = [[_short(record[name]) for name in names] for record in records]
    return {"columns": names, "data": data} if records else {}


def _short(value: object) -> object:
    """Six significant digits: more make the page heavy."""
    return float(f"{value:.6g}") if isinstance(value, float) else value


def machines(summaries: Sequence[Summary]) -> list[str]:
    """A line for each machine, software, code and day."""
    return list(summary_table.by_origin(summaries))


def write(results: Path) -> Path:
    """Writes the page of a store, and its tables as Markdown and CSV.

    Returns:
        The page.

    Raises:
        InputError: If the store is empty.
    """
    return write_and_answer(results)[0]


def write_and_answer(results: Path) -> tuple[Path, list[str]]:
    """The same; gives the page and the key findings as well.

    Raises:
        InputError: If the store is empty.
    """
    gathered = gather.gather(results)
    shown, tidy = sections.sections(gathered), _tidy(gathered)
    if not gathered.damaged:
        _check_shows(shown, results)
    if gathered.summaries:
        figures = [*gathered.shown, *gathered.older]
        store.save_table("all.md", summary_table.markdown(figures, known=gathered.peaks), results)
        store.save_table("all.csv", tidy.csv(), results)
    return store.save_page(render(gathered, shown, tidy), results), key_findings.findings(gathered)


def _check_shows(shown: Sequence[Section], results: Path) -> None:
    if not shown:
        raise InputError(
            f"The store must hold something to show. Received: {results}, with nothing measured. "
            f"Run `make bench`, or give another folder by `--results`"
        )


def markdown(results: Path) -> str:
    """The answer and all tables of a store for a pull request.

    Raises:
        InputError: If the store is empty.
    """
    gathered = gather.gather(results)
    shown = sections.sections(gathered)
    _check_shows(shown, results)
    first, further = _place_findings(gathered, shown)
    lines = [*(f"- {markdown_text(finding.sentence)}" for finding in first), ""]
    for section in shown:
        again = markdown_code(section.command)
        lines += [f"## {section.title}", "", f"{markdown_text(section.sentence)} Measure again: {again}", ""]
        own = [f"- {markdown_text(finding.sentence)}" for finding in further.get(section.name, ())]
        lines += [*own, ""] if own else []
        lines += [table.markdown() for table in section.tables]
        lines += [_comparison(compared, gathered) for compared in gathered.comparisons if section.name == "verdicts"]
        lines += [_machines(sets) for sets in gathered.machines if section.name == "machines"]
        if section.folded:
            folded = [f"{markdown_text(origin)}\n\n{table.markdown()}" for origin, table in section.folded]
            lines += ["<details><summary>more</summary>", "", *folded, "</details>", ""]
    return "\n".join([*lines, *(f"- {markdown_text(machine)}" for machine in machines(gathered.shown))])


def _machines(sets: TwoSets) -> str:
    tables = [table.markdown() for table in (two_sets.differing_table(sets), *sets.tables)]
    return "\n".join([f"{markdown_text(machines_beside.sentence(sets))}", "", *tables])


def _comparison(compared: Comparison, gathered: Gathered) -> str:
    explained = gathered.explanations.get(compared.comparison, [])
    return comparison_report.markdown(compared, [entry.explanation for entry in explained])
