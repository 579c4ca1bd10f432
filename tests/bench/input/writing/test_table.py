"""What writing records took, as a table and on the page."""

from dataclasses import replace

import pytest

from bench.input.writing import table
from bench.input.writing.result import WriteResult, default_threads
from bench.report import sections
from bench.results import store
from bench.results.result import of_last_campaign

DATA = {"photos": "synthetic", "images": 300, "batch_size": 32, "cores": 2, "folders": {"photos": "data/synthetic"}}


@pytest.fixture
def results():
    """Two rounds of two numbers of shards, one of which was not read; and an older command."""

    def result(shards, seconds, **fields):
        values = {"campaign": "2", "threads": 4, "images": 300, "bytes": 6_000_000, "syncs": 2 * shards + 2}
        times = {"write_seconds": (seconds,) * 2, "sync_seconds": (seconds / 10,) * 2, "cpu_seconds": (1.5, 1.5)}
        return WriteResult(shards=shards, data=DATA, file_system="ext4", **values | times | fields)

    return [
        result(1, 9.0, campaign="1"),
        result(16, 0.5, read_images_per_second=4000.0),
        result(1, 1.0, read_images_per_second=2000.0),
        result(16, 0.6, read_images_per_second=4200.0, round=1),
        result(1, 1.0, round=1, status="oom", reason="written, but not read: full"),
    ]


def test_table_is_of_the_last_command(results, terminal):
    """A row for each number of shards: images and megabytes a second, what fsync took, CPU, and reading."""
    last = of_last_campaign(results)
    (drawn,) = table.tables(last)

    assert drawn.title == "Writing records (300 synthetic, 192 px, jpeg444, 2 cores)"
    few, many = drawn.records()
    assert (few["shards"], few["written_images_per_second"], few["megabytes_per_second"]) == (1, 300, 6)
    assert (few["sync_seconds"], few["cpu_image_seconds"], few["read_images_per_second"]) == (0.1, 0.005, 2000)
    assert many["written_images_per_second_low"] == 500
    assert many["read_images_per_second"] == 4100
    assert "shards 1, threads 4: oom: written, but not read: full" in drawn.notes
    assert any("34 calls for 16 shards" in note and "ext4" in drawn.notes[0] for note in drawn.notes)
    assert "300" in terminal(drawn, columns=100)


def test_a_process_that_failed_is_a_row(results):
    """With its status in place of figures."""
    (drawn,) = table.tables([replace(results[1], status="timeout", reason="too slow", write_seconds=())])

    assert drawn.texts()[0] == ["16", "4", "timeout", "", "", "", ""]
    assert "shards 16, threads 4: timeout: too slow" in drawn.notes


def test_command_measures_the_same_again(results):
    """What is not usual is named."""
    assert table.command(of_last_campaign(results)).startswith("python -m bench write --shards 1,16")
    usual = [replace(result, threads=default_threads()) for result in of_last_campaign(results)]
    assert table.command(usual) == "python -m bench write --shards 1,16 --rounds 2"
    other = [replace(result, threads=1, encoding="raw", image_size=224, pipeline="") for result in usual[:1]]
    assert table.command(other).endswith(
        "--shards 16 --threads 1 --image-size 224 --format raw --pipeline none --rounds 1"
    )
    assert "Writing records" in table.markdown(usual)


def test_nothing_makes_no_table():
    """As the page asks."""
    assert table.tables(of_last_campaign([])) == []


def test_page_has_a_section(results):
    """With the origin of its table."""
    section = sections._writing(of_last_campaign(results))

    assert section.tables
    assert len(section.origins) == 1


def test_bench_table_shows_it(results, command_line, tmp_path):
    """Beside the cells, or alone where there is none; of other machines with `--all`."""
    for result in results:
        store.append(result, tmp_path)
    shown = command_line("bench", "table", "--all", "--results", tmp_path)
    markdown = command_line("bench", "table", "--all", "--format", "markdown", "--results", tmp_path)

    assert shown.code == markdown.code == 0
    assert "Writing records (300 synthetic" in shown.out
    assert "### Writing records" in markdown.out
    assert command_line("bench", "table", "--results", tmp_path).code == 2
