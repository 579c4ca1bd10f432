"""The page: one file, no network, everything from outside escaped, whatever the store holds."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bench.compare.explain import Explanation
from bench.input.formats.campaign import FormatResult
from bench.input.loaders import registry
from bench.input.loaders.run import LoaderResult
from bench.input.object_store.measure import ObjectStoreResult
from bench.input.writing.result import WriteResult
from bench.machine import facts
from bench.report import gather, key_findings, page
from bench.report.bars import Bar
from bench.report.key_findings import Finding
from bench.results import store
from bench.results.cell import Cell
from bench.results.peak import Peak
from bench.run.scaling.result import ScalingResult
from bench.training.run import TrainingRun
from flowers_core.errors import InputError

HOSTILE = "<img src=x onerror=alert(1)>"
SMALL_ENOUGH = 4_000_000  # bytes


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

SENT = {"round_trips": 3.0, "requests": {"read": 2}, "sent_bytes": {"read": 100}, "files": 2.0, "image_bytes": 10.0}
EPOCHS = tuple(
    {"epoch": n, "val_accuracy": 0.3 * n, "elapsed_seconds": 2.0 * n, "seconds": 1.0, "images_per_second": 10.0}
    for n in (1, 2)
)
OURS, PEER = (
    {"name": HOSTILE, "commit": HOSTILE, "cell": Cell(model=model, backend="torch", batch_size=16).to_json()}
    for model in ("dense", "torch:dense")
)
PHOTOS = {"images": 10, "photos": HOSTILE, "image_size": 192, "batch_size": 32, "cores": 2}


def embedded(text: str, name: str):
    """The data that a page holds under a name."""
    return json.loads(re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', text, re.DOTALL)[1])


def body(text: str) -> str:
    """What a reader sees: all before the data."""
    return text.split('<script id="rows"')[0]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, measured, paired, compared):
    """A small store with something for every section, and hostile names."""
    results = tmp_path_factory.mktemp("store")
    alone = measured(model="none", pipeline="records_parallel", seconds=(0.02, 0.021), sweep="1")
    training = {"settings": {"batch_size": 4}, "history": EPOCHS, "machine": {"host": "lab", "cpu": HOSTILE}}
    for stored in (
        *(measured(batch_size=batch_size, seconds=(0.1, 0.11, 0.12)) for batch_size in (4, 8, 16)),
        measured(model="none", pipeline="photos_one_by_one", sweep="1"),
        alone,
        measured(model="none", pipeline="records_cached", seconds=(0.001, 0.0011)),
        measured(model="convnet", seconds=(0.05, 0.051)),
        measured(precision="mixed_bfloat16", batch_size=8, seconds=(0.04, 0.05)),
        measured(pipeline="records_parallel"),
        replace(measured(model="vgg16"), trace=TRACE),
        measured(model="convnet", batch_size=16, status="error", reason=HOSTILE),
        measured(machine={"cpu": "<script>alert(2)</script>", "id": "other"}),
        Peak(limits={"float32": {"value": 500.0}}, started="2026", machine={"id": "0123456789ab"}),
        compared(dense="slower", convnet="same"),
        paired(1.001, comparison="20261101T120000Z"),
        *(
            LoaderResult(comparison="r", loader=loader, rates=(99.0, 101.0), cpu_seconds=(0.01, 0.01), data=PHOTOS)
            for loader in list(registry.LOADERS)[:3]
        ),
        *(
            ObjectStoreResult(measurement=alone, campaign="c", latency_seconds=latency, server_cpu_seconds=0.1, **SENT)
            for latency in (None, 0.03)
        ),
        *(
            FormatResult(
                campaign="c",
                encoding=name,
                pipeline=HOSTILE,
                images_per_second=9.0,
                cpu_seconds=0.1,
                image_bytes=9e4,
                data=PHOTOS,
                disk={"reason": HOSTILE},
            )
            for name in ("jpeg444", HOSTILE)
        ),
        *(
            paired(1.5 + 0.01 * number, comparison="peers-1", pair=f"{number}", base=OURS, candidate=PEER)
            for number in range(3)
        ),
        WriteResult(campaign="c", shards=1, threads=2, status="error", reason=HOSTILE, pipeline=HOSTILE, data=PHOTOS),
        *(
            ScalingResult(
                campaign="c",
                cell=Cell(model="dense", batch_size=8 * replicas),
                replicas=replicas,
                step_seconds=(0.1,),
                device=HOSTILE,
                **({"status": "error", "reason": HOSTILE} if replicas > 2 else {}),
            )
            for replicas in (1, 2, 4)
        ),
        TrainingRun(model="dense", variant="ours", seed=1, campaign="c", started="2026-11-24", images=10, **training),
    ):
        store.append(stored, results)
    (results / "tables").mkdir(exist_ok=True)
    (results / "tables" / "regressions.json").write_text(json.dumps(HISTORY))
    return results


def test_markdown_shows_names_as_text(filled):
    """Neither what a pull request gets nor a stored table holds an element or a link that a name brought along."""
    page.write(filled)
    texts = page.markdown(filled), *(path.read_text() for path in (filled / "tables").glob("*.md"))

    for text in texts:
        assert "&lt;img src=x" in text
        assert not re.search(r"<(?!/?(?:details|summary)>)[a-z!]|\x1b", re.sub(r"(`+) ?.*? ?\1", "", text))


@pytest.fixture(scope="module")
def written(filled):
    """The page of that store."""
    return page.write(filled).read_text()


@pytest.fixture(scope="module")
def pull_request(filled):
    """The same as Markdown."""
    return page.markdown(filled)


def test_page_has_every_section(written):
    """What the store holds is shown, in the order in which data flows."""
    assert re.findall(r'<section id="(\w+)">', written) == [
        *("findings", "input", "loaders", "formats", "object_store", "writing", "steps", "peers", "scaling", "stall"),
        *("traces", "verdicts", "history", "training", "explorer", "data"),
    ]


def test_page_escapes_names(written):
    """What files, frameworks and commits say shows as text, in tables and in pictures."""
    assert "<img" not in body(written) + written.split('<script id="rows"')[1].split("<script>")[0]
    assert "<script>" not in body(written)
    assert "&lt;img src=x onerror=alert(1)&gt;" in body(written)


def test_page_holds_its_data_whole(written):
    """Every row of the tidy table stands in the page, and no name in it can end the script around it."""
    rows = embedded(written, "rows")

    assert len(rows["data"]) == 12
    assert sum(row[rows["columns"].index("cpu")] == "<script>alert(2)</script>" for row in rows["data"]) == 1


def test_page_draws_each_chart_without_javascript(written):
    """There are as many pictures as descriptions, drawn in the page's own colours."""
    pictures = body(written).count("<svg") - body(written).count('<svg class="')
    assert pictures == len(embedded(written, "specs")) >= 9
    assert "currentColor" in written
    names = re.findall(r'<clipPath id="([^"]+)"', body(written))
    assert len(names) == len(set(names))
    assert "#123456" not in body(written)


