"""Runs of TensorBoard: what they are called, their columns, their curves."""

import pytest
from tensorboard.plugins.hparams import plugin_data_pb2

from bench.report import hparams
from bench.results import summary


@pytest.fixture
def summaries(measured):
    """Makes summaries of measurements: `summaries({"model": "dense"}, {"batch_size": 8})`."""
    return lambda *given: summary.by_cell([measured(**values) for values in given])


@pytest.fixture
def events(tmp_path):
    """Writes summaries and reads the events of each run: tags with their values and steps, and what HParams is told."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(entries):
        hparams.write(entries, tmp_path)
        loaded = {
            run.name: EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload() for run in tmp_path.iterdir()
        }
        return {
            name: {tag: [(event.step, event.value) for event in run.Scalars(tag)] for tag in run.Tags()["scalars"]}
            for name, run in loaded.items()
        }, [
            plugin_data_pb2.HParamsPluginData.FromString(content).experiment
            for run in loaded.values()
            for tag, content in run.PluginTagToContent("hparams").items()
            if tag == "_hparams_/experiment"
        ]

    return read


def test_names_tell_models_apart_by_words(summaries):
    """Model, pipeline, precision, batch; what else varies follows, what all share does not."""
    entries = summaries({}, {"batch_size": 8, "mode": "predict"}, {"model": "none", "pipeline": "records_parallel"})

    assert hparams.names(entries) == [
        "dense resident float32 b32",
        "dense resident float32 b8 predict",
        "records_parallel alone b32",
    ]


def test_names_and_columns_say_what_is_chosen_of_pipelines(summaries):
    """Where any cell has it chosen; the step alone beside a fed one is still found."""
    fed = {"pipeline": "records_parallel", "prefetch": 0}
    entries = summaries({}, {"pipeline": "records_parallel"}, {**fed, "seconds": (0.2,) * 3})
    resident, _, chosen = hparams.runs(entries)

    assert hparams.names(entries)[1:] == [
        "dense records_parallel float32 b32",
        "dense records_parallel float32 b32 prefetch0",
    ]
    assert [run.columns["prefetch"] for run in hparams.runs(entries)[1:]] == ["auto", "0"]
    assert "augment" not in chosen.columns
    assert "prefetch" not in resident.columns
    assert chosen.curves["stall_percent"][-1] == pytest.approx(50)


def test_names_of_one_cell_have_its_day_and_a_number(summaries):
    """In place of a hash of what sets them apart, which stands in a column."""
    entries = summaries(*({"machine": {"usable_cores": cores}} for cores in (1, 2)))
    first, second = hparams.names(entries)

    assert second == f"{first} (2)"
    assert first.startswith("dense resident float32 b32 20")
    assert [run.columns["apart"] for run in hparams.runs(entries)] == ["usable_cores 1", "usable_cores 2"]


def test_columns_that_tell_apart_are_ticked(summaries, events):
    """TensorBoard ticks the first five, by `differs`: model, pipeline, precision, batch, and a field that varies."""
    _, (experiment,) = events(summaries({}, {"batch_size": 8, "image_size": 224}))
    ticked = {column.name for column in experiment.hparam_infos if column.differs}
    sizes = next(column for column in experiment.hparam_infos if column.name == "batch_size").domain_discrete

    assert ticked == {"model", "pipeline", "precision", "batch_size", "image_size"}
    assert [value.string_value for value in sizes.values] == ["   8", "  32"]
    assert [metric.name.tag for metric in experiment.metric_infos][:2] == ["images_per_second", "step_ms"]


def test_curves_end_at_the_figure(summaries, events):
    """Of all processes; no metric is a single dot."""
    entries = summaries({"seconds": (0.3, 0.1, 0.2)})
    (curves,) = events(entries)[0].values()

    assert [round(value) for _, value in curves["step_ms"]] == [300, 200, 200]
    assert curves["images_per_second"][-1][1] == pytest.approx(entries[0].images_per_second)
    assert all(len(points) > 1 and len({step for step, _ in points}) == len(points) for points in curves.values())


def test_long_curves_are_thinned(summaries):
    """A fast step is timed thousands of times."""
    (run,) = hparams.runs(summaries({"seconds": (0.001,) * 5000}))

    assert len(run.curves["step_ms"]) <= hparams.MOST_POINTS + 1


def test_stall_stands_with_a_step_that_is_fed(summaries):
    """The step alone has none; on another machine it is no partner."""
    alone, fed = {"seconds": (0.1,) * 3}, {"pipeline": "records_parallel", "seconds": (0.2,) * 3}
    curves = [run.curves for run in hparams.runs(summaries(alone, fed, {**fed, "machine": {"id": "other"}}))]

    assert [set(curve.get("stall_percent", ())) for curve in curves] == [set(), {50.0}, set()]
