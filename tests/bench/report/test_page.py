"""The page: one file, no network, everything from outside escaped, whatever the store holds."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.input.loaders import registry
from bench.input.loaders.result import LoaderResult
from bench.input.object_store import measure
from bench.report import page
from bench.results import store
from bench.run.peak import Peak
from bench.training import campaign
from bench.training.run import TrainingRun
from flowers_core.errors import InputError

HOSTILE = "<img src=x onerror=alert(1)>"
SMALL_ENOUGH = 4_000_000  # bytes


def embedded(text, name):
    return json.loads(re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def body(text):
    """What a reader sees: all before the data."""
    return text.split('<script id="rows"')[0]


SENT = {
    "round_trips": 3.0,
    "requests": {"read": 2},
    "sent_bytes": {"read": 100},
    "files": 2.0,
    "image_bytes": 10.0,
    "server_cpu_seconds": 0.1,
}


@pytest.fixture
def filled(tmp_path, measured, paired, compared):
    """A small store with something for every section, and hostile names."""
    for batch_size in (4, 8, 16):
        store.append(measured(batch_size=batch_size, seconds=(0.1, 0.11, 0.12)), tmp_path)
    for one in (
        measured(model="none", pipeline="photos_one_by_one"),
        measured(model="none", pipeline="records_parallel", seconds=(0.02, 0.021)),
        measured(model="none", pipeline="records_cached", seconds=(0.001, 0.0011)),
        measured(model="convnet", seconds=(0.05, 0.051)),
        measured(precision="mixed_bfloat16", batch_size=8, seconds=(0.04, 0.05)),
        measured(pipeline="records_parallel"),
        replace(measured(model="vgg16"), trace=TRACE),
        measured(model="convnet", batch_size=16, status="error", reason=HOSTILE),
        measured(machine={"cpu": "<script>alert(2)</script>", "id": "other"}),
    ):
        store.append(one, tmp_path)
    peak = {"float32": {"value": 500.0}}
    store.append(Peak(limits=peak, started="2026", machine={"id": "0123456789ab"}), tmp_path)
    store.append(compared(dense="slower", convnet="same"), tmp_path)
    store.append(paired(1.001, comparison="20261101T120000Z"), tmp_path)
    data = {"images": 10, "photos": HOSTILE, "image_size": 192, "batch_size": 32, "cores": 2}
    for loader_id in list(registry.LOADERS)[:3]:
        store.append(
            LoaderResult(comparison="r", loader=loader_id, rates=(99.0, 101.0), cpu_seconds=(0.01, 0.01), data=data),
            tmp_path,
        )
    for latency in (None, 0.03):
        one = measured(model="none", pipeline="records_parallel", reason="")
        store.append(
            measure.ObjectStoreResult(measurement=one, campaign="c", latency_seconds=latency, **SENT), tmp_path
        )
    rows = tuple(
        {"epoch": n, "val_accuracy": 0.3 * n, "elapsed_seconds": 2.0 * n, "seconds": 1.0, "images_per_second": 10.0}
        for n in (1, 2)
    )
    given = {"settings": {"batch_size": 4}, "history": rows, "images": 10, "machine": {"host": "lab", "cpu": HOSTILE}}
    one = TrainingRun(model="dense", variant="ours", seed=1, campaign="c", status="ok", started="2026-11-24", **given)
    store.append(one, tmp_path)
    (tmp_path / "tables").mkdir(exist_ok=True)
    (tmp_path / "tables" / "regressions.json").write_text(json.dumps(HISTORY))
    return tmp_path


TRACE = {
    "folder": "traces/cell/time",
    "steps": 6,
    "step_seconds": 0.1,
    "our_step_seconds": 0.1,
    "input_share": 0.25,
    "ops": [{"name": HOSTILE, "seconds": 0.1, "share": 1.0}],
}

HISTORY = {
    "series": [{"id": 1, "benchmark": "step_time", "label": "dense", "machine": "lab", "reason": ""}],
    "points": [
        {"series": 1, "commit": f"{n:040x}", "value_seconds": 0.1 + 0.05 * (n > 2), "position": n, "subject": HOSTILE}
        for n in range(5)
    ],
    "changes": [
        {
            "series": 1, "before": f"{2:040x}", "after": f"{3:040x}", "ratio": 1.5, "p": 0.001, "state": "confirmed",
            "commit": f"{3:040x}", "subject": HOSTILE, "reason": "",
        }
    ],
}  # fmt: skip


@pytest.fixture
def made(filled):
    return page.write(filled).read_text()


def test_every_section_is_there(made):
    """What the store holds is shown, in the order of the data's way."""
    assert re.findall(r'<section id="(\w+)">', made) == [
        *(
            "findings",
            "input",
            "loaders",
            "object_store",
            "steps",
            "stall",
            "traces",
            "verdicts",
            "history",
            "training",
        ),
        *("explorer", "data"),
    ]


