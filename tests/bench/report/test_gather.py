"""What the page takes from a store."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.compare import revision
from bench.compare.history import asv_series
from bench.machine import facts
from bench.report import gather, sections
from bench.results import store, summary


def test_latest_figure_of_each_cell_is_shown(measured):
    """Of two codes the later one; another machine or other data is another figure, old code alone an older one."""
    old = [measured(seconds=(0.2,) * 3), measured(seconds=(0.4,) * 3, batch_size=8)]
    new = measured(seconds=(0.1,) * 3, code={"digest": "new"})
    other = measured(seconds=(0.3,) * 3, machine={"id": "other"})
    shown, older = gather.latest(
        summary.group_by_setting([*old, new, other]), lambda entry: entry.code["digest"] == "new"
    )

    assert sorted(figure.batch_seconds for figure in shown) == [0.1, 0.3]
    assert [figure.batch_seconds for figure in older] == [0.4]


def test_current_code_is_shown_though_an_old_commit_was_measured_later(tmp_path, measured):
    """As `asv run` does: the figures of today's code, and of the newer of two commits, not of the last measurement."""
    old, new = list(revision.places())[:2]
    codes = [{"commit": old, "digest": "old"}, {"commit": new, "digest": "new"}, {"digest": facts.code_digest()}]
    for day, (code, seconds) in enumerate(zip(reversed(codes), (0.1, 0.2, 0.4), strict=True), 10):
        for model, sweep in (("dense", "1"), ("convnet", "1"), ("squeezenet", "")):
            done = measured(model=model, code=code, sweep=sweep, seconds=(seconds,) * 3)
            store.append(replace(done, started=f"2026-11-{day}"), tmp_path)
        gathered = gather.gather(tmp_path)

        assert {figure.batch_seconds for figure in gathered.shown} == {0.1}
        assert [figure.cell.model for figure in gathered.sweeps[0]] == ["dense", "convnet"]
        assert {figure.batch_seconds for figure in gathered.sweeps[0]} == {0.1}


@pytest.fixture
def quota(measured):
    """Sweeps of today's code on this machine, without a CPU quota and then under one: seconds by usable cores."""
    now = facts.fingerprint()

    def sweep(cores: float, seconds: float, started: str):
        machine = {"usable_cores": cores, "keras": {"floatx": "float32"}}
        common = {"machine": now | machine, "code": facts.code(), "seconds": (seconds,) * 3, "sweep": started}
        return [replace(measured(model=model, **common), started=started) for model in ("dense", "convnet")]

    return [*sweep(now["usable_cores"], 0.1, "2026-11-24"), *sweep(0.5, 0.4, "2026-11-25")]


def test_a_sweep_of_several_backends_is_one(tmp_path, measured):
    """Keras' backend is the cell's, and no other setting of the machine: the page compares the backends."""
    for backend in ("tensorflow", "jax", "torch"):
        machine = facts.fingerprint() | {"keras": {"backend": backend, "floatx": "float32"}}
        store.append(
            measured(
                model="dense",
                backend=backend,
                xla=backend == "jax",
                machine=machine,
                code=facts.code(),
                sweep="2026-11-27",
            ),
            tmp_path,
        )
    (sweep,) = gather.gather(tmp_path).sweeps

    assert {entry.cell.backend for entry in sweep} == {"tensorflow", "jax", "torch"}


def test_rows_of_other_settings_stay_on_the_page_and_do_not_answer(tmp_path, quota):
    """A later sweep under a quota hides no figure: both are there, and the machine as it is now answers."""
    for stored in quota:
        store.append(stored, tmp_path)
    gathered = gather.gather(tmp_path)

    assert [figure.batch_seconds for figure in gathered.shown] == [0.1, 0.1]
    assert [figure.batch_seconds for figure in gathered.older] == [0.4, 0.4]
    assert [figure.batch_seconds for figure in gathered.charted] == [0.1, 0.1]
    assert [[figure.batch_seconds for figure in sweep] for sweep in gathered.sweeps] == [[0.1, 0.1]]