def test_page_holds_arithmetic_against_the_peak_of_the_machine(written):
    """A training step of dense at 16 images: its GFLOPs an image by images a second, over the peak."""
    wanted = {"model": "dense", "batch": 16, "pipeline": "resident", "precision": "float32"}
    (point,) = (point for point in embedded(written, "points") if wanted.items() <= point.items())

    assert point["GFLOP/s"] == pytest.approx(point["GFLOPs an image"] * point["images/s"], rel=1e-3)
    assert point["% of peak"] == pytest.approx(point["GFLOP/s"] / 5, rel=1e-3)


def test_page_loads_nothing_from_elsewhere(written):
    """No element of it has an address but within it, and its policy forbids loading; library and all, it is small."""
    addresses = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: addresses.extend(
        f"{tag} {name}={value}"
        for name, value in attributes
        if name in ("src", "href", "xlink:href", "action", "srcset")
    )
    parser.feed(written)

    assert addresses
    assert [address for address in addresses if "=#" not in address] == []
    assert not re.search(r"@import|url\((?!#)", body(written))
    assert "default-src 'none'" in written
    assert len(written.encode()) < SMALL_ENOUGH


@pytest.mark.parametrize("write", [page.write, page.markdown])
def test_page_of_an_empty_store_is_not_written(tmp_path, write):
    """A store that is not there, as after a typing error, is named with what to run, and none is made."""
    with pytest.raises(InputError, match=r"Received: .*/nope, with nothing measured.*make bench"):
        write(tmp_path / "nope")

    assert list(tmp_path.iterdir()) == []


def test_page_of_one_measurement_is_whole(tmp_path, measured):
    """It has a table and a chart; Markdown and CSV of the same figures lie beside it."""
    store.append(measured(), tmp_path)
    text = page.write(tmp_path).read_text()

    assert 'id="steps"' in text
    assert body(text).count("<svg") == 1
    assert "| dense |" in (tmp_path / "tables" / "all.md").read_text()
    assert "dense" in (tmp_path / "tables" / "all.csv").read_text()


