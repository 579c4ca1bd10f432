"""The page in a real browser, without a network: nothing is asked for, nothing fails, charts and tables answer."""

import pytest
from PIL import Image

from bench.report import gather, key_findings, page
from bench.report.bars import Bar
from bench.report.key_findings import Finding
from bench.report.sections import COMMANDS, Section
from bench.results import store

HOSTILE = "<img src=x onerror=alert(1)>"
PATIENCE = 300_000  # milliseconds: a machine may be busy
UNFOLD = "document.querySelectorAll('details').forEach(fold => { fold.open = true; })"


@pytest.fixture(scope="module")
def address(tmp_path_factory, measured):
    """A page with charts of two kinds and a table that is worth sorting."""
    results = tmp_path_factory.mktemp("store")
    for number, model in enumerate(
        ("dense", "convnet", "convnet_gap", "squeezenet", "dense_single", "squeezenet_small", "mobilenet")
    ):
        store.append(measured(model=model, seconds=(0.1 + 0.31 * number,) * 3, sweep="1"), results)
    for batch_size in (8, 128):
        store.append(measured(batch_size=batch_size, seconds=(0.05,) * 3, sweep="1"), results)
    store.append(measured(model="none", pipeline="records_parallel", machine={"cpu": HOSTILE}), results)
    store.append(measured(machine={"id": "with less memory"}, seconds=(9.0,) * 3), results)
    return f"file://{page.write(results)}"


@pytest.fixture
def opened(browser, address):
    """Opens the page: `opened(width=390, scheme="dark")` gives it with its messages and its requests."""
    contexts = []

    def go(*, width=1100, scheme="light", javascript=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=javascript
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        shown = context.new_page()
        messages, requests = [], []
        shown.on("console", lambda message: messages.append(message.text))
        shown.on("pageerror", lambda error: messages.append(str(error)))
        shown.on("dialog", lambda dialog: messages.append(dialog.message))
        shown.on("request", lambda request: requests.append(request.url))
        shown.goto(address)
        if javascript:
            shown.wait_for_selector("html[data-drawn]")
        return shown, messages, requests

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page_in_browser(browser, address):
    """The page, opened once for tests that leave it as they found it."""
    context = browser.new_context(viewport={"width": 1100, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE)
    shown = context.new_page()
    shown.goto(address)
    shown.wait_for_selector("html[data-drawn]")
    shown.evaluate(UNFOLD)
    shown.wait_for_selector("html[data-drawn='5']")
    yield shown
    context.close()


def test_page_asks_for_nothing_and_fails_nowhere(opened, address):
    """One request, the file itself; no message on the console; every chart that is not folded was drawn anew."""
    shown, messages, requests = opened()

    assert requests == [address]
    assert messages == []
    charts = "[...document.querySelectorAll('figure .chart')]"
    drawn = shown.evaluate(f"{charts}.filter(chart => !chart.closest('details:not([open])')).length")
    assert int(shown.get_attribute("html", "data-drawn")) == drawn == 3
    assert shown.locator("figure svg:not(.bars)").count() == 5


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (390, "dark")])
def test_page_fits_every_width_in_light_and_dark(opened, tmp_path, width, scheme):
    """Nothing sticks out at the side, and paper and ink are apart in dark and in light."""
    shown, _, _ = opened(width=width, scheme=scheme)
    shown.screenshot(path=tmp_path / "shot.png")
    with Image.open(tmp_path / "shot.png") as shot:
        corner = shot.convert("L").getpixel((2, 2))

    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert (corner > 200) == (scheme == "light")


def test_findings_fit_on_one_screen(browser, tmp_path, monkeypatch):
    """Six of the longest with the longest pictures, below links to every section, on a laptop's screen."""
    bars = tuple(Bar(f"model {number}", number, "1.23") for number in range(20))
    found = [Finding("word " * 38, "steps", bars, "commit c0ffee00; 2026-11-27")] * 8
    monkeypatch.setattr(key_findings, "pictured", lambda _: found)
    sections = [Section(name=name, title=name.title(), sentence="") for name in (*COMMANDS, "formats", "peers")]
    path = tmp_path / "page.html"
    path.write_text(page.render(gather.gather(tmp_path), sections), encoding="utf-8")
    shown = browser.new_page(viewport={"width": 1280, "height": 800})
    shown.goto(f"file://{path}")
    box = shown.locator("#findings .findings").bounding_box()
    cards = shown.locator("#findings .findings li").count()
    shown.close()

    assert cards == key_findings.FIRST
    assert box["y"] + box["height"] <= 800