def test_names_are_escaped(made):
    """What files, frameworks and commits say shows as text, in tables and in pictures."""
    assert "<img" not in body(made) + made.split('<script id="rows"')[1].split("<script>")[0]
    assert "<script>" not in body(made)
    assert "&lt;img src=x onerror=alert(1)&gt;" in body(made)


def test_embedded_data_is_whole_and_cannot_end_its_script(made):
    """Every row of the tidy table stands in the page, and no name in it can break out."""
    rows = embedded(made, "rows")

    assert len(rows["data"]) == 12
    assert sum(row[rows["columns"].index("cpu")] == "<script>alert(2)</script>" for row in rows["data"]) == 1


def test_each_chart_is_a_picture_without_javascript(made):
    """There are as many pictures as descriptions, drawn in the page's own colours."""
    assert body(made).count("<svg") == len(embedded(made, "specs")) >= 9
    assert "currentColor" in made
    names = re.findall(r'<clipPath id="([^"]+)"', body(made))
    assert len(names) == len(set(names))
    assert "#123456" not in body(made)


def test_arithmetic_is_held_against_the_machines_peak(made):
    """A training step of dense at 16 images: its GFLOPs an image by images a second, over the peak."""
    (one,) = (
        point
        for point in embedded(made, "points")
        if (point["model"], point["batch"], point["pipeline"], point["precision"])
        == ("dense", 16, "resident", "float32")
    )

    assert one["GFLOP/s"] == pytest.approx(one["GFLOPs an image"] * one["images/s"], rel=1e-3)
    assert one["% of peak"] == pytest.approx(one["GFLOP/s"] / 5, rel=1e-3)


def test_nothing_is_loaded_from_elsewhere(made):
    """No element of the page has an address, and its policy forbids loading."""
    addresses = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, given: addresses.extend(
        f"{tag} {name}={value}" for name, value in given if name in ("src", "href", "xlink:href", "action", "srcset")
    )
    parser.feed(made)

    assert addresses
    assert [one for one in addresses if "=#" not in one] == []
    assert not re.search(r"@import|url\((?!#)", body(made))
    assert "default-src 'none'" in made


def test_the_page_is_small(made):
    """Library and all."""
    assert len(made.encode()) < SMALL_ENOUGH


def test_an_empty_store_gives_a_page(tmp_path):
    """The page of nothing says what to run."""
    text = page.write(tmp_path).read_text()

    assert "make bench" in text
    assert embedded(text, "rows") == {}


def test_one_measurement_is_enough(tmp_path, measured):
    """A page of a single figure has its table and its chart."""
    store.append(measured(), tmp_path)
    text = page.write(tmp_path).read_text()

    assert 'id="steps"' in text
    assert body(text).count("<svg") == 1


def test_only_failures_are_shown_with_their_reasons(tmp_path, measured):
    """Where nothing was measured there is no chart, and the reason is told."""
    store.append(measured(status="oom", reason="killed at 8 GB"), tmp_path)
    text = page.write(tmp_path).read_text()

    assert "killed at 8 GB" in body(text)
    assert "<svg" not in body(text)