def test_page_of_failures_tells_their_reasons(tmp_path, measured):
    """Where nothing was measured there is no chart."""
    store.append(measured(status="oom", reason="killed at 8 GB"), tmp_path)
    text = page.write(tmp_path).read_text()

    assert "killed at 8 GB" in body(text)
    assert "<svg" not in body(text)


def test_page_tells_what_cannot_be_read(tmp_path, measured):
    """Damaged lines, lines of a newer program and a damaged history."""
    path = store.append(measured(), tmp_path)
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line) + "\n{half\n" + json.dumps({**line, "format": 99}) + "\n")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "regressions.json").write_text('{"points": [')
    text = page.write(tmp_path).read_text()

    assert all(said in text for said in ("lab.jsonl:2", "lab.jsonl:3", "format 99", "regressions.json"))


def test_page_of_many_measurements_stays_small(tmp_path, measured):
    """It shows the latest, and says how many older ones it leaves out."""
    line = json.dumps(measured(reason="a reason of usual length, such as a framework gives").to_json())
    lines = [line.replace('"batch_size": 32', f'"batch_size": {1 + n}') for n in range(gather.MOST_ROWS + 1000)]
    (tmp_path / "measurements").mkdir()
    (tmp_path / "measurements" / "lab.jsonl").write_text("\n".join(lines) + "\n")
    text = page.write(tmp_path).read_text()

    assert len(text.encode()) < SMALL_ENOUGH
    assert "1000 older ones" in text


def test_pull_request_has_findings_and_tables(pull_request):
    """As Markdown: each section with its tables, and the command that measures them again."""
    assert pull_request.startswith("- Parallel TFRecords deliver")
    titles = (
        "Input",
        "Loaders",
        "Formats",
        "Object store",
        "Writing",
        "Steps",
        "Peers",
        "Scaling",
        "Stall",
        "Traces",
        "Verdicts",
        "History",
        "Training",
    )
    assert re.findall("^## (.*)", pull_request, re.MULTILINE) == list(titles)
    assert all(said in pull_request for said in ("| dense |", "python -m bench loaders", "30 ms"))


def test_findings_that_the_first_screen_has_no_room_for_begin_their_sections(filled, monkeypatch):
    """Six are first; the others stand with their pictures where their figures are, if that is on the page."""
    places = (*["input"] * key_findings.FIRST, "formats", "steps", "gone")
    found = [Finding(f"finding {n}", place, (Bar("a", 1.0, f"{n}"),)) for n, place in enumerate(places)]
    monkeypatch.setattr(key_findings, "pictured", lambda _: found)
    text, markdown = page.render(gather.gather(filled)), page.markdown(filled)
    cards = re.findall(r'<ul class="findings">(.*?)</ul>', body(text))

    assert [card.count("<li>") for card in cards] == [6, 1, 1]
    assert re.findall(r'id="(formats|steps)"(?:(?!<section).)*?<p>(finding \d)', text, re.DOTALL) == [
        ("formats", "finding 6"),
        ("steps", "finding 7"),
    ]
    assert "finding 8" not in text
    assert "- finding 5" in markdown.split("## ")[0]
    assert "- finding 6" in markdown.split("## Formats")[1].split("## ")[0]


def test_page_says_where_figures_of_other_runs_come_from(written):
    """Of peers, trainings and their like, beside the origin of the sweep."""
    assert re.search(r"Of other runs: peers \([^<]*commit &lt;img src", body(written))
    assert "Our training steps against plain torch: 1.51 times" in written
    assert "python -m bench peers --model dense --budget 5m" in written


def test_command_of_a_section_names_what_is_a_users_own(tmp_path, measured):
    """No profile holds a user's model or loader: it is measured again by its name, after the profile's cells."""
    digest = "@" + "0" * 8
    store.append(measured(model=f"net:build{digest}"), tmp_path)
    store.append(measured(model="keras.applications:MobileNetV3Small", pipeline="records_parallel"), tmp_path)
    store.append(measured(model="dense"), tmp_path)

    text = page.markdown(tmp_path)

    steps = "sweep --profile full --filter pipeline=resident"
    assert re.search(rf"`python -m bench {steps} [^`]*&& python -m bench {steps} --model net.py:build [^`]*`", text)
    assert re.search(
        r"`python -m bench stall [^`]*&& python -m bench stall --model keras.applications:MobileNetV3Small "
        r"--pipeline records_parallel [^`]*`",
        text,
    )


