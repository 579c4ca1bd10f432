"""What trainings come to: accuracy, time to a target, seconds an epoch, ratios and differences."""

import pytest

from bench.training.outcome import SYNTHETIC_TARGETS, MedianRange, parities, speedups, summarize, target_of
from bench.training.price import Price
from flowers_core.errors import InputError


def test_median_range():
    """Of three values all are shown, of none none."""
    assert MedianRange.of([3.0, 1.0, 2.0]) == MedianRange(value=2.0, low=1.0, high=3.0)
    assert MedianRange.of([]) is None


def test_accuracy_is_that_of_the_last_epoch(trained):
    """Over seeds; the best of any epoch is beside it."""
    (outcome,) = summarize([trained(seed=1, accuracies=(0.5, 0.9, 0.8)), trained(seed=2, accuracies=(0.5, 0.6))])

    assert outcome.accuracy == MedianRange(value=pytest.approx(0.7), low=0.6, high=0.8)
    assert outcome.best == 0.9


def test_target_time_ends_with_the_first_epoch_that_reaches_it(trained):
    """Seconds from the start, images of all epochs until then; one that never reaches it is infinite in the median."""
    never = trained(seed=3, accuracies=(0.1, 0.2))
    (outcome,) = summarize([trained(seed=1), trained(seed=2, accuracies=(0.8,)), never], target=0.7)

    assert outcome.reached == 2
    assert (outcome.target_seconds.low, outcome.target_seconds.high) == (5.0, 7.0)
    assert (outcome.target_images.low, outcome.target_images.high) == (100, 200)
    assert outcome.target_seconds.value == 7.0  # of 5, 7 and infinite


def test_target_that_most_miss_has_no_time(trained):
    """The median is infinite then; a training that died misses as well."""
    died = trained(seed=3, status="timeout", reason="ended", history=())
    (outcome,) = summarize([trained(seed=1), trained(seed=2, accuracies=(0.1,)), died], target=0.7)

    assert (outcome.reached, outcome.target_seconds, outcome.target_images) == (1, None, None)


def test_target_chosen_afterwards_is_told_apart(trained):
    """One that was stated before the trainings, or is the codelab's, is not chosen by what they reached."""
    stated = [trained(seed=seed, stated_target=0.7) for seed in (1, 2)]

    assert [summarize(stated, target=target)[0].stated for target in (None, 0.7, 0.75)] == [True, True, False]
    assert summarize(stated)[0].target == 0.7


def test_cost_is_by_the_hour(trained):
    """Of the whole process, and until the target; by the price that was stored, or by another."""
    runs = [trained(price={"amount": 3.6, "currency": "USD"}, process_seconds=20.0)]
    (outcome,) = summarize(runs, target=0.7)
    (dearer,) = summarize(runs, target=0.7, price=Price.parse("7.2EUR/h"))

    assert (outcome.cost.value, outcome.target_cost.value) == (pytest.approx(0.02), pytest.approx(0.007))
    assert (dearer.cost.value, str(dearer.price)) == (pytest.approx(0.04), "7.2 EUR/h")
    assert summarize([trained()])[0].cost is None


@pytest.mark.parametrize("text", ["1.20", "1.20USD", "USD/h", "0USD/h", "1,20USD/h", "1.20usd/h"])
def test_price_without_its_parts_is_refused(text):
    """In a sentence with an example."""
    with pytest.raises(InputError, match=r"such as 1.20USD/h. Received: "):
        Price.parse(text)


def test_target_is_the_codelabs_unless_given(trained):
    """Where it prints no accuracy there is none."""
    outcomes = summarize([trained("dense"), trained("squeezenet")])

    assert [(outcome.target, outcome.reached) for outcome in outcomes] == [(None, 0), (0.8, 1)]


def test_first_epoch_is_apart(trained):
    """Building and compilation are not in the later ones."""
    (outcome,) = summarize([trained(epoch=2.0, first=9.0)])

    assert outcome.first_epoch_seconds.value == 9.0
    assert (outcome.epoch_seconds.value, outcome.images_per_second.value) == (2.0, 50.0)


def test_single_epoch_has_no_later_one(trained):
    """Then there is no figure, rather than a wrong one."""
    (outcome,) = summarize([trained(accuracies=(0.5,))])

    assert (outcome.epoch_seconds, outcome.images_per_second) == (None, None)