def test_what_cannot_be_read_is_told(tmp_path, measured):
    """Damaged lines, lines of a newer program and a damaged history are on the page."""
    path = store.append(measured(), tmp_path)
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line) + "\n{half\n" + json.dumps({**line, "format": 99}) + "\n")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "regressions.json").write_text('{"points": [')
    text = page.write(tmp_path).read_text()

    assert "lab.jsonl:2" in text
    assert "lab.jsonl:3" in text
    assert "format 99" in text
    assert "regressions.json" in text


def test_twenty_thousand_measurements_make_a_page(tmp_path, measured):
    """It stays under 4 MB, shows the latest, and says how many older ones it leaves out."""
    line = json.dumps(measured(reason="a reason of usual length, such as a framework gives").to_json())
    lines = [
        line.replace('"batch_size": 32', f'"batch_size": {1 + n % 4000}').replace(
            '"digest": "', f'"digest": "{n // 4000}'
        )
        for n in range(20_000)
    ]
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements" / "lab.jsonl").write_text("\n".join(lines) + "\n")
    text = page.write(tmp_path).read_text()

    assert len(text.encode()) < SMALL_ENOUGH
    assert "17000 older ones" in text


def test_tables_are_written_beside_the_page(tmp_path, measured):
    """Markdown and CSV of the same figures."""
    store.append(measured(), tmp_path)
    page.write(tmp_path)

    assert "| dense |" in (tmp_path / "tables" / "all.md").read_text()
    assert "dense" in (tmp_path / "tables" / "all.csv").read_text()


def test_a_pull_request_gets_answers_and_tables(filled):
    """As Markdown: each section, each row with as many columns as its head."""
    text = page.markdown(filled)

    assert text.startswith("- Parallel TFRecords deliver")
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *(
            "## Input",
            "## Loaders",
            "## Object store",
            "## Steps",
            "## Stall",
            "## Traces",
            "## Verdicts",
            "## History",
        ),
        "## Training",
    ]
    assert "| dense |" in text


def test_a_pull_request_of_nothing_is_a_mistake(tmp_path):
    """What to run is said."""
    with pytest.raises(InputError, match="make bench"):
        page.markdown(tmp_path)


def test_the_last_campaign_is_shown(filled):
    """Of trainings, the latest."""
    assert [one.model for one in campaign.load_latest(filled)] == ["dense"]


def test_verdicts_of_feeding_and_the_planner_are_on_the_page(tmp_path, measured):
    """A step that loses half of its speed by waiting is input-bound, and published accelerators are in the plan."""
    data = {"photos": "synthetic", "images": 300, "classes": 5}
    fed = replace(measured(pipeline="records_parallel", seconds=(0.2,) * 3), step_wait_seconds=(0.1,) * 3, data=data)
    for one in (
        replace(measured(model="none", pipeline="records_parallel", seconds=(0.2,) * 3), data=data),
        measured(seconds=(0.1,) * 3),
        fed,
    ):
        store.append(one, tmp_path)
    text, markdown = page.write(tmp_path).read_text(), page.markdown(tmp_path)

    for shown in (body(text), markdown):
        assert "Fed by records_parallel" in shown
        assert "input-bound" in shown
        assert "TPU v2-8" in shown
    assert "| dense b32 | 200 ms | 100 ms | 200 ms | 50 % | 50% | 1.00 | input-bound |" in markdown


def test_verdicts_are_shown_as_they_were_given(filled):
    """A comparison with its words, ratios and commits; an older one without a verdict gets none."""
    text = page.markdown(filled)

    assert "### main v HEAD, 2026-11-24 10:00 UTC" in text
    assert "| dense | **slower** | 1.051 [" in text
    assert "| convnet | same |" in text
    assert "HEAD (deadbeef &lt;b>Candidate&lt;/b>)" in text
    assert "### No verdict stored" in text


def test_loaders_and_a_far_store_have_their_tables(filled):
    """Ours beside others and the limit; a store beside the disk; each with the command that makes them again."""
    text = page.markdown(filled)

    assert "## Loaders" in text
    assert "python -m bench loaders" in text
    assert "## Object store" in text
    assert "30 ms" in text