def test_rows_of_every_backend_are_open(measured):
    """A sweep of two backends is of one day and one code: neither is folded, though they run on other packages."""
    rows = summary.by_cell(measured(**cell) for cell in ({}, {"batch_size": 8}, {"backend": "jax", "xla": True}))
    gathered = replace(gather.gather(Path("nothing")), shown=tuple(rows), charted=tuple(rows))
    (steps,) = (section for section in sections.sections(gathered) if section.name == "steps")

    assert len(steps.tables) == 2
    assert steps.folded == []


def test_another_machine_is_taken_as_it_was_last(measured):
    """What it is now nobody knows: the setting of its last figure answers, the other is folded."""
    rows = [
        replace(measured(machine={"usable_cores": cores}, sweep=day), started=day)
        for cores, day in ((2, "2026-11-24"), (0.5, "2026-11-25"))
    ]
    shown, older = gather.latest(summary.group_by_setting(rows), lambda entry: entry.started)
    sweeps = gather.quiet_sweeps(rows, lambda entry: entry.started)

    assert [figure.measurement.machine["usable_cores"] for figure in shown] == [0.5]
    assert [figure.measurement.machine["usable_cores"] for figure in older] == [2]
    assert [sweep[0].measurement.started for sweep in sweeps] == ["2026-11-25"]


def test_charts_draw_a_figure_a_cell(measured):
    """Of two folders of photos that of most figures; of two machines that of the sentences."""
    few = measured(model="none", pipeline="photos_parallel", seconds=(0.9,) * 3)
    many = [
        replace(measured(model="none", pipeline=name), data={"photos": "many"})
        for name in ("photos_parallel", "photos_turbo")
    ]
    other = [measured(batch_size=size, machine={"id": "other"}) for size in (1, 2, 4, 8)]
    shown = summary.by_cell([*many, replace(few, data={"photos": "few"}), *other])
    swept = gather.choose_charted(shown, [summary.by_cell(many)])

    assert {(figure.cell.pipeline, figure.measurement.data["photos"]) for figure in swept} == {
        ("photos_parallel", "many"),
        ("photos_turbo", "many"),
    }
    assert len(gather.choose_charted(shown, [])) == len(other)


def test_what_asv_measured_of_an_old_commit_is_history(tmp_path, measured, stored):
    """After `asv run OLD^!` tables and sentences show today's code; the old commit is a point of its series alone."""
    commits = list(asv_series.branch_commits())
    old, new = (
        {"commit": commits[0], "digest": "old", "by": "asv"},
        {"commit": commits[-1], "digest": facts.code_digest()},
    )
    for name in ("records_parallel", "records_cached"):
        cell = {"model": "none", "pipeline": name}
        if name == "records_parallel":  # the sweep had no other
            store.append(replace(measured(code=new, sweep="1", **cell), started="2026-11-24"), tmp_path)
        store.append(replace(measured(code=old, seconds=(9.0,) * 3, **cell), started="2026-11-25"), tmp_path)
    benchmark = "input_throughput.InputThroughput.track_image_seconds"
    for commit, seconds in ((commits[0], 9.0), (commits[-1], 0.1)):
        stored(commit, {benchmark: ([["records_parallel"]], [[seconds] * 5])}, variables={})
    gathered = gather.gather(tmp_path)

    assert [(figure.cell.pipeline, figure.batch_seconds) for figure in gathered.shown] == [("records_parallel", 0.1)]
    assert gathered.older == ()
    assert [len(sweep) for sweep in gathered.sweeps] == [1]
    assert [point["value_seconds"] for point in gathered.history["points"]] == [9.0, 0.1]
    assert len(sections.sections(gathered)[-1].charts) == 1


