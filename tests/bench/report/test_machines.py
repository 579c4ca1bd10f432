"""Machines beside each other on the page of a store that was merged from theirs."""

import shutil

import pytest

from bench.report import gather, machines, page
from bench.results import store
from bench.results.measurement import Measurement

HOSTILE = "<img src=x onerror=alert(1)>"


def fill(folder, measured, name, cpu, seconds, models=("dense", "convnet"), **cell):
    """A store of one machine: three processes of each model."""
    for model in models:
        for process in range(3):
            times = tuple(seconds + process / 1000 for _ in range(3))
            machine = {"id": name, "host": name, "cpu": cpu}
            store.append(measured(model=model, seconds=times, machine=machine, sweep=name, **cell), folder)
    return folder


@pytest.fixture(scope="module")
def merged(tmp_path_factory, measured):
    """Two machines' stores, copied into one folder, and the first one's a second time."""
    stores = [tmp_path_factory.mktemp(name) for name in "ab"]
    fill(stores[0], measured, "a", "Old CPU", 0.1, ("dense", "convnet", "squeezenet"))
    fill(stores[1], measured, "b", HOSTILE, 0.05)
    folder = tmp_path_factory.mktemp("merged")
    for number, source in enumerate([*stores, stores[0]]):
        (folder / "measurements").mkdir(exist_ok=True)
        for path in (source / "measurements").glob("*.jsonl"):
            shutil.copy(path, folder / "measurements" / f"{number}-{path.name}")
    return folder


def test_merged_stores_are_one_with_both_machines(merged):
    """Each cell of each machine has its three processes, though a store was copied twice."""
    loaded = store.load(Measurement, merged)
    shown = gather.gather(merged).shown

    assert (len(loaded.results), loaded.repeated) == (15, 9)
    assert sorted((figure.measurement.machine["id"], figure.processes) for figure in shown) == [
        *[("a", 3)] * 3,
        *[("b", 3)] * 2,
    ]


def test_machines_are_beside_each_other(merged):
    """What differs is said; cells that both have stand with both times and their ratio; the answer is a sentence."""
    (sets,) = gather.gather(merged).machines
    (table,) = sets.tables

    assert sets.names == ("Old CPU, 2 cores", f"{HOSTILE}, 2 cores")
    assert any("Old CPU" in text for text in sets.differing)
    assert [row[0] for row in table.rows] == ["dense", "convnet"]
    assert list(sets.ratios) == pytest.approx([0.505, 0.505], rel=0.01)
    assert "is 1.98 times as fast, 1.98 to 1.98 over 2 cells" in machines.sentence(sets)


def test_page_has_a_section_of_machines(merged):
    """What differs first, then the times; names from outside are text; as Markdown, too."""
    written, text = page.write(merged).read_text(), page.markdown(merged)
    section = written.split('<section id="machines">')[1].split("</section>")[0]

    assert section.index("times as fast") < section.index("What differs") < section.index("Steps")
    assert 'class="bars"' in section
    assert "<img" not in section
    assert "&lt;img" in text.split("## Machines")[1]


def test_one_machine_has_none_beside_it(tmp_path, measured):
    """Nor has it one without a cell in common; then there is no section."""
    fill(tmp_path, measured, "a", "Old CPU", 0.1, ("dense",))
    fill(tmp_path, measured, "b", "New CPU", 0.1, ("convnet",))

    assert gather.gather(tmp_path).machines == ()


def test_machines_of_one_kind_are_told_apart_by_their_hosts(tmp_path, measured):
    """Two of one make have the same CPU and cores."""
    fill(tmp_path, measured, "a", "A CPU", 0.1)
    fill(tmp_path, measured, "b", "A CPU", 0.2)
    (sets,) = gather.gather(tmp_path).machines

    assert set(sets.names) == {"A CPU, 2 cores (a)", "A CPU, 2 cores (b)"}


def test_devices_of_two_machines_are_beside_each_other(tmp_path, measured):
    """The same steps on a CPU and on another machine's GPU, which is what differs."""
    fill(tmp_path, measured, "a", "A CPU", 0.1)
    fill(tmp_path, measured, "b", "B CPU", 0.01, device="gpu")
    (sets,) = gather.gather(tmp_path).machines

    assert len(sets.ratios) == 2
    assert any("device cpu, gpu" in note or "device gpu, cpu" in note for note in sets.tables[-1].notes)
