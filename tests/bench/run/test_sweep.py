"""A sweep: order, budget, resumption, with measuring replaced by a fake and time by a fake clock."""

import dataclasses

import pytest

from bench.input.stall import three_runs
from bench.machine import facts
from bench.results import store
from bench.results.cell import Cell
from bench.results.measurement import Measurement
from bench.run import sweep
from bench.run.data_source import Source
from flowers_core.errors import InputError

CELLS = [Cell(model="dense"), Cell(model="convnet"), Cell(model="squeezenet")]


def begun(cells, results, rounds=1):
    return sweep.start(sweep.Sweep(cells=tuple(cells), rounds=rounds), results)


@pytest.fixture
def planned(tmp_path):
    """A sweep of three cells, two rounds."""
    return begun(CELLS, tmp_path, rounds=2)


class FakeLab:
    """Measures at once, and moves its clock by what a process would have taken."""

    def __init__(self, measured, seconds=10.0, fail=()):
        self.now, self.measured, self.seconds, self.fail, self.jobs = 0.0, measured, seconds, fail, []

    def clock(self):
        return self.now

    def measure(self, job, *, timeout, memory_bytes):
        self.jobs.append((job.cell, timeout, memory_bytes))
        self.now += min(self.seconds, timeout)
        status = "timeout" if self.seconds > timeout else "oom" if job.cell in self.fail else "ok"
        return dataclasses.replace(
            self.measured(status=status, **job.cell.to_json()), process_seconds=self.seconds,
            machine={"id": facts.hardware_id(), "host": "lab"},
        )  # fmt: skip


def run(planned, results, lab, **limits):
    return list(sweep.run(planned, results, limits=sweep.Limits(**limits), now=lab.clock, measure=lab.measure))


def test_run_goes_round_by_round(tmp_path, planned, measured):
    """All cells are measured once before any is measured again."""
    lab = FakeLab(measured)
    run(planned, tmp_path, lab)

    assert [cell for cell, _, _ in lab.jobs] == CELLS * 2


def test_run_says_na_of_what_a_pipeline_does_not_take(tmp_path, measured):
    """Without a process, with the reason."""
    lab, pipeline = FakeLab(measured), {"model": "none", "pipeline": "records_turbo"}
    planned = begun([Cell(**pipeline, augment=True), Cell(**pipeline, prefetch=1)], tmp_path)
    (_, refused), (_, taken) = run(planned, tmp_path, lab)

    assert (refused.status, taken.status) == ("n/a", "ok")
    assert "its decode workers make whole batches" in refused.reason
    assert [cell for cell, *_ in lab.jobs] == [planned.cells[1]]


def test_run_stores_each_measurement_at_once(tmp_path, planned, measured):
    """What was finished is in the store while the sweep still runs."""
    lab = FakeLab(measured)
    counts = [
        len(store.load(Measurement, tmp_path).results)
        for _ in sweep.run(planned, tmp_path, limits=sweep.Limits(), now=lab.clock, measure=lab.measure)
    ]

    assert counts == [1, 2, 3, 4, 5, 6]


def test_resume_measures_only_what_is_left(tmp_path, planned, measured):
    """A sweep that ended early goes on where it was: nothing is lost, nothing repeated."""
    lab = FakeLab(measured)
    running = sweep.run(planned, tmp_path, limits=sweep.Limits(), now=lab.clock, measure=lab.measure)
    for _ in range(4):
        next(running)
    running.close()
    run(sweep.resume(tmp_path), tmp_path, lab)
    stored = store.load(Measurement, tmp_path).results

    assert sorted((measurement.round, measurement.cell.id) for measurement in stored) == sorted(
        (number, cell.id) for number in range(2) for cell in CELLS
    )


def test_resume_gives_the_same_sweep(tmp_path, planned):
    """Cells, rounds, effort and source come back as they were."""
    assert sweep.resume(tmp_path) == planned


