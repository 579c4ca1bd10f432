"""Stores whose lines say anything: every command that reads one shows what it can, or says why not; none fails."""

import json
import random
from pathlib import Path

import pytest

from bench.compare.explain import Explanation
from bench.input.formats.campaign import FormatResult
from bench.input.stall import campaign as stall_campaign
from bench.report import page, tensorboard
from bench.results import summary_table
from bench.training import campaign as training_campaign
from bench.training import outcome
from flowers_core.errors import ReportedError

SEED, STORES, LINES = 16, 5, 25
VALUES = (
    *(None, True, -1, 0, 1, 10**30, -1e308, 1e-320, 0.5, "", "x", "1", "\ud800", "\x1b[2J", "a" * 5000, "2026-13-45"),
    *([], {}, [None], [[]], [-1.0], ["x"], {"": None}, {"name": 1}, {"wall": [0, 0]}, "../../..", "9999-12-31T23:59"),
)


def places(value, path=()):
    """The way to every value in a JSON value."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


def broken(line, draw):
    """A line with a value replaced, a key removed, or bytes changed."""
    if draw.random() < 0.1:
        content = bytearray(line.encode())
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        return bytes(content).replace(b"\n", b" ")
    value = json.loads(line)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        path = draw.choice([path for path in places(value) if path])
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        if isinstance(parent, dict) and draw.random() < 0.2:
            del parent[path[-1]]
        else:
            parent[path[-1]] = json.loads(json.dumps(draw.choice(VALUES)))
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def lines(measured, paired, compared):
    """Whole lines by kind, of results of today and of those that are published."""
    fed = measured(pipeline="records_parallel")
    kept = {
        "measurements": [measured(), measured(model="none", pipeline="records_parallel"), fed],
        "pairs": [paired(1.1), paired(1.1, comparison="peers-1")],
        "formats": [
            FormatResult(
                campaign="1",
                encoding="raw",
                pipeline="records_turbo",
                images_per_second=9.0,
                cpu_seconds=0.1,
                image_bytes=9e4,
                disk={"bytes_per_second": 1e8},
                data={"photos": "synthetic", "cores": 2},
            )
        ],
        "comparisons": [compared(dense="slower", convnet="same")],
        "explanations": [Explanation(cell="dense", base={}, candidate={("forward", "a"): 0.1}).result([paired(1.1)])],
    }
    found = {kind: [json.dumps(result.to_json()) for result in results] for kind, results in kept.items()}
    for folder in (Path(__file__).parents[3] / "results" / "reference").iterdir():
        for path in folder.glob("*.jsonl"):
            found.setdefault(folder.name, []).extend(path.read_text().splitlines()[:6])
    return found


COMMANDS = {
    "page": page.write,
    "markdown": page.markdown,
    **{
        shape: lambda results, shape=shape: summary_table.text(results, everything=True, shape=shape)
        for shape in summary_table.SHAPES
    },
    "stall": lambda results: stall_campaign.load_last(results).plain(),
    "accuracy": lambda results: outcome.summarize(training_campaign.load_latest(results)),
    "tensorboard": tensorboard.write,
}


@pytest.mark.parametrize("number", range(STORES))
def test_no_broken_line_fails_a_command(tmp_path, lines, number):
    """Of any store each command gives something or a sentence."""
    draw, failed = random.Random(SEED + number), {}
    for kind, whole in lines.items():
        broken_lines = [broken(draw.choice(whole), draw) for _ in range(LINES)]
        path = tmp_path / "store" / kind / "lab.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\n".join([*(line.encode() for line in whole[:2]), *broken_lines]))
    for name, command in COMMANDS.items():
        try:
            command(tmp_path / "store")
        except ReportedError:
            pass
        except Exception as error:  # whatever it is, the test should name all commands that fail
            failed[name] = error

    assert failed == {}
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