def test_heading_sorts_by_value(page_in_browser):
    """By what is meant, not by its letters: 100 ms comes before 1.96 s; by keyboard as well."""
    shown = page_in_browser
    table = shown.locator("#steps table").first
    names = lambda: table.locator("tbody tr td:first-child").all_inner_texts()  # noqa: E731
    table.get_by_role("button", name="time a step").press("Enter")
    ascending = names()
    table.get_by_role("button", name="time a step").click()

    assert ascending[0].startswith("dense")
    assert ascending[-2:] == ["mobilenet", "dense"]  # that of the other machine takes 9 s
    assert names()[:2] == ["dense", "mobilenet"]
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("time a step")


def test_field_filters_rows(page_in_browser):
    """Only rows with the word stay."""
    shown = page_in_browser
    shown.locator("#steps input.filter").first.fill("convnet")
    visible = shown.locator("#steps table").first.locator("tbody tr:visible").count()
    shown.locator("#steps input.filter").first.fill("")

    assert visible == 2


def test_chart_answers_to_hovering(page_in_browser):
    """Its figures appear beside the pointer."""
    shown = page_in_browser
    shown.locator("#steps figure svg path[aria-roledescription=bar]").first.hover()
    shown.wait_for_selector("#vg-tooltip-element.visible")

    assert "images/s" in shown.locator("#vg-tooltip-element").inner_text()


def test_explorer_puts_any_axis_against_any(opened):
    """The reader's choice of rows, columns and metric makes another table and chart; of one batch size and machine."""
    shown, messages, _ = opened()
    shown.evaluate(UNFOLD)
    pivoted = shown.locator("#pivoted").inner_text()
    sizes = shown.locator("#pivot select[name=batch]").input_value()
    shown.locator("#pivot select[name=columns]").select_option("batch")
    shown.locator("#pivot select[name=metric]").select_option("ms a step")
    heads = shown.locator("#pivoted thead th").all_inner_texts()
    shown.locator("#plot select[name=across]").select_option("batch")
    shown.wait_for_function("document.querySelector('#plotted').textContent.includes('batch (log)')")

    assert heads == ["ms a step by model (host lab (1))", "8", "32", "128"]
    assert "images/s by model (host lab (1))" in pivoted
    assert "median of" not in pivoted
    assert sizes == "32"
    assert messages == []


def test_data_can_be_saved(page_in_browser):
    """As CSV, every row of it, names from outside as they are."""
    shown = page_in_browser
    with shown.expect_download() as waited:
        shown.get_by_role("button", name="Save as CSV").click()
    text = waited.value.path().read_text()

    assert len(text.splitlines()) == 12
    assert HOSTILE in text


def test_page_prints_what_matters(opened):
    """Headings stay, what needs a hand does not; black on white and with its bars, from dark mode, too."""
    shown, _, _ = opened(scheme="dark")
    shown.emulate_media(media="print")
    colour = "selector => getComputedStyle(document.querySelector(selector)).color"
    printed = "getComputedStyle(document.querySelector('.bar')).printColorAdjust"

    assert {shown.evaluate(colour, place) for place in ("h1", "figure svg text")} == {"rgb(29, 35, 39)"}
    assert shown.locator("figure svg text").first.get_attribute("fill") == "currentColor"
    assert shown.evaluate(printed) == "exact"
    assert shown.locator("#steps th").first.get_by_text("model").is_visible()
    assert shown.locator("svg").first.is_visible()
    assert not shown.locator("#explorer").is_visible()
    assert not shown.locator("input.filter").first.is_visible()


def test_page_is_readable_without_javascript(opened):
    """Answers, tables and pictures are there."""
    shown, _, _ = opened(javascript=False)

    assert shown.locator("#findings > ul > li").count() >= 1
    assert shown.locator("#steps tbody tr").count() == 10
    assert shown.locator("figure svg:not(.bars)").count() == 5


def test_page_unfolds_for_paper_and_for_links(opened):
    """What is folded is printed, and folded again; a link into a section opens it."""
    shown, _, _ = opened()
    folded = shown.locator("details:not([open])").count()
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = shown.locator("details:not([open])").count()
    shown.evaluate("dispatchEvent(new Event('afterprint'))")
    again = shown.locator("details:not([open])").count()
    shown.evaluate("location.hash = '#explorer'")
    shown.wait_for_selector("#explorer details[open]")

    assert folded == again > 0
    assert printed == 0


def test_command_can_be_copied(opened):
    """Each command that reproduces figures has a button."""
    shown, _, _ = opened()

    assert shown.locator(".again button.copy").count() == shown.locator(".again code").count() > 0
