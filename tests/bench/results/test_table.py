"""A table: each form of it, and that nothing in it is taken for markup, a formula or a command."""

import csv
import io
import json
import re

import pytest
from rich.console import Console

from bench.results.table import Column, Interval, Table, page, say

COLUMNS = (
    Column("cell", key="cell_id"),
    Column("time", "time"),
    Column("images/s", "rate", bars=True),
    Column("ratio", "ratio"),
    Column("verdict", "verdict"),
)
TABLE = Table(
    title="Title",
    columns=COLUMNS,
    rows=(
        ("dense", Interval(0.0213, 0.0209, 0.022), 1000.0, Interval(1.05, 1.04, 1.06), "slower"),
        ("convnet", 0.213, 100.0, 1.0, "same"),
        ("vgg16", "oom", None, "", ""),
    ),
    notes=("A note.",),
)
HOSTILE = "<img src=x onerror=alert(1)>|\n[a](http://b) \x1b[31m[bold]"


def drawn(table: Table, columns: int) -> list[str]:
    """Lines of a table on a terminal of so many columns."""
    console = Console(width=columns, record=True, file=io.StringIO())
    table.draw(console)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_values_become_texts_by_kind():
    """Figures have units and intervals, a text stays as it is, and what is missing is n/a."""
    assert TABLE.texts() == [
        ["dense", "21.3 ms [20.9, 22.0]", "1,000", "1.050 [1.040, 1.060]", "slower"],
        ["convnet", "213 ms", "100", "1.000", "same"],
        ["vgg16", "oom", "n/a", "", ""],
    ]
    texts = [Column("x", kind).text(value) for kind, value in (("percent", 0.125), ("bytes", 1e9), ("count", 4096))]
    assert texts == ["12.5%", "1,000", "4,096"]


def test_markdown_aligns_figures_and_marks_changes():
    """Names stand to the left, figures to the right; slower is bold, same is not."""
    assert TABLE.markdown(level=2) == (
        "## Title\n\n"
        "| cell | time | images/s | ratio | verdict |\n"
        "|---|---:|---:|---:|---|\n"
        "| dense | 21.3 ms [20.9, 22.0] | 1,000 | 1.050 [1.040, 1.060] | **slower** |\n"
        "| convnet | 213 ms | 100 | 1.000 | same |\n"
        "| vgg16 | oom | n/a |  |  |\n"
        "\n- A note.\n"
    )


def test_html_carries_values_and_bars():
    """A script sorts by plain values; bars start at a power of ten, the fastest has the full one, no figure none."""
    shown = TABLE.html()

    assert '<td class="figure" data-value="0.0213">21.3 ms [20.9, 22.0]</td>' in shown
    assert '<td data-verdict="slower">slower</td>' in shown
    assert [width.split("%")[0] for width in shown.split("width:")[1:]] == ["100.0", "50.0"]
    assert shown.count('<td class="rate">') == 3


def test_csv_and_json_hold_plain_values():
    """An interval is three columns; keys stand for headings where they are given."""
    (row, *_) = csv.DictReader(io.StringIO(TABLE.csv()))

    assert (row["cell_id"], row["time"], row["time_low"], row["time_high"]) == ("dense", "0.0213", "0.0209", "0.022")
    assert json.loads(TABLE.json())[2] == {
        "cell_id": "vgg16", "time": "oom", "time_low": None, "time_high": None, "images/s": None,
        "ratio": "", "ratio_low": None, "ratio_high": None, "verdict": "",
    }  # fmt: skip


def test_markdown_is_not_fooled():
    """A bar makes no column, a line feed no row, an element and a link show as text."""
    table = Table(columns=(Column("a"),), rows=((HOSTILE,),), notes=(HOSTILE,))

    assert table.markdown().splitlines() == [
        "| a |", "|---|",
        "| &lt;img src=x onerror=alert(1)>\\| [a]\\(http://b) \ufffd[31m[bold] |", "",
        "- &lt;img src=x onerror=alert(1)>\\| [a]\\(http://b) \ufffd[31m[bold]",
    ]  # fmt: skip


