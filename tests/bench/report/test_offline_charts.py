"""The stand-in for Google Charts in a real browser: its tables count as Google's do, and charts are drawn."""

import pytest

from bench.report import offline_profile

TABLE = """
const table = google.visualization.arrayToDataTable([
  ["step", "compute", "input"], ["a", 3, 1], ["b", 1, null], ["a", 2, 4]]);
"""
KINDS = (
    "AreaChart",
    "BarChart",
    "ColumnChart",
    "ComboChart",
    "LineChart",
    "PieChart",
    "ScatterChart",
    "SteppedAreaChart",
)


@pytest.fixture(scope="module")
def run(browser):
    """Runs a script on an empty page that has the stand-in; gives what it returns."""
    page = browser.new_page(offline=True)
    page.set_content("<div id=place style='width:600px;height:300px'></div>")
    page.add_script_tag(content=offline_profile.stand_in().decode())
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    yield lambda script: page.evaluate(f"() => {{ {TABLE} const place = document.querySelector('#place'); {script} }}")
    page.close()
    assert errors == []


@pytest.mark.parametrize(
    ("pattern", "number", "text"),
    [
        ("##.#%", 0.12345, "12.3%"),
        ("##.#%", 0, "0%"),
        ("###.####", 1469.60001, "1469.6"),
        ("###.####ms", 2.5, "2.5ms"),
        ("###.###'%'", 12.3456, "12.346%"),
        ("#,##0.00", 1234.5, "1,234.50"),
        ("percent", 0.2, "20%"),
    ],
)
def test_number_formats_follow_patterns(run, pattern, number, text):
    """Those that XProf uses."""
    assert run(f"return new google.visualization.NumberFormat({{pattern: {pattern!r}}}).formatValue({number})") == text


def test_format_has_two_digits_without_a_pattern(run):
    """As Google's; with other digits where asked for."""
    format_both = (
        "[{}, {fractionDigits: 0}].map((given) => new google.visualization.NumberFormat(given).formatValue(1234.567))"
    )

    assert run(f"return {format_both}") == ["1,234.57", "1,235"]


def test_groups_are_summed_and_sorted(run):
    """In the order of their keys; what is missing counts for nothing."""
    script = """
      const { group, sum } = google.visualization.data;
      const summed = [1, 2].map((column) => ({ column, aggregation: sum, type: "number" }));
      const grouped = group(table, [0], summed);
      return JSON.parse(grouped.toJSON()).rows.map(({ c }) => c.map(({ v }) => v));
    """

    assert run(script) == [["a", 5, 5], ["b", 1, 0]]


def test_view_shows_chosen_rows_and_columns(run):
    """Filtered, in another order, and with what is calculated; the table below stays as it is."""
    script = """
      const view = new google.visualization.DataView(table);
      view.setRows(view.getFilteredRows([{ column: 1, minValue: 2 }]));
      view.setColumns([2, { calc: (data, row) => data.getValue(row, 1) * 10, type: "number", label: "ten times" }]);
      const copy = view.toDataTable();
      copy.sort([{ column: 1, desc: false }]);
      const calculated = [copy.getValue(0, 1), copy.getValue(1, 1), copy.getColumnLabel(1)];
      return [...calculated, table.getNumberOfRows(), view.getTableRowIndex(1)];
    """

    assert run(script) == [20, 30, "ten times", 3, 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", ["{}", "{isStacked: 'percent', legend: {position: 'top'}, title: 'T'}"])
def test_each_kind_of_chart_is_drawn(run, kind, options):
    """With marks inside its place; when it is ready it says so."""
    script = f"""
      const chart = new google.visualization.{kind}(place);
      chart.draw(table, {options});
      const box = place.getBoundingClientRect();
      const marks = [...place.querySelectorAll("svg :is(path, circle, rect):not(clipPath rect)")];
      const inside = marks.every((mark) => {{
        const {{ left, right, top, bottom }} = mark.getBoundingClientRect();
        return left >= box.left - 5 && right <= box.right + 5 && top >= box.top - 5 && bottom <= box.bottom + 5;
      }});
      const {{ addListener }} = google.visualization.events;
      return new Promise((done) => addListener(chart, "ready", () => done([marks.length, inside])));
    """
    marks, inside = run(script)

    assert marks >= 2
    assert inside


def test_chart_without_rows_says_so(run):
    """In place of an empty frame."""
    script = """
      new google.visualization.LineChart(place).draw(new google.visualization.DataTable());
      return place.textContent;
    """

    assert run(script) == "No data"


def test_names_from_a_trace_run_no_script(run):
    """Markup of XProf's cells stays, scripts and handlers in it do not."""
    script = """
      const link = "<a href='/x'>link</a><img src=x onerror=alert(1)>";
      const evil = "<a href='javascript:alert(1)' onclick='alert(2)'>y</a>";
      const cells = google.visualization.arrayToDataTable([["name"], [link], [evil]]);
      new google.visualization.Table(place).draw(cells, { allowHtml: true });
      const links = [...place.querySelectorAll("a")].map((link) => [link.getAttribute("href"), link.onclick]);
      return [place.querySelectorAll("img").length, links];
    """

    assert run(script) == [0, [["/x", None], [None, None]]]


def test_table_has_pages_and_sorts(run):
    """A heading sorts all rows, not those of the page alone."""
    script = """
      const long = google.visualization.arrayToDataTable([["n"], ...[...Array(25).keys()].map((n) => [n])]);
      new google.visualization.Table(place).draw(long, { page: "enable", pageSize: 10 });
      const first = () => place.querySelector("tbody td").textContent;
      const before = [first(), place.querySelectorAll("tbody tr").length];
      place.querySelector("th").click();
      place.querySelector("th").click();
      const sorted = first();
      place.querySelector("button[title='Next page']").click();
      return [...before, sorted, first()];
    """

    assert run(script) == ["0", 10, "24", "14"]
