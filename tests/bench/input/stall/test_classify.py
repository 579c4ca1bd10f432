"""Facts of three processes become a verdict."""

from dataclasses import replace

import pytest

from bench.input.stall.classify import Facts, classify


def facts(*, pipeline, step, both, wait, cpu=0.0, cores=2):
    return Facts(
        pipeline_seconds=pipeline, step_seconds=step, both_seconds=both, wait_seconds=wait, both_cpu_seconds=cpu,
        pipeline_cpu_seconds=pipeline * cores, cores=cores,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (dict(pipeline=0.01, step=0.10, both=0.102, wait=0.0), "compute-bound"),
        (dict(pipeline=0.01, step=0.10, both=0.111, wait=0.0), "compute-bound"),  # a stall of 9.9 %
        (dict(pipeline=0.09, step=0.10, both=0.105, wait=0.003), "balanced"),
        (dict(pipeline=0.30, step=0.10, both=0.30, wait=0.20), "input-bound"),
        (dict(pipeline=0.05, step=0.10, both=0.15, wait=0.05, cpu=0.20), "input-bound"),  # no prefetch: idle cores
        (dict(pipeline=0.05, step=0.10, both=0.15, wait=0.00, cpu=0.30), "host-contended"),
        (dict(pipeline=0.05, step=0.10, both=0.15, wait=0.04, cpu=0.29), "host-contended"),  # waits for busy cores
        (dict(pipeline=0.12, step=0.10, both=0.20, wait=0.02, cpu=0.40), "host-contended"),
        (dict(pipeline=0.12, step=0.10, both=0.20, wait=0.09, cpu=0.40), "host-contended"),  # 20 ms are its own
        (dict(pipeline=0.12, step=0.10, both=0.20, wait=0.09, cpu=0.20), "input-bound"),  # and cores lie idle
        (dict(pipeline=0.19, step=0.10, both=0.29, wait=0.19, cpu=0.58), "host-contended"),  # just below twice the step
        (dict(pipeline=0.21, step=0.10, both=0.31, wait=0.21, cpu=0.62), "input-bound"),  # just above
        (dict(pipeline=0.30, step=0.10, both=0.30, wait=None), "input-bound"),
        (
            dict(pipeline=0.60, step=0.50, both=1.00, wait=0.25, cpu=2.00),
            "host-contended",
        ),  # of 0.5 s it would wait 0.1 for a pipeline with cores of its own
        (dict(pipeline=0.50, step=0.50, both=1.00, wait=0.30, cpu=1.80), "host-contended"),  # 90 % busy is full
        (dict(pipeline=0.40, step=0.50, both=0.50, wait=0.00), "compute-bound"),  # keeps up with a quarter to spare
        # Just beyond each limit: a stall of 11 %, a pipeline at 85 %, 47 % of the loss, and cores that are 85 % busy.
        (dict(pipeline=0.02, step=0.089, both=0.10, wait=0.011), "input-bound"),
        (dict(pipeline=0.085, step=0.10, both=0.10, wait=0.0), "balanced"),
        (dict(pipeline=0.12, step=0.10, both=0.20, wait=0.047, cpu=0.40), "host-contended"),
        (dict(pipeline=0.50, step=0.50, both=1.00, wait=0.30, cpu=1.70), "input-bound"),
    ],
)
def test_each_kind_of_loss_has_its_verdict(given, verdict):
    """Fed, close, waiting, slowed and waiting for busy cores are told apart; without timed waits all is waiting."""
    assert classify(facts(**given))[0] == verdict


def test_a_loss_that_input_cannot_cause_is_not_blamed_on_it():
    """On a busy machine a step takes twice as long, and input, which took 2 % of it, is not blamed."""
    verdict, reason = classify(facts(pipeline=0.001, step=0.10, both=0.20, wait=0.001, cpu=0.2))

    assert verdict == "compute-bound"
    assert reason == "input explains at most 2% by waiting and CPU seconds; the rest is noise or other programs"


def test_the_split_is_of_what_input_explains():
    """Where others slow the step as well, waiting of 15 of the 20 ms that input costs is still most of it."""
    measured = facts(pipeline=0.01, step=0.01, both=0.10, wait=0.015, cpu=0.05, cores=1)

    assert measured.explained == pytest.approx(0.35)
    assert classify(replace(measured, pipeline_cpu_seconds=0.0025))[0] == "input-bound"