def test_steps_that_were_found_stay_with_what_asv_measured_since(tmp_path, stored):
    """Points are those of asv's files, changes those of `bench regressions`, and its other series stay."""
    commits = list(asv_series.branch_commits())
    stored(commits[-1], {"import_time.ImportTime.track_import_seconds": ([["flowers_core.cli"]], [[0.1] * 5])})
    other = {"series": 1, "commit": commits[0], "value_seconds": 0.1, "position": 0, "subject": "Begin"}
    found = {"series": [{"id": 1}], "points": [other], "changes": [{"series": 1, "state": "confirmed"}]}
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "regressions.json").write_text(json.dumps(found))
    history = gather.gather(tmp_path).history

    assert {point["commit"] for point in history["points"]} == {commits[0], commits[-1]}
    assert history["changes"] == found["changes"]


def test_damaged_files_of_asv_are_told(tmp_path, stored, caplog):
    """The page is written all the same: of what is no JSON asv itself warns."""
    folder = stored("c0ffee", {})
    next((folder / "lab").glob("*-*.json")).write_text("{half")

    assert gather.gather(tmp_path).history is None
    assert "Error parsing JSON" in caplog.text


def test_sentences_are_made_from_one_quiet_sweep(measured):
    """Not from single measurements, not from figures taken while others used the CPU, not from another machine."""
    whole = [measured(sweep="1", batch_size=size, seconds=(0.1,) * 3) for size in (4, 8)]
    busy = replace(measured(sweep="1", batch_size=8, seconds=(0.9,) * 3), foreign_cpu_share=0.5)
    later = measured(sweep="2", batch_size=4, seconds=(0.2,) * 3)
    other = [measured(sweep="1", seconds=(0.3,) * 3, machine={"id": "other"}), measured(batch_size=2)]
    sweeps = gather.quiet_sweeps([*whole, busy, later, *other], lambda entry: entry.started)

    assert [[figure.batch_seconds for figure in sweep] for sweep in sweeps] == [[0.1, 0.1], [0.2]]


def test_verdicts_are_those_that_were_given(tmp_path, paired, compared):
    """What a comparison stored is shown whatever its pairs say, the latest comparison first."""
    for started, word in (("2026-11-24", "slower"), ("2026-11-25", "same")):
        store.append(compared(started=started, dense=word), tmp_path)
    store.append(paired(1.0), tmp_path)
    gathered = gather.gather(tmp_path)

    assert [comparison.cells[0].verdict.word for comparison in gathered.comparisons] == ["same", "slower"]
    assert gathered.undecided == ()


def test_comparison_without_a_verdict_is_not_decided_again(paired, compared):
    """Only its pairs are counted; what was recorded for validation is no comparison."""
    pairs = [paired(1.5, comparison=mark) for mark in ("20261123T100000Z", "20261124T120000Z", "validation-2026")]
    (undecided,) = gather.find_undecided([*pairs, pairs[0]], [compared(dense="same")])

    assert (undecided.comparison, undecided.cells, undecided.pairs) == ("20261123T100000Z", 1, 2)


def test_verdicts_that_only_ever_say_slower_are_told(tmp_path, compared):
    """Eight comparisons of eight changes, all slower: the section says so, with the test that it rests on."""
    for number in range(8):
        told = replace(compared(dense="slower"), base={"digest": f"{number}"}, started=f"2026-11-{10 + number}")
        store.append(told, tmp_path)
    sentence = sections._verdicts(gather.gather(tmp_path)).sentence

    assert "Verdicts are lopsided: of 8 stored comparisons that found a change, 8 said slower" in sentence


def test_empty_store_is_gathered(tmp_path):
    """There is nothing, and nothing is wrong."""
    gathered = gather.gather(tmp_path)

    assert (gathered.summaries, gathered.comparisons, gathered.history, gathered.damaged) == ((), (), None, ())


def test_damaged_lines_of_every_kind_are_told(tmp_path, paired):
    """Not only those of measurements."""
    path = store.append(paired(), tmp_path)
    path.write_text("{half")

    assert gather.gather(tmp_path).damaged[0].startswith("lab.jsonl:1")