def test_pending_repeats_what_an_old_sweep_measured(tmp_path, planned, measured):
    """Only `--resume` skips: a new sweep is new evidence."""
    lab = FakeLab(measured)
    run(planned, tmp_path, lab)
    again = begun(CELLS, tmp_path)

    assert len(sweep.pending(again, store.load(Measurement, tmp_path).results)) == 3


def test_resume_refuses_other_code(tmp_path, planned, monkeypatch):
    """Half a sweep of one program and half of another would be no sweep."""
    assert planned.code == facts.code_digest()
    monkeypatch.setattr(facts, "code_digest", lambda: "another")

    with pytest.raises(InputError, match="has changed"):
        sweep.resume(tmp_path)


def test_run_keeps_its_budget(tmp_path, planned, measured):
    """Cells that are not expected to fit are left out, and the sweep ends in time."""
    lab = FakeLab(measured, seconds=10.0)
    done = run(planned, tmp_path, lab, budget_seconds=35)

    assert lab.now <= 35
    assert [one is not None for _, one in done] == [True, True, True, False, False, False]


def test_run_leaves_out_all_backends_of_a_step(tmp_path, measured):
    """A budget that has room for two of three backends measures none: half a comparison says nothing."""
    cells = [
        Cell(model=name).on(backend) for name in ("dense", "convnet") for backend in ("tensorflow", "jax", "torch")
    ]
    lab = FakeLab(measured, seconds=10.0)
    done = run(begun(cells, tmp_path), tmp_path, lab, budget_seconds=55)

    assert [entry is not None for _, entry in done] == [True, True, True, False, False, False]


def test_run_ends_a_process_with_the_budget(tmp_path, planned, measured):
    """No process is given more time than the budget has left."""
    lab = FakeLab(measured, seconds=10.0)
    run(planned, tmp_path, lab, budget_seconds=35, timeout_seconds=600)

    assert [timeout for _, timeout, _ in lab.jobs] == [35, 25, 15]


def test_run_skips_larger_batches_of_what_ran_out_of_memory(tmp_path, measured):
    """They get their reason without a process; smaller batches and other models are tried."""
    small, large, other = Cell(model="dense", batch_size=8), Cell(model="dense", batch_size=64), Cell(model="convnet")
    planned = begun([small, large, other], tmp_path)
    lab = FakeLab(measured, fail=[small])
    done = dict(run(planned, tmp_path, lab))

    assert [cell for cell, _, _ in lab.jobs] == [small, other]
    assert done[large].status == "n/a"
    assert "a batch of 8 of it ran out of memory" in done[large].reason


def test_run_leaves_what_the_budget_ended_for_later(tmp_path, planned, measured):
    """It is not filed as a timeout of its own: `--resume` tries it again."""
    lab = FakeLab(measured, seconds=20.0)
    done = run(planned, tmp_path, lab, budget_seconds=15)

    assert done == [(cell, None) for cell in CELLS * 2]
    assert store.load(Measurement, tmp_path).results == ()


def test_run_of_a_single_cell_leaves_the_last_sweep_alone(tmp_path, planned, measured):
    """What `measure` does can stand between a sweep and its resumption."""
    lab = FakeLab(measured)
    run(sweep.Sweep(cells=(Cell(model="xception"),)), tmp_path, lab)

    assert sweep.resume(tmp_path) == planned
    assert store.load(Measurement, tmp_path).results[0].sweep == ""


@pytest.mark.parametrize("damage", [{"rounds": 10**30}, {"rounds": "2"}, {"cells": [1]}, {"effort": None}])
def test_resume_says_that_a_plan_is_damaged(tmp_path, planned, damage):
    """A plan with a value of another type, or of more rounds than anybody runs, is refused before it is unrolled."""
    store.save_plan({**dataclasses.asdict(planned), **damage}, tmp_path)

    with pytest.raises(InputError, match="damaged"):
        sweep.resume(tmp_path)