def test_a_device_of_its_own_has_no_cores_to_lose():
    """On a GPU what is lost beside waiting is the way to it: input-bound, not contended."""
    measured = facts(pipeline=0.05, step=0.10, both=0.15, wait=0.0)

    assert classify(measured)[0] == "host-contended"
    assert classify(replace(measured, shares_cores=False))[0] == "input-bound"


def test_stall_and_overlap_are_ratios():
    """A step of 100 ms that takes 125 when fed loses a fifth; a slower pipeline that hides the step overlaps wholly."""
    measured = facts(pipeline=0.125, step=0.1, both=0.125, wait=0.025, cpu=0.2)

    assert measured.stall == pytest.approx(0.2)
    assert measured.overlap == pytest.approx(1.0)
    assert measured.waiting == pytest.approx(0.2)
    assert measured.busy == pytest.approx(0.8)


def test_the_reason_names_the_cause():
    """A contended verdict says how much of the loss is slower computing."""
    _, reason = classify(facts(pipeline=0.05, step=0.10, both=0.20, wait=0.02, cpu=0.40))

    assert "80%" in reason


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            dict(pipeline=0.30, step=0.10, both=0.30, wait=0.20),
            "a batch takes the pipeline alone 300% of the step's time",
        ),
        (
            dict(pipeline=0.01, step=0.10, both=0.10, wait=0.0),
            "a batch takes the pipeline alone 10% of the step's time",
        ),
        (
            dict(pipeline=0.10, step=0.10, both=0.20, wait=0.10, cpu=0.20),
            "it waits with cores 50% idle: the pipeline does not run ahead",
        ),
        (
            dict(pipeline=0.15, step=0.10, both=0.30, wait=0.20),
            "a batch takes the pipeline alone 150% of the step's time",
        ),
        (
            dict(pipeline=0.05, step=0.10, both=0.15, wait=0.05, cpu=0.06),
            "it waits with cores 80% idle: the pipeline does not run ahead",
        ),
        (
            dict(pipeline=0.05, step=0.10, both=0.15, wait=0.04, cpu=0.30),
            "it waits, but alone the pipeline keeps up: all cores are 100% busy",
        ),
        (
            dict(pipeline=0.12, step=0.10, both=0.20, wait=0.09, cpu=0.40),
            "80% of what input costs it would go if each had cores of its own: all cores are 100% busy",
        ),
        (
            dict(pipeline=0.05, step=0.10, both=0.20, wait=0.02, cpu=0.40),
            "80% of what input costs it is slower computing: input takes cores from it",
        ),
    ],
)
def test_reasons_give_figures(given, reason):
    """Each verdict gives the figure that it rests on."""
    assert classify(facts(**given))[1] == reason


def test_a_device_of_its_own_names_the_transfer():
    """On a GPU the reason says how long the step waits, and that the rest is the transfer; 0 where nobody timed it."""
    fed = replace(facts(pipeline=0.05, step=0.10, both=0.20, wait=0.04), shares_cores=False)
    ending = "of the time, the rest is the transfer to the device"

    assert classify(fed)[1] == f"a batch takes the pipeline alone 50% of the step's time; it waits 20% {ending}"
    assert classify(replace(fed, wait_seconds=None))[1].endswith(f"it waits 0% {ending}")


def test_facts_without_timed_waits():
    """Where waiting was not timed it is unknown, not none; noise that made a fed step faster explains nothing."""
    measured = facts(pipeline=0.05, step=0.12, both=0.10, wait=None)

    assert measured.waiting is None
    assert measured.explained == 0.0
    assert replace(measured, wait_seconds=0.01).explained == 0.0


def test_cores_that_others_take_are_not_idle():
    """A pipeline that keeps up alone and waits while others burn the cores is contended, not late by itself."""
    measured = facts(pipeline=0.05, step=0.10, both=0.15, wait=0.05, cpu=0.15)

    assert classify(measured)[0] == "input-bound"
    assert classify(replace(measured, foreign_cpu_share=0.5))[0] == "host-contended"


@pytest.mark.parametrize("noise", [0.8, 0.9, 1.0, 1.1, 1.25])
def test_a_contended_fit_stays_contended_on_a_busy_machine(noise):
    """Where step and input take turns on full cores, the verdict holds whichever of the runs a neighbour slowed."""
    for pipeline, step in ((0.07 * noise, 0.10), (0.07, 0.10 * noise)):
        measured = facts(pipeline=pipeline, step=step, both=0.17, wait=0.07, cpu=0.17 * 2 * 0.93)

        assert classify(measured)[0] == "host-contended"
