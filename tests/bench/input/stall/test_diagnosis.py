"""What a diagnosis says of made-up timings: verdict, severity, headspace, stage and the next thing to do."""

import json
from dataclasses import replace

import pytest

from bench.input.stall.classify import Facts
from bench.input.stall.dataset_stages import Stage
from bench.input.stall.diagnosis import Diagnosis, FitClocks
from bench.input.stall.live_runs import LiveRuns

STEP = 0.1
SLOW_MAP = Stage(name="map(decode)", kind="map", serial=True, seconds=0.2)
FAST_MAP = replace(SLOW_MAP, serial=False)
PREFETCH = Stage(name="prefetch", kind="prefetch", seconds=0.0)


@pytest.fixture
def diagnosis():
    """Makes a diagnosis: `diagnosis(pipeline=0.3, both=0.3, wait=0.2)`; seconds a batch, a step alone takes 0.1."""

    def make(*, pipeline=0.01, both=STEP, wait=0.0, cpu=0.01, busy=0.1, first=0.2, steps=None, foreign=0.0, **fields):
        facts = Facts(
            pipeline_seconds=pipeline,
            step_seconds=STEP,
            both_seconds=both,
            wait_seconds=wait,
            pipeline_cpu_seconds=cpu,
            both_cpu_seconds=busy * both,
            cores=1,
        )
        runs = LiveRuns(
            facts=facts, first_step_seconds=first, batch_size=32, steps=steps, passes=2, batches=60,
            foreign_cpu_share=foreign, seconds=9.0,
        )  # fmt: skip
        return Diagnosis(runs=runs, **fields)

    return make


INPUT = dict(pipeline=0.2, both=0.2, wait=0.1)
CONTENDED = dict(pipeline=0.05, both=0.2, wait=0.0, cpu=0.05, busy=1.0)


@pytest.mark.parametrize(
    ("timings", "verdict", "severity", "headspace"),
    [
        (INPUT, "input-bound", "moderate", 0.5),
        (dict(pipeline=1.0, both=1.0, wait=0.9), "input-bound", "severe", 0.9),
        (dict(pipeline=0.12, both=0.12, wait=0.02), "input-bound", "mild", 1 / 6),
        (dict(), "compute-bound", "none", 0.0),
        (dict(pipeline=0.09), "balanced", "none", 0.0),
        (CONTENDED, "host-contended", "moderate", 0.5),
        (dict(first=100.0, fit_steps=10), "compile-bound", "severe", 0.0),
        (dict(first=100.0), "compute-bound", "none", 0.0),
    ],
)
def test_verdict(timings, verdict, severity, headspace, diagnosis):
    """Each kind of fit has its verdict; compiling is judged only where the number of steps is known."""
    found = diagnosis(**timings)

    assert (found.verdict, found.severity) == (verdict, severity)
    assert found.headspace == pytest.approx(headspace)


@pytest.mark.parametrize(
    ("seconds", "verdict", "advice"),
    [
        ([20.0, *[STEP] * 50], "compile-bound", "train for more steps"),
        ([5.0, *[STEP] * 10] * 4, "compile-bound", "drop_remainder=True"),
        ([2.0, *[STEP] * 50], "compute-bound", "mixed_bfloat16"),
        ([0.001, 0.001, 0.001, 0.4] * 9, "compute-bound", "mixed_bfloat16"),
    ],
)
def test_clocks_of_a_fit_say_what_compiling_took(seconds, verdict, advice, diagnosis):
    """One slow step is the first, many are new shapes; batches that end behind `fit`'s back are neither."""
    found = diagnosis(clocks=FitClocks(step_seconds=tuple(seconds), hook_seconds=1e-5))

    assert found.verdict == verdict
    assert advice in found.advice
    assert "callback's clocks took" in str(found)


@pytest.mark.parametrize(
    ("timings", "fields", "advice"),
    [
        (INPUT, dict(stages=(SLOW_MAP, PREFETCH)), "give map(decode) `num_parallel_calls=tf.data.AUTOTUNE`"),
        (INPUT, dict(stages=(FAST_MAP,)), "end the dataset with `.prefetch(tf.data.AUTOTUNE)`"),
        (INPUT, dict(stages=(FAST_MAP, PREFETCH)), "`.cache()` after map(decode)"),
        (INPUT, dict(stages=(replace(FAST_MAP, name="from_generator", kind="flat_map"),)), "runs in one thread"),
        (INPUT, dict(data="a PyDataset"), "workers=4"),
        (INPUT, dict(data="a generator"), "make it a keras.utils.PyDataset"),
        (CONTENDED, {}, "50.0 ms of CPU a batch from the step's 1 cores"),
        (dict(pipeline=0.09), {}, "gains at most 10%"),
    ],
)
def test_advice_is_what_helps_next(timings, fields, advice, diagnosis):
    """One thing to do, by the verdict and by how the dataset is made."""
    assert advice in diagnosis(**timings, **fields).advice


def test_headline_says_what_a_free_input_would_save(diagnosis):
    """The headspace comes first, with the two times it stands on."""
    found = diagnosis(**INPUT)

    assert found.headline == "A free input would save 50% of each step: 200 ms fed, 100 ms on a batch at hand."
    assert "input-bound (moderate)" in str(found)
    assert "─ compute-bound ─" in str(diagnosis())


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (dict(both=0.05), "faster fed than on a batch at hand"),
        (dict(foreign=0.4), "other programs used 40% of the CPU meanwhile"),
        (dict(steps=3), "the dataset ends after 3 batches"),
        (dict(clocks=FitClocks(step_seconds=(0.3,) * 9, hook_seconds=0.0)), "in the fit a step took 200 ms more"),
        ({}, "took 9.00 s and left the weights as they were"),
    ],
)
def test_notes_say_what_is_doubtful(fields, said, diagnosis):
    """A busy machine, a dataset of few batches, callbacks that take time, and the diagnosis' own cost."""
    assert any(said in note for note in diagnosis(**fields).notes()), diagnosis(**fields).notes()


def test_html_escapes_what_users_name(diagnosis):
    """A notebook shows a table in which the name of a function is text."""
    found = diagnosis(**INPUT, stages=(replace(FAST_MAP, name="map(<script>)"), PREFETCH))

    assert "map(&lt;script&gt;): 200 ms a batch" in found._repr_html_()
    assert "<script>" not in found._repr_html_()


def test_box_shows_names_as_text(diagnosis):
    """The name of a file that holds an escape sequence commands no terminal, and brackets are no markup."""
    text = str(diagnosis(**INPUT, stages=(replace(FAST_MAP, name="map([red]\x1b[31m)"), PREFETCH)))

    assert "\x1b" not in text
    assert "[red]" in text


def test_to_dict_is_plain(diagnosis):
    """All of it goes into JSON."""
    values = json.loads(json.dumps(diagnosis(**INPUT, stages=(SLOW_MAP,)).to_dict()))

    assert (values["verdict"], values["headspace_share"], values["costs_most"]) == ("input-bound", 0.5, "map(decode)")