def test_pull_request_shows_verdicts_as_they_were_given(pull_request):
    """A comparison with its words, ratios and commits; an older one without a verdict gets none."""
    assert "### dense is 5.1 % slower [5.0 %, 5.3 %]; convnet is the same." in pull_request
    assert "- Candidate: HEAD (deadbeef &lt;b>Candidate&lt;/b>)" in pull_request
    assert "| dense | 100 ms | 105 ms | 1.051 [1.050, 1.053] | wall | 4 |" in pull_request
    assert "### No verdict stored" in pull_request


def test_page_has_a_fold_for_each_comparison(tmp_path, paired, compared):
    """The latest is open: its verdict, its picture with a dot a process, what it can find, where the time went."""
    explanation = Explanation(
        cell="dense",
        base={("forward", "wide"): 0.01},
        candidate={("forward", "wide"): 0.015, ("backward", "wide"): 0.02},
    )
    pairs = [paired(1.05 + number / 1000, cell="dense") for number in range(4)]
    older = replace(compared(dense="faster", started="2026-11-20"), comparison="20261120T120000Z")
    for stored in (older, compared(dense="slower"), *pairs, explanation.result(pairs)):
        store.append(stored, tmp_path)
    folds = re.findall(r'<details class="more comparison"(.*?)</details>', page.write(tmp_path).read_text(), re.DOTALL)

    assert [re.match(' id="comparison-(.*?)"( open)?>', fold).groups() for fold in folds] == [
        ("20261124T120000Z", " open"),
        ("20261120T120000Z", None),
    ]
    assert "dense is 5.1 % slower" in folds[0]
    assert len(re.findall(r"M[\d. ]+h0", re.search('class="base" d="(.*?)"', folds[0])[1])) == len(pairs)
    assert "is found in 9 of 10 cases" in folds[0]
    assert "What changed in dense" in folds[0]
    assert "What changed" not in folds[1]
    assert "- Where: dense: 100% of" in page.markdown(tmp_path)


def test_page_shows_stalls_and_the_planner(tmp_path, measured):
    """A step that loses half of its speed by waiting is input-bound, and published accelerators are in the plan."""
    data = {"photos": "synthetic", "images": 300, "classes": 5}
    fed = replace(measured(pipeline="records_parallel", seconds=(0.2,) * 3), step_wait_seconds=(0.1,) * 3, data=data)
    alone = measured(model="none", pipeline="records_parallel", seconds=(0.2,) * 3)
    for measurement in (replace(alone, data=data), measured(seconds=(0.1,) * 3), fed):
        store.append(measurement, tmp_path)
    text, markdown = page.write(tmp_path).read_text(), page.markdown(tmp_path)

    for shown in (body(text), markdown):
        assert all(said in shown for said in ("Fed by records_parallel", "input-bound", "TPU v2-8"))
    assert "| dense b32 | 200 ms | 100 ms | 200 ms | 50 % |" in markdown


def test_page_folds_older_code_and_what_is_not_available(tmp_path, measured):
    """Rows that few want stand behind a line that says how many tables there are; failures do not."""
    for stored in (
        measured(code={"digest": facts.code_digest()}),
        measured(model="convnet", seconds=(0.7,) * 3, code={"digest": "old"}),
        measured(model="vgg16", status="n/a", reason="no such precision", code={"digest": facts.code_digest()}),
        measured(model="mobilenet", status="oom", reason="killed", code={"digest": facts.code_digest()}),
    ):
        store.append(stored, tmp_path)
    shown, _, folded = body(page.write(tmp_path).read_text()).partition("more: older code")

    assert all(said in shown for said in ("<td>dense</td>", "<td>mobilenet</td>"))
    assert all(said in folded for said in ("700 ms", "no such precision"))
    assert "700 ms" not in shown


def test_traces_that_are_there_are_linked(tmp_path, measured):
    """Where TensorBoard shows them, and how it is started."""
    folder = tmp_path / "traces" / "dense" / "20261127"
    (folder / "plugins" / "profile" / "session").mkdir(parents=True)
    store.append(replace(measured(), trace={**TRACE, "folder": str(folder)}), tmp_path)
    written = page.write(tmp_path).read_text(encoding="utf-8")

    assert 'index.html?tool=overview_page&amp;run=traces/dense/20261127/session">dense</a>' in written
    assert "<code>python -m bench tensorboard" in written


def test_notes_show_what_stands_in_backticks_as_code():
    """And all else as text."""
    assert page._code("see `python -m bench doctor` <b>") == "see <code>python -m bench doctor</code> &lt;b&gt;"