def test_page_is_not_fooled():
    """Neither are its title, its lines and the command, which shows as it is whatever marks it holds."""
    table = Table(columns=(Column("a"),), rows=((HOSTILE,),), title=HOSTILE)
    text = page(HOSTILE, [table], HOSTILE, "[a]: http://b", command=f"measure --photos '{HOSTILE}`` `'")

    assert len(text.splitlines()) == 11
    shown = "<img src=x onerror=alert(1)>| [a](http://b) \ufffd[31m[bold]"
    assert text.splitlines()[-1] == f"- ``` measure --photos '{shown}`` `' ```"
    assert "<img" not in "\n".join(text.splitlines()[:-1])
    assert not re.search(r"\x1b|\]\(|\]:", "\n".join(text.splitlines()[:-1]))


def test_say_is_not_fooled():
    """A line is printed as it is: no markup, no emoji, no escape sequence."""
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    say(console, f"{HOSTILE} :smile: \u202e")

    assert console.file.getvalue() == "<img src=x onerror=alert(1)>|\n[a](http://b) \ufffd[31m[bold] :smile: \ufffd\n"


def test_html_is_not_fooled():
    """Headings, texts and verdicts are escaped."""
    table = Table(columns=(Column(HOSTILE), Column("verdict", "verdict")), rows=((HOSTILE, '"><script>'),))

    assert "<img" not in table.html()
    assert "<script" not in table.html()


def test_terminal_is_not_fooled():
    """Neither rich's markup nor an escape sequence is obeyed, in title, cell or note."""
    text = "[bold]x[/bold] :smile: \x1b[31m"
    shown = drawn(Table(title=text, columns=(Column("a"),), rows=((text,),), notes=(text,)), 80)

    assert sum("[bold]x[/bold] :smile: \ufffd[31m" in line for line in shown) == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx"])
def test_spreadsheet_is_not_fooled(text):
    """A text that a spreadsheet would run is quoted; a negative number stays a number."""
    table = Table(columns=(Column("a"), Column("b", "ratio")), rows=((text, -1.5),))

    assert list(csv.reader(io.StringIO(table.csv())))[1] == [f"'{text}", "-1.5"]


def test_margins_go_before_a_text_is_broken():
    """A table that is too wide with its margins, and not without them, is whole."""
    columns = (Column("model"), Column("a", "rate", whole=True), Column("b", "rate"))
    table = Table(title="Title", columns=columns, rows=(("one b8", "1.00", "2.00"),) * 2)

    assert any(" one b8  1.00  2.00" in line for line in drawn(table, 80))
    assert "one b8 1.00 2.00" in drawn(table, 17)


def test_names_are_not_broken_where_figures_can_be():
    """A table that is too wide for the terminal breaks intervals, which have spaces, not the name of a model."""
    columns = (Column("model"), *(Column(name, "rate") for name in "abc"))
    rows = (("dense_single", *[Interval(0.387, 0.355, 0.420)] * 3),)

    lines = drawn(Table(columns=columns, rows=rows), 40)
    assert any(line.startswith("dense_single ") for line in lines)
    assert max(map(len, lines)) <= 40


def test_column_below_another_saves_width():
    """A terminal shows it under the other's text; Markdown shows both side by side."""
    columns = (Column("cell"), Column("step", below="cell"), Column("ratio", "ratio"))
    table = Table(columns=columns, rows=(("a", "b", 1.0),))

    assert [line.split() for line in drawn(table, 80) if line.strip()][-2:] == [["a", "1.000"], ["b"]]
    assert "| cell | step | ratio |" in table.markdown()


@pytest.mark.parametrize("columns", [200, 60])
def test_draw_is_what_rich_draws(columns, monkeypatch):
    """Tables that fit are drawn without rich's layout, by the character and the colour as it would draw them."""

    def draw():
        console = Console(width=columns, file=io.StringIO(), force_terminal=True)
        TABLE.draw(console)
        return console.file.getvalue()

    ours = draw()
    monkeypatch.setattr(Table, "_draw_simple", lambda *_: False)
    theirs = draw()

    assert re.sub(r"\x1b\[[\d;]*m", "", ours) == re.sub(r"\x1b\[[\d;]*m", "", theirs)
    styled = re.compile(r"\x1b\[([1-9][\d;]*)m *([^\x1b\s]+)")
    assert styled.findall(ours) == styled.findall(theirs)
