"""Trainings -> how good each model becomes, how long that takes, and how much faster one way is than another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, fsum, log
from statistics import median

from bench.training.run import TrainingRun
from flowers_core import models

SYNTHETIC = "synthetic"  # folder of the drawn photos
# What our recipes reach within their epochs on the 300 photos that `make bench` draws, less some points for the seed.
SYNTHETIC_TARGETS = {"squeezenet_small": 0.5}


@dataclass(frozen=True, kw_only=True)
class Middle:
    """Median with lowest and highest: of few seeds no narrower interval would be honest."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Middle | None":
        """None of nothing."""
        ordered = sorted(values)
        return cls(value=median(ordered), low=ordered[0], high=ordered[-1]) if ordered else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the trainings of one model, in one way, came to.

    Attributes:
        model: One of `models.MODELS`.
        way: One of `bench.training.run.WAYS`.
        epochs: How many a training was to have.
        weights: With which it began; empty for random ones.
        trainings: Those that ended well.
        failed: Reasons of the others.
        accuracy: On the validation shards after the last epoch.
        best: Highest of any epoch of any training.
        seconds: From the start of a training to the end of its last epoch.
        target: Accuracy to be reached; None if there is none.
        reached: How many reached it.
        target_seconds: From the start of the training, of those that did: building, compilation, validation and
            saving included.
        target_images: Images trained on until then.
        first_epoch_seconds: The first epoch with all that comes before it.
        epoch_seconds: A later one, validation included; of each training the median.
        images_per_second: Of the steps of later epochs.
    """

    model: str
    way: str
    epochs: int
    weights: str
    trainings: tuple[TrainingRun, ...]
    failed: tuple[str, ...]
    accuracy: Middle | None
    best: float | None
    seconds: Middle | None
    target: float | None
    reached: int
    target_seconds: Middle | None
    target_images: Middle | None
    first_epoch_seconds: Middle | None
    epoch_seconds: Middle | None
    images_per_second: Middle | None


def outcomes(trainings: Iterable[TrainingRun], *, target: float | None = None) -> list[Outcome]:
    """One for each kind of training, in the order in which they first came: see `kind`.

    Args:
        trainings: Of one machine and one state of the code.
        target: Validation accuracy to be reached; see `target_of`, unless given.
    """
    kinds: dict[tuple, list[TrainingRun]] = {}
    for one in trainings:
        kinds.setdefault(kind(one), []).append(one)
    return [_outcome(some, target) for some in kinds.values()]


def kind(one: TrainingRun) -> tuple:
    """What trainings must have in common to be seeds of one another: model, way, epochs, weights, photos and size."""
    settings, data = one.settings, one.data
    given = settings.get("weights") or "", data.get("photos"), data.get("images"), settings.get("image_size")
    return one.model, one.way, settings.get("epochs", models.spec(one.model).recipe.epochs), *given


def _outcome(trainings: Sequence[TrainingRun], target: float | None) -> Outcome:
    model, way, epochs, weights, *_ = kind(trainings[0])
    good = tuple(one for one in trainings if one.status == "ok" and one.history)
    target = target if target is not None else target_of(trainings[0])
    reached = [row for row in (first_at(one, target) for one in good) if row]
    return Outcome(
        model=model,
        way=way,
        epochs=epochs,
        weights=weights,
        trainings=good,
        failed=tuple(f"{one.status}: {one.reason}" for one in trainings if one not in good),
        accuracy=Middle.of(one.history[-1]["val_accuracy"] for one in good),
        best=max((row["val_accuracy"] for one in good for row in one.history), default=None),
        seconds=Middle.of(one.history[-1]["elapsed_seconds"] for one in good),
        target=target,
        reached=len(reached),
        target_seconds=Middle.of(row["elapsed_seconds"] for row, _ in reached),
        target_images=Middle.of(row["epoch"] * images for row, images in reached),
        first_epoch_seconds=Middle.of(one.history[0]["elapsed_seconds"] for one in good),
        epoch_seconds=Middle.of(later_epoch(one) for one in good if len(one.history) > 1),
        images_per_second=Middle.of(
            median(row["images_per_second"] for row in one.history[1:]) for one in good if len(one.history) > 1
        ),
    )


def target_of(one: TrainingRun) -> float | None:
    """What a training should reach: on drawn photos our own mark, on others the lowest that the codelab prints."""
    if one.data.get("photos") == SYNTHETIC:
        return SYNTHETIC_TARGETS.get(one.model)
    published = models.spec(one.model).recipe.accuracy
    return published and published[0]


def first_at(one: TrainingRun, target: float | None) -> tuple[dict, int] | None:
    """The first row of a training that reaches a target, with the images of an epoch; None if none does."""
    if target is None:
        return None
    return next(((row, one.images) for row in one.history if row["val_accuracy"] >= target), None)


def later_epoch(one: TrainingRun) -> float:
    """Median seconds of the epochs after the first, from end to end: steps, validation, and what is kept."""
    return median(after["elapsed_seconds"] - before["elapsed_seconds"] for before, after in pairwise(one.history))


@dataclass(frozen=True, kw_only=True)
class Speedup:
    """How much faster an epoch is in one way than in another.

    Attributes:
        model: Of which.
        ratio: Seconds of an epoch in the other way over those in this one, of trainings of the same seed, which ran
            one after the other; above 1 this way is faster.
    """

    model: str
    ratio: Middle


def speedups(found: Sequence[Outcome], *, way: str = "ours", than: str = "plain") -> list[Speedup]:
    """One for each model that was trained in both ways."""
    made = []
    for model, pairs in _side_by_side(found, way, than).items():
        ratio = Middle.of(
            later_epoch(other) / later_epoch(one)
            for one, other in pairs
            if len(one.history) > 1 and len(other.history) > 1
        )
        if ratio:
            made.append(Speedup(model=model, ratio=ratio))
    return made


def _side_by_side(found: Sequence[Outcome], way: str, than: str) -> dict[str, list[tuple[TrainingRun, TrainingRun]]]:
    """By model, its trainings in one way, each with that of the same campaign, epochs and seed in the other."""
    by: dict[tuple[str, str], dict[tuple, TrainingRun]] = {}
    for one in found:
        known = by.setdefault((one.model, one.way), {})
        known.update({(training.campaign, one.epochs, training.seed): training for training in one.trainings})
    return {
        model: [(one, other[key]) for key, one in by.get((model, way), {}).items() if key in other]
        for model in dict.fromkeys(one.model for one in found)
        for other in [by.get((model, than), {})]
    }


def geometric_mean(values: Sequence[float]) -> float:
    """Of ratios: as many times faster as all together are."""
    return exp(fsum(map(log, values)) / len(values))


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Whether one way becomes as good as another.

    Attributes:
        model: Of which.
        seeds: Trainings in each way.
        difference: Mean over seeds of its accuracy less the other's.
        low: Lower end of the 95 % interval, by Student's t over seeds; None where all differ by the same, which few
            seeds do by chance.
        high: Its upper end.
    """

    model: str
    seeds: int
    difference: float
    low: float | None
    high: float | None


def parities(found: Sequence[Outcome], *, way: str = "mixed_bfloat16", than: str = "float32") -> list[Parity]:
    """One for each model that was trained in both ways with at least 2 seeds in common."""
    from scipy import stats

    made = []
    for model, pairs in _side_by_side(found, way, than).items():
        differences = [one.history[-1]["val_accuracy"] - other.history[-1]["val_accuracy"] for one, other in pairs]
        if len(differences) < 2:
            continue
        mean = fsum(differences) / len(differences)
        interval = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95) if len(set(differences)) > 1 else None
        low, high = (float(interval.low), float(interval.high)) if interval else (None, None)
        made.append(Parity(model=model, seeds=len(differences), difference=mean, low=low, high=high))
    return made