@pytest.mark.parametrize(
    ("images", "size", "message"),
    [
        (10, 8, ["10 photos fill no batch of the profile: they are measured in batches of 8"]),
        (1, 1, ["1 photos fill no batch of the profile: they are measured in batches of 1"]),
        (32, 32, []),
        (1000, 32, []),
    ],
)
def test_fit_batches_follows_few_images(monkeypatch, images, size, message):
    """Where photos are fewer than a batch of the profile the pipelines are measured in smaller ones, and it says so."""
    monkeypatch.setattr(Source, "describe", lambda *_: {"images": images})
    resident, reading, told = Cell(model="dense"), Cell(model="none", pipeline="photos_parallel"), []
    fitting = sweep.fit_batches([resident, reading], Source(), tell=told.append)

    assert fitting == [resident, dataclasses.replace(reading, batch_size=size)]
    assert told == message


def test_resume_reads_folders_in_the_home_that_the_plan_does_not_name(tmp_path, monkeypatch):
    """The plan of a sweep lies among published results."""
    monkeypatch.setenv("HOME", "/home/flora")
    planned = sweep.Sweep(cells=tuple(CELLS), source=Source(photos="/home/flora/photos", records="/data/records"))
    started = sweep.start(planned, tmp_path)

    assert "flora" not in (tmp_path / "measurements" / "sweep.json").read_text()
    assert sweep.resume(tmp_path) == started


@pytest.mark.parametrize("pipeline", ["photos_parallel", "records_parallel"])
def test_check_says_that_data_is_missing(pipeline):
    """A pipeline without a folder to read is an error before anything is measured."""
    with pytest.raises(InputError, match="FOLDER"):
        sweep.check([Cell(model="none", pipeline=pipeline)], Source())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_size": 224}, "224"),
        ({"batch_size": 21}, "at most 20"),
        ({"model": "xception", "image_size": 32}, "xception"),
    ],
)
def test_check_says_what_does_not_fit(change, said, synthetic_records):
    """Records of another size, a batch larger than all images, images too small: no process is started for them."""
    cell = Cell(**{"model": "none", "pipeline": "records_parallel", "batch_size": 4, **change})

    with pytest.raises(InputError, match=said):
        sweep.check([cell], Source(records=str(synthetic_records)))


def test_check_needs_no_data_for_resident_cells():
    """A step on a resident batch reads nothing."""
    sweep.check(CELLS, Source())


FED = Cell(model="dense_single", pipeline="records_parallel", batch_size=4, image_size=32)


def test_run_gives_a_stall_one_model(tmp_path, twelve_classes, measured):
    """Pipeline alone, step alone and both are measured with the classes of the data."""
    jobs = []

    def measure(job, **_):
        jobs.append(job)
        return measured(**job.cell.to_json())

    planned = sweep.Sweep(cells=tuple(three_runs.cells([FED])), source=twelve_classes)
    list(sweep.run(planned, tmp_path, limits=sweep.Limits(), measure=measure))

    assert [(job.cell.pipeline, job.classes) for job in jobs] == [
        ("records_parallel", 12),
        ("resident", 12),
        ("records_parallel", 12),
    ]


def test_check_refuses_photos_and_records_of_other_classes(twelve_classes, synthetic_photos):
    """One step alone cannot be compared with both."""
    source = dataclasses.replace(twelve_classes, photos=str(synthetic_photos))
    both = [FED, dataclasses.replace(FED, pipeline="photos_parallel")]
    sweep.check(both[:1], source)

    with pytest.raises(InputError, match="as many classes"):
        sweep.check(both, source)


def test_classes_are_the_usual_ones_without_data(twelve_classes, synthetic_photos):
    """What is there counts if it agrees; no data, data in a bucket and folders that are none give 5."""
    mixed = dataclasses.replace(twelve_classes, photos=str(synthetic_photos))

    assert twelve_classes.classes(CELLS) == 12
    assert [
        source.classes(CELLS) for source in (Source(), mixed, Source(photos="/none"), Source(records="gs://b/r"))
    ] == [
        5,
        5,
        5,
        5,
    ]