def test_failures_are_kept_apart(trained):
    """A training that died counts among none of the figures."""
    (outcome,) = summarize([trained(), trained(seed=2, status="timeout", reason="ended", history=())])

    assert len(outcome.trainings) == 1
    assert outcome.failed == ("timeout: ended",)


def test_speedup_pairs_trainings_of_a_seed(trained):
    """Each with the one of its seed; a seed without a partner does not count."""
    outcomes = summarize(
        [
            trained(variant="ours", seed=1, epoch=1.0),
            trained(variant="plain", seed=1, epoch=2.0),
            trained(variant="ours", seed=2, epoch=1.0),
            trained(variant="plain", seed=2, epoch=4.0),
            trained(variant="ours", seed=3, epoch=0.001),
            trained("convnet", variant="ours", epoch=1.0),
        ]
    )

    assert speedups(outcomes) == {"dense": MedianRange(value=3.0, low=2.0, high=4.0)}


def test_parity_is_over_seeds(trained):
    """The mean difference with Student's interval, by hand for three seeds."""
    pairs = ((0.80, 0.81), (0.82, 0.80), (0.78, 0.81))
    outcomes = summarize(
        trained(variant=variant, seed=seed, accuracies=(0.5, accuracy))
        for seed, pair in enumerate(pairs)
        for variant, accuracy in zip(("float32", "mixed_bfloat16"), pair, strict=True)
    )
    (parity,) = parities(outcomes)
    # differences +0.01, -0.02, +0.03: mean 0.00667, deviation 0.02517, t(2, 97.5 %) = 4.30265
    assert (parity.seeds, parity.difference) == (3, pytest.approx(0.0066667, rel=1e-4))
    assert (parity.low, parity.high) == (pytest.approx(-0.05585, rel=1e-3), pytest.approx(0.06919, rel=1e-3))


@pytest.mark.parametrize(("seeds", "other_seeds"), [((1,), (1,)), ((1, 2), (3, 4))])
def test_parity_needs_two_seeds_in_common(trained, seeds, other_seeds):
    """A single seed says nothing, nor do two variants of different seeds."""
    trainings = [trained(variant="float32", seed=seed) for seed in seeds]
    trainings += [trained(variant="mixed_bfloat16", seed=seed) for seed in other_seeds]

    assert parities(summarize(trainings)) == []


def test_other_lengths_are_kept_apart(trained):
    """Two epochs measure speed, all of them accuracy: neither is pooled with the other, nor paired."""
    short = {"settings": {"batch_size": 10, "epochs": 2}, "accuracies": (0.3, 0.4)}
    outcomes = summarize(
        [
            trained("dense", "ours", settings={"batch_size": 10, "epochs": 3}),
            trained("dense", "ours", **short),
            trained("dense", "plain", epoch=5.0, **short),
            trained("dense", "plain", epoch=50.0, campaign="another", **short),
        ]
    )

    assert [(outcome.variant, outcome.epochs, len(outcome.trainings)) for outcome in outcomes] == [
        ("ours", 3, 1),
        ("ours", 2, 1),
        ("plain", 2, 2),
    ]
    assert speedups(outcomes)["dense"].value == 2.5


@pytest.mark.parametrize(
    ("model", "photos", "target"),
    [
        ("squeezenet", None, 0.8),
        ("squeezenet", "synthetic", None),
        ("squeezenet_small", "synthetic", SYNTHETIC_TARGETS["squeezenet_small"]),
        ("squeezenet_small", "mine", None),
    ],
)
def test_drawn_photos_have_a_target_of_their_own(trained, model, photos, target):
    """The codelab's figures are of real photos; few models have a target on drawn ones."""
    assert target_of(trained(model, data={"photos": photos})) == target


@pytest.mark.parametrize(
    "other",
    [
        {"settings": {"weights": "imagenet"}},
        {"settings": {"image_size": 331}},
        {"data": {"photos": "synthetic", "images": 300}},
    ],
)
def test_other_groups_are_not_pooled(trained, other):
    """Other weights, sizes or photos are not other seeds of the same."""
    same = {"settings": {"image_size": 192}, "data": {"photos": "flower_photos", "images": 1000}}
    outcomes = summarize([trained(seed=1, **same), trained(seed=2, **same), trained(seed=3, **{**same, **other})])

    assert [len(outcome.trainings) for outcome in outcomes] == [2, 1]
