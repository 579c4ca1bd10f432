"""What trainings come to: accuracy, time to a target, seconds an epoch, ratios and differences."""

import pytest

from bench.training import outcome
from bench.training.outcome import Middle


def test_a_middle_is_median_and_ends():
    """Of three values all are told, of nothing nothing."""
    assert Middle.of([3.0, 1.0, 2.0]) == Middle(value=2.0, low=1.0, high=3.0)
    assert Middle.of([]) is None


def test_accuracy_is_that_of_the_last_epoch(trained):
    """Over seeds; the best of any epoch stands beside it."""
    (one,) = outcome.outcomes([trained(seed=1, accuracies=(0.5, 0.9, 0.8)), trained(seed=2, accuracies=(0.5, 0.6))])

    assert one.accuracy == Middle(value=pytest.approx(0.7), low=0.6, high=0.8)
    assert one.best == 0.9


def test_time_to_a_target_ends_with_the_first_epoch_that_reaches_it(trained):
    """Seconds from the start, images of all epochs until then; who never reaches it does not count."""
    (one,) = outcome.outcomes(
        [trained(seed=1), trained(seed=2, accuracies=(0.8,)), trained(seed=3, accuracies=(0.1, 0.2))], target=0.7
    )

    assert one.reached == 2
    assert (one.target_seconds.low, one.target_seconds.high) == (5.0, 7.0)
    assert (one.target_images.low, one.target_images.high) == (100, 200)


def test_the_target_is_the_codelabs_unless_given(trained):
    """Where it prints no accuracy there is none."""
    found = outcome.outcomes([trained("dense"), trained("squeezenet")])

    assert [one.target for one in found] == [None, 0.8]
    assert [one.reached for one in found] == [0, 1]


def test_the_first_epoch_is_apart(trained):
    """Building and compilation are not in the later ones."""
    (one,) = outcome.outcomes([trained(epoch=2.0, first=9.0)])

    assert (one.first_epoch_seconds.value, one.epoch_seconds.value, one.images_per_second.value) == (9.0, 2.0, 50.0)


def test_one_epoch_has_no_later_one(trained):
    """Then there is no figure, rather than a wrong one."""
    (one,) = outcome.outcomes([trained(accuracies=(0.5,))])

    assert one.epoch_seconds is None
    assert one.images_per_second is None


def test_failures_are_kept_apart(trained):
    """A training that died counts among none of the figures."""
    (one,) = outcome.outcomes([trained(), trained(seed=2, status="timeout", reason="ended", history=())])

    assert len(one.trainings) == 1
    assert one.failed == ("timeout: ended",)


def test_speedup_pairs_trainings_of_a_seed(trained):
    """Each with the one beside it; a seed without a partner does not count."""
    found = outcome.outcomes(
        [
            trained(way="ours", seed=1, epoch=1.0),
            trained(way="plain", seed=1, epoch=2.0),
            trained(way="ours", seed=2, epoch=1.0),
            trained(way="plain", seed=2, epoch=4.0),
            trained(way="ours", seed=3, epoch=0.001),
            trained("convnet", way="ours", epoch=1.0),
        ]
    )
    (one,) = outcome.speedups(found)

    assert one.model == "dense"
    assert (one.ratio.value, one.ratio.low, one.ratio.high) == pytest.approx((3.0, 2.0, 4.0))


def test_the_mean_of_ratios_is_geometric():
    """Twice as fast and half as fast come to equal."""
    assert outcome.geometric_mean([2.0, 0.5]) == pytest.approx(1.0)
    assert outcome.geometric_mean([1.0, 4.0, 2.0]) == pytest.approx(2.0)


def test_parity_is_over_seeds(trained):
    """The mean difference with Student's interval, by hand for three seeds."""
    pairs = ((0.80, 0.81), (0.82, 0.80), (0.78, 0.81))
    found = outcome.outcomes(
        [
            trained(way=way, seed=seed, accuracies=(0.5, accuracy))
            for seed, pair in enumerate(pairs)
            for way, accuracy in zip(("float32", "mixed_bfloat16"), pair, strict=True)
        ]
    )
    (one,) = outcome.parities(found)
    # differences +0.01, -0.02, +0.03: mean 0.00667, deviation 0.02517, t(2, 97.5 %) = 4.30265
    assert (one.seeds, one.difference) == (3, pytest.approx(0.0066667, rel=1e-4))
    assert (one.low, one.high) == (pytest.approx(-0.05585, rel=1e-3), pytest.approx(0.06919, rel=1e-3))


def test_one_seed_says_nothing_of_parity(trained):
    """Nor do two ways without a seed in common."""
    one = [trained(way="float32", seed=1), trained(way="mixed_bfloat16", seed=1)]
    apart = [trained(way="float32", seed=seed) for seed in (1, 2)]
    apart += [trained(way="mixed_bfloat16", seed=seed) for seed in (3, 4)]

    assert outcome.parities(outcome.outcomes(one)) == []
    assert outcome.parities(outcome.outcomes(apart)) == []


def test_trainings_of_other_lengths_are_kept_apart(trained):
    """Two epochs measure speed, all of them accuracy: neither is pooled with the other, nor paired."""
    short = {"settings": {"batch_size": 10, "epochs": 2}, "accuracies": (0.3, 0.4)}
    found = outcome.outcomes(
        [
            trained("dense", "ours", settings={"batch_size": 10, "epochs": 3}),
            trained("dense", "ours", **short),
            trained("dense", "plain", epoch=5.0, **short),
            trained("dense", "plain", epoch=50.0, campaign="another", **short),
        ]
    )

    assert [(one.way, one.epochs, len(one.trainings)) for one in found] == [
        ("ours", 3, 1),
        ("ours", 2, 1),
        ("plain", 2, 2),
    ]
    assert [one.ratio.value for one in outcome.speedups(found)] == [2.5]


def test_drawn_photos_have_a_mark_of_their_own(trained):
    """The codelab's figures are of real photos; other models have no mark on drawn ones."""
    drawn = {"photos": "synthetic"}

    assert outcome.target_of(trained("squeezenet")) == 0.8
    assert outcome.target_of(trained("squeezenet", data=drawn)) is None
    assert outcome.target_of(trained("squeezenet_small", data=drawn)) == outcome.SYNTHETIC_TARGETS["squeezenet_small"]
    assert outcome.target_of(trained("squeezenet_small", data={"photos": "mine"})) is None


@pytest.mark.parametrize(
    "other",
    [
        {"settings": {"weights": "imagenet"}},
        {"settings": {"image_size": 331}},
        {"data": {"photos": "synthetic", "images": 300}},
    ],
)
def test_trainings_of_another_kind_are_not_pooled(trained, other):
    """Other weights, sizes or photos are no other seeds."""
    same = {"settings": {"image_size": 192}, "data": {"photos": "flower_photos", "images": 1000}}
    found = outcome.outcomes([trained(seed=1, **same), trained(seed=2, **same), trained(seed=3, **{**same, **other})])

    assert [len(one.trainings) for one in found] == [2, 1]
